"""Volumes whose files nodeguard writes: all of them change at once, behind the symbolic link ``..data``.

A reader sees the old files or the new ones, never some of each. What may hold a secret lies on a tmpfs.

Source: kubernetes, pkg/volume/util/atomic_writer.go.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from nodeguard.kernel import mount
from nodeguard.runtime.tree import remove_tree

DATA, NEW_DATA = "..data", "..data_tmp"


class FileContent(Protocol):
    """One file."""

    @property
    def path(self) -> str:
        """Where, relative to the volume; without ``..``."""

    @property
    def content(self) -> bytes:
        """What is in it."""

    @property
    def mode(self) -> int:
        """Permission bits."""


def ensure_directory(directory: Path, *, in_memory: bool) -> None:
    """The empty volume is there; may be repeated.

    Raises:
        OSError: it cannot be made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if in_memory and not directory.is_mount():
        flags = mount.MS_NOSUID | mount.MS_NODEV | mount.MS_NOEXEC
        mount.mount("nodeguard", directory, "tmpfs", flags, "mode=755")
    directory.chmod(0o755)


def write(directory: Path, files: Iterable[FileContent], *, gid: int | None) -> bool:
    """Have the volume hold exactly these files; returns whether that changed anything.

    ``gid`` is the pod's fsGroup: files belong to it, and it may read them.

    Raises:
        OSError: the disk is full, say; then the volume is as it was.
    """
    wanted = {file.path: (file.content, _mode(file.mode, gid)) for file in files}
    before = _current(directory)
    if before is not None and _read(before) == wanted:
        return False
    version = directory / f"..{os.urandom(8).hex()}"
    try:
        _write_version(version, wanted, gid)
        (directory / NEW_DATA).unlink(missing_ok=True)
        (directory / NEW_DATA).symlink_to(version.name)
        (directory / NEW_DATA).replace(directory / DATA)
    except BaseException:
        remove_tree(version)
        raise
    _show(directory, {Path(path).parts[0] for path in wanted})
    for entry in os.listdir(directory):  # this version's predecessors, also those that a crash left
        if entry.startswith("..") and entry not in (DATA, version.name):
            remove_tree(directory / entry)
    return True


def _mode(mode: int, gid: int | None) -> int:
    return mode if gid is None else mode | 0o440


def _current(directory: Path) -> Path | None:
    with suppress(OSError):
        return directory / (directory / DATA).readlink()
    return None


def _read(version: Path) -> dict[str, tuple[bytes, int]]:
    found = {}
    for path in version.rglob("*"):
        if path.is_file() and not path.is_symlink():
            found[str(path.relative_to(version))] = (path.read_bytes(), path.stat().st_mode & 0o777)
    return found


def _write_version(version: Path, wanted: dict[str, tuple[bytes, int]], gid: int | None) -> None:
    version.mkdir(mode=0o755)
    version.chmod(0o755)
    for name, (content, mode) in wanted.items():
        target = version / name
        for parent in reversed(target.relative_to(version).parents[:-1]):
            (version / parent).mkdir(exist_ok=True)
            (version / parent).chmod(0o755)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            if gid is not None:
                os.fchown(fd, 0, gid)
            os.fchmod(fd, mode)


def _show(directory: Path, names: set[str]) -> None:
    """The first part of every path is a link through ``..data``; those that lead nowhere now go."""
    for name in names:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(Path(DATA) / name)
    for entry in os.listdir(directory):
        if not entry.startswith("..") and entry not in names and (directory / entry).is_symlink():
            (directory / entry).unlink()
