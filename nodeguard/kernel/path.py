"""Files below a root that others may write to: no symlink leads out of it, whenever it is made."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable
from typing import Any

from nodeguard.kernel.filesystem import mount_id

_SYS_OPENAT2 = 437
"""The same on every architecture, as all system calls since Linux 5.2."""

_RESOLVE_NO_XDEV, _RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x01, 0x02, 0x04, 0x08
_RESOLVE_IN_ROOT = 0x10
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

StrPath = str | os.PathLike[str]


def open_in_root(root: StrPath, path: StrPath, flags: int = os.O_RDONLY, mode: int = 0) -> int:
    """Open a path as if ``root`` were ``/``: absolute symlinks and ``..`` start and stop there.

    Raises:
        OSError: there is no such file; before Linux 5.6, also when a symlink is on the way (ELOOP).
    """
    return _open(root, path, flags, mode, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)


def open_beneath(root: StrPath, path: StrPath, flags: int = os.O_RDONLY, mode: int = 0) -> int:
    """Open a relative path below ``root``, without following any symlink.

    Raises:
        OSError: there is no such file; ELOOP for a symlink, EXDEV for a path that climbs out.
    """
    return _open(root, path, flags, mode, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS)


def subdirectory_opener() -> Callable[[int, str], int]:
    """What opens a directory by its name in an open one, quickly: never through a symlink, never into another mount.

    It raises OSError: ENOTDIR or ELOOP for what is no directory, EXDEV where something is mounted.
    """
    number = ctypes.c_long(_SYS_OPENAT2)
    how = ctypes.create_string_buffer(
        struct.pack("QQQ", _DIRECTORY, 0, _RESOLVE_NO_XDEV | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH), 24
    )
    size, call = ctypes.c_size_t(24), _libc().syscall

    def open_directly(parent: int, name: str) -> int:
        fd: int = call(number, parent, os.fsencode(name), how, size)
        if fd >= 0:
            return fd
        error = ctypes.get_errno()
        if error == errno.ENOSYS:
            return _open_and_compare(parent, name)
        raise OSError(error, os.strerror(error), name)

    return open_directly


def _open_and_compare(parent: int, name: str) -> int:
    """Before Linux 5.6."""
    fd = os.open(name, _DIRECTORY, dir_fd=parent)
    if mount_id(fd) != mount_id(parent):
        os.close(fd)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name)
    return fd


def _open(root: StrPath, path: StrPath, flags: int, mode: int, resolve: int) -> int:
    top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            return _openat2(top, os.fspath(path), flags | os.O_CLOEXEC, mode, resolve)
        except OSError as e:
            if e.errno != errno.ENOSYS:
                raise
        return _walk(top, os.fspath(path), flags | os.O_CLOEXEC, mode, may_be_absolute=bool(resolve & _RESOLVE_IN_ROOT))
    finally:
        os.close(top)


def _openat2(top: int, path: str, flags: int, mode: int, resolve: int) -> int:
    """Source: Linux, man 2 openat2 (5.6)."""
    # The kernel refuses a mode that would not be used.
    how = struct.pack("QQQ", flags, mode if flags & (os.O_CREAT | os.O_TMPFILE & ~os.O_DIRECTORY) else 0, resolve)
    buffer = ctypes.create_string_buffer(how, len(how))
    fd: int = _libc().syscall(ctypes.c_long(_SYS_OPENAT2), top, os.fsencode(path), buffer, ctypes.c_size_t(len(how)))
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return fd


def _walk(top: int, path: str, flags: int, mode: int, *, may_be_absolute: bool) -> int:
    """Open step by step, each without following a symlink: refuses more than openat2 does, and never less."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or (path.startswith("/") and not may_be_absolute):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    here = os.dup(top)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
        return os.open(parts[-1] if parts else ".", flags | os.O_NOFOLLOW, mode, dir_fd=here)
    except NotADirectoryError as e:  # what O_NOFOLLOW says to a symlink together with O_DIRECTORY
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path) from e
    finally:
        os.close(here)


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
