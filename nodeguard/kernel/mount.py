"""Mounting and unmounting by system call: no mount(8), no fork.

Source: mount(2), umount2(2), proc_pid_mountinfo(5).
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from pathlib import Path

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8
_OCTAL = re.compile(r"\\([0-7]{3})")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)


def mount(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    fstype: str | None,
    flags: int = 0,
    options: str | None = None,
) -> None:
    """Mount ``source`` at ``target``.

    Raises:
        OSError: the kernel refused; the message names target, type and options.
    """
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        None if fstype is None else fstype.encode(),
        flags,
        None if options is None else os.fsencode(options),
    )
    if result != 0:
        number = ctypes.get_errno()
        what = f"cannot mount {fstype or 'a bind'} ({options or 'no options'}): {os.strerror(number)}"
        raise OSError(number, what, os.fspath(target))


def bind(source: str | os.PathLike[str], target: str | os.PathLike[str], *, read_only: bool = False) -> None:
    """Show ``source`` (file or directory, without what is mounted below) at ``target``, private to that place."""
    mount(source, target, None, MS_BIND)
    mount("none", target, None, MS_PRIVATE)
    if read_only:
        mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY)


def unmount(target: str | os.PathLike[str]) -> None:
    """Take the topmost mount at ``target`` away, at once for new users and when the last old one lets go.

    A target that is gone or not a mount point is fine; a symlink is not followed.

    Raises:
        OSError: the kernel refused.
    """
    if _libc.umount2(os.fsencode(target), _MNT_DETACH | _UMOUNT_NOFOLLOW) != 0:
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOENT):
            raise OSError(number, f"cannot unmount: {os.strerror(number)}", os.fspath(target))


def mounts_below(path: str | os.PathLike[str], mountinfo: str | None = None) -> list[str]:
    """Mount points at or below ``path``, deepest and latest first, so that they can be unmounted in this order."""
    text = Path("/proc/self/mountinfo").read_text(errors="surrogateescape") if mountinfo is None else mountinfo
    top = os.fspath(path).rstrip("/")
    points = [unescape(line.split(" ", 5)[4]) for line in text.splitlines() if line.count(" ") > 4]
    below = [point for point in points if point == top or point.startswith(top + "/")]
    return sorted(reversed(below), key=lambda point: point.count("/"), reverse=True)


def unescape(word: str) -> str:
    """A path as mountinfo writes it: blanks, tabs, newlines and backslashes are octal there."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), word)
