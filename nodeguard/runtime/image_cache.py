"""The cache of unpacked images: who uses which, and what can go.

Below the cache directory lie ``unpacked/DIGEST`` and ``sources/KEY``, which names the digest that a source had. A pod
that uses an image leaves a file named DIGEST in its own run directory (``pods/UID/images``), which goes when the pod
goes, however that comes about. A file ``pinned`` beside an image's root file system keeps it for good.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nodeguard.errors import Conflict
from nodeguard.kernel.mount import list_mounts
from nodeguard.model.garbage import CachedImage
from nodeguard.runtime.image import ImageRef, UnpackedImage, ensure_unpacked, locked, open_unpacked
from nodeguard.runtime.tree import remove_tree

PINNED, USED = "pinned", "used"
GONE = ".gone"
"""Ends the name of what is being deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCache:
    """The cache below ``directory``, used by the pods of ``run_dir``."""

    directory: Path
    run_dir: Path

    def use(self, ref: ImageRef, uid: str) -> UnpackedImage:
        """The unpacked image, which is kept as long as the pod's run directory is there.

        Raises:
            HostLacks, RuntimeFailed: as `ensure_unpacked`.
            OSError: the disk is full.
        """
        while True:
            unpacked = ensure_unpacked(ref, self.directory)
            if not unpacked.digest:
                return unpacked
            name = unpacked.digest.removeprefix("sha256:")
            with locked(self.directory / "lock", name, shared=True):
                if open_unpacked(self.directory / "unpacked" / name) is None:
                    continue  # it was removed before we could say that we want it
                marks = self.run_dir / "pods" / uid / "images"
                marks.mkdir(mode=0o700, exist_ok=True)
                (marks / name).touch()
                self._touch(name)
                return unpacked

    def images(self, size_of: Callable[[Path], int]) -> list[CachedImage]:
        """Every image, as of now; those in use are noted to have been used now.

        Detected means: unpacked. So this is known to all nodeguard processes, also to one that has just started.
        """
        found = []
        users, now_ns = self._users(), time.time_ns()
        for directory in _entries(self.directory / "unpacked"):
            with suppress(FileNotFoundError):  # removed meanwhile
                detected_ns = (directory / "config.json").stat().st_mtime_ns
                is_used = directory.name in users
                if is_used:
                    self._touch(directory.name)
                found.append(
                    CachedImage(
                        name=directory.name,
                        size_bytes=size_of(directory),
                        detected_ns=min(detected_ns, now_ns),
                        used_ns=now_ns if is_used else _used_ns(directory, now_ns),
                        is_used=is_used,
                        is_pinned=(directory / PINNED).exists(),
                    )
                )
        return found

    def remove(self, name: str) -> None:
        """Delete an image.

        Raises:
            Conflict: somebody uses it after all.
            OSError: it cannot be deleted.
        """
        directory, partial = self.directory / "unpacked" / name, self.directory / "partial"
        gone = partial / (name + GONE)
        with locked(self.directory / "lock", name, wait=False):
            if name in self._users():
                raise Conflict(f"image {name} is in use")
            remove_tree(gone)
            partial.mkdir(mode=0o700, exist_ok=True)
            with suppress(FileNotFoundError):
                directory.rename(gone)
        for source in _entries(self.directory / "sources"):
            with suppress(FileNotFoundError):
                if source.read_text(encoding="utf-8", errors="replace") == name:
                    source.unlink()
        remove_tree(gone)

    def leftovers(self) -> Iterator[Path]:
        """What a crash left in the middle of unpacking or deleting."""
        for path in _entries(self.directory / "partial"):
            with suppress(Conflict), locked(self.directory / "lock", path.name.removesuffix(GONE), wait=False):
                yield path

    def _users(self) -> set[str]:
        """The images that pods have marked, and those that are mounted, whoever did that."""
        marked = {mark.name for pod in _entries(self.run_dir / "pods") for mark in _entries(pod / "images")}
        prefix = f"lowerdir={self.directory / 'unpacked'}/"
        mounted = {
            option.removeprefix(prefix).partition("/")[0]
            for entry in list_mounts()
            if entry.file_system == "overlay"
            for option in entry.super_options
            if option.startswith(prefix)
        }
        return marked | mounted

    def _touch(self, name: str) -> None:
        """Note that the image was used now; a full disk is no reason to fail."""
        with suppress(OSError):
            (self.directory / "unpacked" / name / USED).touch()


def _used_ns(directory: Path, now_ns: int) -> int | None:
    try:
        return min((directory / USED).stat().st_mtime_ns, now_ns)
    except FileNotFoundError:
        return None


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory / name for name in os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
