"""The disks' part of the Summary, looked at from outside: each directory is walked once, within bounds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from nodeguard.kernel import filesystem
from nodeguard.model.stats import FsUsage
from nodeguard.model.summary import FsStats, VolumeStats

MOST_ENTRIES = 200_000
"""Of one collection; what lies beyond is not counted, and what holds it is unknown."""

_BLOCK_BYTES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class PodDisks:
    """What a pod has on disks; ``local`` are the volumes that count as its ephemeral storage."""

    volumes: tuple[VolumeStats, ...]
    local: tuple[VolumeStats, ...]
    others: tuple[FsStats, ...]


class DiskLook:
    """One look at all disks; a file system is asked once."""

    def __init__(self) -> None:
        self._file_systems: dict[int, FsStats] = {}
        self._left = MOST_ENTRIES

    def file_system(self, path: Path) -> FsStats | None:
        """The file system that a path is on, or will be, and all that is used of it; None when it does not tell."""
        try:
            while not path.exists() and path != path.parent:
                path = path.parent
            device = path.stat().st_dev
            if device not in self._file_systems:
                self._file_systems[device] = _file_system(path)
        except OSError:
            return None
        return self._file_systems[device]

    def share(self, place: Path, *directories: Path) -> FsStats | None:
        """The file system that a path is on, and what these directories use, nothing where there is none."""
        whole = self.file_system(place)
        if whole is None:
            return None
        used = self._measure(directories)
        return replace(whole, time=time.time(), used_bytes=used.used_bytes, inodes_used=used.inodes_used)

    def tree(self, directory: Path) -> FsStats | None:
        """The file system of a directory, and what the directory uses of it; None when there is none."""
        return self.share(directory, directory) if directory.is_dir() else None

    def pod(self, state_dir: Path, small_files: Path) -> PodDisks:
        """The volumes of a pod, by name, and its small files on the host."""
        volumes, local = [], []
        for directory in _directories(state_dir / "volumes"):
            is_memory = directory.is_mount()
            found = self.file_system(directory) if is_memory else self.tree(directory)
            if found is None:
                continue
            volume = _volume(directory.name, found)
            volumes.append(volume)
            if not is_memory and not (directory / "..data").is_symlink():  # which is how the downward API writes
                local.append(volume)
        others = self.tree(small_files)
        return PodDisks(volumes=tuple(volumes), local=tuple(local), others=() if others is None else (others,))

    def _measure(self, directories: tuple[Path, ...]) -> FsUsage:
        """Blocks and inodes of the trees as ``du`` counts them: other file systems left out, hard links once."""
        total = inodes = 0
        linked: set[tuple[int, int]] = set()
        for top in directories:
            for entry in _walk(top):
                self._left -= 1
                if self._left < 0:
                    return FsUsage()
                if entry.st_nlink > 1 and (entry.st_dev, entry.st_ino) in linked:
                    continue
                linked.add((entry.st_dev, entry.st_ino))
                total += entry.st_blocks * _BLOCK_BYTES
                inodes += 1
        return FsUsage(used_bytes=total, inodes_used=inodes)


def _file_system(path: Path) -> FsStats:
    seen = filesystem.read(path)
    has_size, has_inodes = seen.capacity_bytes > 0, seen.inodes > 0  # some have no table of inodes that could run out
    return FsStats(
        time=time.time(),
        available_bytes=seen.available_bytes if has_size else None,
        capacity_bytes=seen.capacity_bytes if has_size else None,
        used_bytes=seen.used_bytes if has_size else None,
        inodes_free=seen.inodes_free if has_inodes else None,
        inodes=seen.inodes if has_inodes else None,
        inodes_used=seen.inodes - seen.inodes_free if has_inodes else None,
    )


def _volume(name: str, stats: FsStats) -> VolumeStats:
    return VolumeStats(
        name=name,
        time=stats.time,
        available_bytes=stats.available_bytes,
        capacity_bytes=stats.capacity_bytes,
        used_bytes=stats.used_bytes,
        inodes_free=stats.inodes_free,
        inodes=stats.inodes,
        inodes_used=stats.inodes_used,
    )


def _directories(parent: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(path for path in parent.iterdir() if path.is_dir() and not path.is_symlink())
    return []


def _walk(top: Path) -> Iterator[os.stat_result]:
    """Everything at and below a directory that is on its device; what goes meanwhile is left out."""
    try:
        first = top.lstat()
    except OSError:
        return
    yield first
    waiting = [str(top)]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:
            continue
        with entries:
            for entry in entries:
                with suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    if found.st_dev == first.st_dev:
                        yield found
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
