"""File systems: how much there is and how much is left, read again and again from an open descriptor."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from nodeguard.kernel.mount import MountPoint, parse_mountinfo, read_mountinfo

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """One look at a file system; ``capacity_bytes`` 0: it has no size to tell, ``inodes`` 0: none to run out of.

    ``available_bytes`` is what ordinary users may still take: less than what is free where some is kept for root.
    So ``used_bytes`` is not capacity without available.
    """

    device: int
    mount_point: str
    source: str
    type: str
    capacity_bytes: int
    available_bytes: int
    used_bytes: int
    inodes: int
    inodes_free: int


class OpenFileSystem:
    """A directory kept open, whose file system is looked at in two system calls. As long as it is open, the file
    system cannot be unmounted (only detached)."""

    def __init__(self, path: StrPath) -> None:
        """Open it.

        Raises:
            OSError: there is no such directory.
        """
        self.path = Path(path)
        self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.device = os.fstat(self._fd).st_dev
            place = _mount_of(self._fd)
        except BaseException:
            os.close(self._fd)
            raise
        self.mount_point = place.mount_point if place else str(path)
        self.source = place.source if place else ""
        self.type = place.file_system if place else ""

    def read(self) -> FileSystem:
        """How it is now.

        Raises:
            OSError: it cannot be told, or something else is at the path by now (ESTALE).

        Source: google/cadvisor, fs/fs.go, getVfsStats.
        """
        if self.path.stat().st_dev != self.device:
            raise OSError(errno.ESTALE, f"{self.source} is not mounted there any more", str(self.path))
        seen = os.fstatvfs(self._fd)
        unit = seen.f_frsize
        return FileSystem(
            device=self.device,
            mount_point=self.mount_point,
            source=self.source,
            type=self.type,
            capacity_bytes=unit * seen.f_blocks,
            available_bytes=unit * seen.f_bavail,
            used_bytes=unit * (seen.f_blocks - seen.f_bfree),
            inodes=seen.f_files,
            inodes_free=seen.f_ffree,
        )

    def close(self) -> None:
        """Let go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read(path: StrPath) -> FileSystem:
    """The file system a directory is on, as it is now.

    Raises:
        OSError: there is no such directory, or the file system does not answer.
    """
    opened = OpenFileSystem(path)
    try:
        return opened.read()
    finally:
        opened.close()


def existing(path: Path) -> Path:
    """The directory, or the nearest one above it that exists."""
    return next(place for place in (path, *path.parents) if place.is_dir())


def mount_id(fd: int) -> str:
    """The mount an open file belongs to; a bind mount of the same file system has another one than its surroundings."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
        for line in file:
            if line.startswith("mnt_id:"):
                return line.split()[1]
    raise OSError(errno.ENODATA, "no mnt_id", f"/proc/self/fdinfo/{fd}")


def _mount_of(fd: int) -> MountPoint | None:
    """By the mount's number: the device of a btrfs subvolume is not the one that mountinfo names."""
    number = mount_id(fd)
    line = next((line for line in read_mountinfo().splitlines() if line.split(" ", 1)[0] == number), "")
    return next(iter(parse_mountinfo(line)), None)
