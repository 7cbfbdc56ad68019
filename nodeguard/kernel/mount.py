"""Mounts: made, removed, listed."""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

_OCTAL = re.compile(r"\\([0-7]{3})")

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MountPoint:
    """One line of mountinfo. ``root`` is what of the file system is seen at the mount point."""

    mount_point: str
    root: str
    options: tuple[str, ...]
    file_system: str
    source: str
    super_options: tuple[str, ...]
    propagation: tuple[str, ...] = ()
    """The optional fields: ``shared:1``, ``master:2`` …"""

    @property
    def is_read_only(self) -> bool:
        """Here, or as a whole."""
        return "ro" in self.options or "ro" in self.super_options


def mount(source: str, target: StrPath, file_system: str, flags: int = 0, data: str = "") -> None:
    """Mount a file system.

    Raises:
        OSError: the kernel refused; the message holds file system and options.
    """
    words = (os.fsencode(source), os.fsencode(target), os.fsencode(file_system))
    if _libc().mount(*words, ctypes.c_ulong(flags), os.fsencode(data)) != 0:
        number = ctypes.get_errno()
        what = f"cannot mount {file_system or source}" + (f" ({data})" if data else "")
        raise OSError(number, f"{what}: {os.strerror(number)}", os.fspath(target))


def bind(source: StrPath, target: StrPath, *, recursive: bool = False, read_only: bool = False) -> None:
    """Let ``target`` show what ``source`` shows; what is mounted in one later is not seen in the other."""
    depth = MS_REC if recursive else 0
    mount(os.fspath(source), target, "", MS_BIND | depth)
    mount("", target, "", MS_PRIVATE | depth)
    if read_only:  # the kernel ignores the flag in the first call
        mount("", target, "", MS_REMOUNT | MS_BIND | MS_RDONLY)


def unmount(path: StrPath, *, detach: bool = True) -> None:
    """The topmost mount is gone from ``path``; fine when there was none. A symlink at the end is not followed.

    ``detach`` lets those who still use it go on.
    """
    flags = UMOUNT_NOFOLLOW | (MNT_DETACH if detach else 0)
    if _libc().umount2(os.fsencode(path), flags) != 0:
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOENT):
            raise OSError(number, f"cannot unmount: {os.strerror(number)}", os.fspath(path))


def mounts_below(path: StrPath) -> list[str]:
    """The mount points at and below a path, in the order in which they can be unmounted; several at one place too."""
    top = os.path.realpath(path)
    # Looking at the text first keeps this from growing with the mounts of all other pods.
    text, needle = read_mountinfo(), " " + escape(top)
    found = [point.mount_point for point in parse_mountinfo(lines_with(text, needle))] if needle in text else []
    below = [point for point in found if point == top or point.startswith(top.rstrip("/") + "/")]
    return sorted(below, key=lambda point: -point.count("/"))


def read_mountinfo(proc: str = "/proc") -> str:
    """The text of /proc/self/mountinfo."""
    with open(f"{proc}/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def list_mounts(skip: Container[str] = ()) -> list[MountPoint]:
    """The mounts this process sees, oldest first, without file systems of the types to ``skip``."""
    return parse_mountinfo(read_mountinfo(), skip)


def parse_mountinfo(text: str, skip: Container[str] = ()) -> list[MountPoint]:
    """Every mount of the text, but for the types to ``skip``; lines that make no sense are left out.

    Source: Linux, Documentation/filesystems/proc.rst, section 3.5.
    """
    found = []
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        right = after.split(" ")
        if right[0] in skip:
            continue
        left = before.split(" ")
        if separator and len(left) >= 6 and len(right) >= 3:
            found.append(
                MountPoint(
                    mount_point=unescape(left[4]),
                    root=unescape(left[3]),
                    options=tuple(left[5].split(",")),
                    file_system=right[0],
                    source=unescape(right[1]),
                    super_options=tuple(right[2].split(",")),
                    propagation=tuple(left[6:]),
                )
            )
    return found


def lines_with(text: str, needle: str) -> str:
    """The lines of ``text`` that hold ``needle``."""
    return "\n".join(line for line in text.splitlines() if needle in line)


def escape(text: str) -> str:
    """A path as it stands in mountinfo, see `unescape`."""
    return "".join(f"\\{ord(letter):03o}" if letter in " \t\n\\#" else letter for letter in text)


def unescape(text: str) -> str:
    r"""Blank, tab, line feed, backslash and # stand as octal numbers (``\040``)."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
