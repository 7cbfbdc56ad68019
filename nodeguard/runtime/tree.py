"""Removing a directory tree that hostile processes wrote, without ever leaving it."""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path

from nodeguard.errors import Conflict
from nodeguard.kernel.filesystem import mount_id
from nodeguard.kernel.mount import mounts_below, unmount

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class _Level:
    """A directory on the way down: its name in its parent, its identity, and what is still in it."""

    name: str
    identity: tuple[int, int]
    subdirectories: list[str]


def remove_tree(path: Path) -> None:
    """Unmount whatever is mounted at or below ``path``, then delete it; fine when there is nothing.

    Symlinks are deleted, never followed, and a mount point is never entered. Depth does not matter: two directories
    are open at a time. Nobody may be writing there any more.

    Raises:
        Conflict: something stays mounted below, so nothing was deleted below it.
    """
    for point in mounts_below(path):
        unmount(point)
    if left := mounts_below(path):
        raise Conflict(f"{path} is not removed: {', '.join(left)} cannot be unmounted")
    try:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        _remove_entry(parent, path.name)
    finally:
        os.close(parent)


def _remove_entry(parent: int, name: str) -> None:
    """Delete ``name`` in ``parent``, whatever it is."""
    try:
        top = os.open(name, _OPEN_DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as e:
        if e.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        os.unlink(name, dir_fd=parent)
        return
    mount = mount_id(top)
    levels = [_empty_of_files(top, name)]
    here = top
    try:
        while True:
            level = levels[-1]
            if level.subdirectories:
                child_name = level.subdirectories.pop()
                child = os.open(child_name, _OPEN_DIRECTORY, dir_fd=here)
                if mount_id(child) != mount:
                    os.close(child)
                    raise Conflict(f"a file system is mounted at {'/'.join(one.name for one in levels)}/{child_name}")
                os.close(here)
                here = child
                levels.append(_empty_of_files(here, child_name))
                continue
            levels.pop()
            if not levels:
                break
            above = os.open("..", _OPEN_DIRECTORY, dir_fd=here)
            os.close(here)
            here = above
            if _identity(here) != levels[-1].identity:
                raise Conflict(f"{levels[-1].name} was moved while it was being removed")
            os.rmdir(level.name, dir_fd=here)
    finally:
        os.close(here)
    os.rmdir(name, dir_fd=parent)


def _empty_of_files(directory: int, name: str) -> _Level:
    """Delete everything in ``directory`` that is not a directory; return it with the directories left."""
    subdirectories = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                subdirectories.append(entry.name)
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry.name, dir_fd=directory)
    return _Level(name, _identity(directory), subdirectories)


def _identity(fd: int) -> tuple[int, int]:
    info = os.fstat(fd)
    return info.st_dev, info.st_ino
