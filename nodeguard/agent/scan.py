"""How much of a disk a directory tree takes, counted again and again without looking at all of it each time.

Counted is what ``du`` counts: the blocks of every file and directory, each inode once, nothing behind a symlink and
nothing that is mounted inside. What was deleted while it is still open is not seen.

The names in a directory cannot change without its ctime (which nobody can set), but the files in it can grow. So a
directory is listed again when its ctime has changed and when it is small; of a large one, and of all in a tree with
many, only the files that were written to lately are looked at. The next thorough count looks at everything.

Source: google/cadvisor, fs/fs.go, GetDirUsage.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from typing import Any

from nodeguard.kernel.path import StrPath, subdirectory_opener

BLOCK_BYTES = 512
"""st_blocks counts these, whatever the file system's block size."""

SMALL_FILES = 64
"""A directory of fewer files is listed each time: that costs little more than asking whether it changed."""

MANY_DIRECTORIES = 500
"""In a tree with more of them, small ones are not listed each time either."""

RECENT_NS = 30 * 10**9
"""A file written to within this time is likely to be written to again."""

MOST_RECENT_FILES = 32
"""With more of them the directory is listed instead."""

GRANULARITY_NS = 50 * 10**6
"""A directory changed so shortly before it was listed may change again without another ctime."""

MOST_DIRECTORIES = 40_000
"""More are not remembered (300 bytes each; a pod must not fill our memory); they are listed each time."""

DEEPEST_OPEN = 128
"""Deeper down, directories on the way are closed, and opened again by way of ``..``."""

_OPEN_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOTHING: dict[Any, Any] = {}
"""Stands for all dictionaries without anything in them, of which there are three in most directories."""

_open_subdirectory = subdirectory_opener()


@dataclass(frozen=True, slots=True)
class TreeSize:
    """What a tree takes; its root counts."""

    used_bytes: int = 0
    inodes: int = 0

    def __add__(self, other: TreeSize) -> TreeSize:
        return TreeSize(self.used_bytes + other.used_bytes, self.inodes + other.inodes)


class _Directory:
    """What is remembered of one directory; ``blocks`` and ``files`` without those in ``links``."""

    __slots__ = ("blocks", "children", "ctime_ns", "files", "inode", "is_settled", "links", "recent")

    def __init__(self) -> None:
        self.inode = 0
        self.ctime_ns = -1
        self.is_settled = False
        self.blocks = self.files = 0
        self.links: dict[int, int] = _NOTHING
        self.recent: dict[str, tuple[int, int]] = _NOTHING
        self.children: dict[str, _Directory | None] = _NOTHING


@dataclass(slots=True)
class _Level:
    """A directory on the way down; ``fd`` is -1 while it is closed."""

    fd: int
    inode: int
    directory: _Directory
    todo: list[str]


class Tree:
    """One tree, counted by ``measure``, in any thread but one at a time."""

    def __init__(self, root: StrPath) -> None:
        self.root = root
        self._top = _Directory()
        self._directories = 0
        self.looked_at = 0
        """How many files and directories the last count has looked at."""

    def measure(self, *, thorough: bool = False, remember: int = MOST_DIRECTORIES) -> TreeSize:
        """Count it. ``thorough`` trusts nothing that is remembered; so many directories are remembered at most.

        Where directories are being moved about very deep down, it may come to less than there is.

        Raises:
            FileNotFoundError: there is no such directory (any more).
            OSError: the disk does not answer.
        """
        is_first = self._top.ctime_ns < 0
        has_many = self._directories > MANY_DIRECTORIES
        count = _Count(thorough=thorough or is_first, has_many=has_many, remember=remember)
        size = count.run(os.open(self.root, _OPEN_ROOT), self._top)
        self.looked_at = count.looked_at
        if count.has_new_links:  # what now has two names may have been counted as having one, elsewhere
            count = _Count(thorough=True, has_many=has_many, remember=remember)
            size = count.run(os.open(self.root, _OPEN_ROOT), self._top)
            self.looked_at += count.looked_at
        self._directories = count.directories
        return size


class _Count:
    """One count of a tree."""

    def __init__(self, *, thorough: bool, has_many: bool, remember: int) -> None:
        self._thorough, self._has_many, self._remember = thorough, has_many, remember
        self._device = 0
        self._now_ns = time.time_ns()
        self._linked: set[int] = set()
        self._blocks = self._inodes = 0
        self.directories = 0
        self.looked_at = 0
        self.has_new_links = False

    def run(self, root: int, top: _Directory) -> TreeSize:
        """Count everything from the open ``root`` on; closes it."""
        levels: list[_Level] = []
        try:
            levels.append(self._enter(root, top))
            while levels:
                level = levels[-1]
                if not level.todo:
                    self._leave(levels)
                    continue
                name = level.todo.pop()
                known = level.directory.children.get(name)
                if known is not None and self._is_quiet_leaf(level.fd, name, known):
                    continue
                child = self._open(level, name)
                if child < 0:
                    continue
                directory = known or _Directory()
                if len(levels) >= DEEPEST_OPEN:
                    os.close(level.fd)
                    level.fd = -1
                levels.append(_Level(child, 0, directory, []))
                levels[-1] = self._enter(child, directory)
                if self.directories <= self._remember:
                    level.directory.children[name] = directory
        finally:
            for level in levels:
                if level.fd >= 0:
                    os.close(level.fd)
        return TreeSize(self._blocks * BLOCK_BYTES, self._inodes)

    def _open(self, level: _Level, name: str) -> int:
        """The subdirectory; -1 when it is none (any more), or something is mounted there."""
        try:
            return _open_subdirectory(level.fd, name)
        except OSError as e:
            if e.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV):
                level.directory.children.pop(name, None)
                return -1
            raise

    def _enter(self, fd: int, directory: _Directory) -> _Level:
        """Count the directory and its files."""
        info = os.fstat(fd)
        self._device = info.st_dev
        if self._can_be_trusted(directory, info):
            self._look_at_recent(fd, directory)
        else:
            is_busy = self._list(fd, directory, is_same=directory.inode == info.st_ino)
            directory.inode, directory.ctime_ns = info.st_ino, info.st_ctime_ns
            directory.is_settled = info.st_ctime_ns < self._now_ns - GRANULARITY_NS and not is_busy
        self._add(directory, info.st_blocks)
        todo = list(directory.children)
        if self.directories > self._remember:
            directory.children = _NOTHING
            directory.is_settled = False
        return _Level(fd, info.st_ino, directory, todo)

    def _is_quiet_leaf(self, parent: int, name: str, directory: _Directory) -> bool:
        """Count a directory that need not be opened, if this is one."""
        if directory.children or directory.recent or self._thorough or not directory.is_settled:
            return False
        try:
            info = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if info.st_dev != self._device or not self._can_be_trusted(directory, info):
            return False
        self._add(directory, info.st_blocks)
        return True

    def _add(self, directory: _Directory, own_blocks: int) -> None:
        """Add what is remembered of the directory to the sum."""
        self.directories += 1
        self.looked_at += 1
        self._blocks += own_blocks + directory.blocks
        self._inodes += 1 + directory.files
        for inode, blocks in directory.links.items():
            if inode not in self._linked:
                self._linked.add(inode)
                self._blocks += blocks
                self._inodes += 1

    def _leave(self, levels: list[_Level]) -> None:
        """Go back up, through ``..`` where the way was closed."""
        left = levels.pop()
        if levels and levels[-1].fd < 0:
            levels[-1].fd = _open_above(left.fd, self._device, levels[-1].inode)
        os.close(left.fd)
        while levels and levels[-1].fd < 0:
            levels.pop()

    def _can_be_trusted(self, directory: _Directory, info: os.stat_result) -> bool:
        return (
            not self._thorough
            and directory.is_settled
            and directory.inode == info.st_ino
            and directory.ctime_ns == info.st_ctime_ns
            and (self._has_many or directory.files + len(directory.links) > SMALL_FILES)
        )

    def _look_at_recent(self, fd: int, directory: _Directory) -> None:
        for name, (inode, before) in directory.recent.items():
            try:
                info = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                directory.is_settled = False
                continue
            self.looked_at += 1
            if info.st_ino != inode or info.st_nlink > 1:
                directory.is_settled = False
            elif info.st_blocks != before:
                directory.blocks += info.st_blocks - before
                directory.recent[name] = (inode, info.st_blocks)

    def _list(self, fd: int, directory: _Directory, *, is_same: bool) -> bool:
        """Count what is in the directory, and take down its subdirectories.

        Returns whether too many of its files are written to for them to be watched one by one.
        """
        blocks = files = 0
        links: dict[int, int] = {}
        recent: dict[str, tuple[int, int]] = {}
        children: dict[str, _Directory | None] = {}
        known = directory.children if is_same else {}
        since_ns = self._now_ns - RECENT_NS
        is_busy = False
        with os.scandir(fd) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    children[entry.name] = known.get(entry.name)
                    continue
                try:
                    info = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                self.looked_at += 1
                if info.st_nlink > 1:
                    links[info.st_ino] = info.st_blocks
                    continue
                files += 1
                blocks += info.st_blocks
                if info.st_ctime_ns > since_ns:
                    if len(recent) < MOST_RECENT_FILES:
                        recent[entry.name] = (info.st_ino, info.st_blocks)
                    else:
                        is_busy = True
        if not self._thorough and links.keys() - directory.links.keys():
            self.has_new_links = True
        directory.blocks, directory.files = blocks, files
        directory.links, directory.children = links or _NOTHING, children or _NOTHING
        directory.recent = recent or _NOTHING
        return is_busy


def _open_above(fd: int, device: int, inode: int) -> int:
    """The parent of an open directory; -1 when it is not the one that it was."""
    try:
        above = os.open("..", _OPEN_ROOT, dir_fd=fd)
    except FileNotFoundError:
        return -1
    info = os.fstat(above)
    if (info.st_dev, info.st_ino) == (device, inode):
        return above
    os.close(above)
    return -1
