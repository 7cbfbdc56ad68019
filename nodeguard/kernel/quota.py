"""Project quotas: the file system itself counts what lies below a directory, deleted but open files included.

Used to count, never to limit. Whoever is root in the host's user namespace, as containers are, can take a file out of
its project: the figure is quick, but not proof against ill will.

Source: Linux, man 2 quotactl, man 2 ioctl_xfs_fsgetxattr; include/uapi/linux/{quota,dqblk_xfs,fs}.h.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from contextlib import suppress
from typing import Any

from nodeguard.kernel.path import StrPath

_SYS_QUOTACTL_FD = 443
"""The same on every architecture; since Linux 5.14."""

_PRJQUOTA = 2
_Q_GETINFO, _Q_GETQUOTA = 0x800005, 0x800007
_DQBLK = struct.Struct("=QQQQQQQQI4x")
_FSXATTR = struct.Struct("=IIIII8x")
_FS_IOC_FSGETXATTR, _FS_IOC_FSSETXATTR = 0x801C581F, 0x401C5820
_PROJINHERIT = 0x200
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_FIRST, _COUNT = 1 << 30, 1 << 30
"""Our numbers; the kubelet's begin at 2^20 + 1, people's at 1."""

_UNSUPPORTED = frozenset(
    {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ESRCH, errno.EPERM, errno.ENOTBLK, errno.EROFS}
)


def is_on(directory: StrPath) -> bool:
    """Whether the file system counts for projects.

    Raises:
        OSError: there is no such directory.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _counts_projects(fd)
    finally:
        os.close(fd)


def claim(directory: StrPath, number: int | None = None) -> int | None:
    """Have the file system count what will lie in an empty directory; returns the project's number.

    None where it cannot. May be repeated. ``number`` joins another directory's project: files cannot be moved from
    one project into another.

    Raises:
        OSError: there is no such directory, or the disk does not answer.
    """
    fd = os.open(directory, _OPEN_DIRECTORY)
    try:
        if not _counts_projects(fd):
            return None
        fields = _get_attributes(fd)
        if fields[3] >= _FIRST:
            return fields[3]
        number = number or _free_number(fd)
        if number is None:
            return None
        fields[0], fields[3] = fields[0] | _PROJINHERIT, number
        fcntl.ioctl(fd, _FS_IOC_FSSETXATTR, _FSXATTR.pack(*fields))
        return number
    except OSError as e:
        if e.errno in _UNSUPPORTED:
            return None
        raise
    finally:
        os.close(fd)


def read(directory: StrPath) -> tuple[int, int] | None:
    """Bytes and inodes of a claimed directory, itself included; None when it was not claimed, or nothing is counted.

    Raises:
        OSError: there is no such directory, or the disk does not answer.
    """
    fd = os.open(directory, _OPEN_DIRECTORY)
    try:
        number = _get_attributes(fd)[3]
        return _read_project(fd, number) if number >= _FIRST else None
    except OSError as e:
        if e.errno in _UNSUPPORTED:
            return None
        raise
    finally:
        os.close(fd)


def _free_number(fd: int) -> int | None:
    """A number that nobody uses: whatever it counts is nothing."""
    for _ in range(16):
        number = _FIRST + int.from_bytes(os.urandom(4)) % _COUNT
        try:
            if _read_project(fd, number) == (0, 0):
                return number
        except OSError as e:
            if e.errno in (errno.ENOENT, errno.ESRCH):  # XFS knows numbers in use alone
                return number
            raise
    return None


def _read_project(fd: int, number: int) -> tuple[int, int]:
    buffer = ctypes.create_string_buffer(_DQBLK.size)
    _quotactl(fd, _Q_GETQUOTA, number, buffer)
    fields = _DQBLK.unpack(buffer.raw)
    return fields[2], fields[5]


def _counts_projects(fd: int) -> bool:
    with suppress(OSError):
        _quotactl(fd, _Q_GETINFO, 0, ctypes.create_string_buffer(24))
        return True
    return False


def _get_attributes(fd: int) -> list[int]:
    return list(_FSXATTR.unpack(fcntl.ioctl(fd, _FS_IOC_FSGETXATTR, bytes(_FSXATTR.size))))


def _quotactl(fd: int, command: int, number: int, buffer: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    word = ctypes.c_uint(command << 8 | _PRJQUOTA)
    if libc.syscall(ctypes.c_long(_SYS_QUOTACTL_FD), fd, word, ctypes.c_uint(number), buffer) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"quotactl: {os.strerror(code)}")
