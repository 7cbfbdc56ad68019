"""What the node itself can give up: logs that were rotated, logs of dead containers, images that nobody uses.

A container that has ended leaves nothing but its logs here: its writable layer goes at once. The age of a dead
container counts from its last line.

Everything is for a worker thread, one call at a time.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from nodeguard.agent.config import Config
from nodeguard.agent.host import Paths
from nodeguard.agent.pod import PodWorker
from nodeguard.agent.scan import BLOCK_BYTES, Tree, TreeSize
from nodeguard.errors import NodeguardError
from nodeguard.kernel import filesystem
from nodeguard.model.eviction import ReclaimStep
from nodeguard.model.garbage import CachedImage, DeadContainer, Freed, PodFate, ReclaimResult
from nodeguard.model.status import ContainerStage
from nodeguard.policy import image_gc
from nodeguard.policy.container_gc import ContainerGcSettings, containers_to_remove
from nodeguard.policy.image_gc import ImageGcSettings
from nodeguard.runtime.image_cache import ImageCache
from nodeguard.runtime.tree import remove_tree

log = logging.getLogger(__name__)

UNLIMITED = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerLogs:
    """The log directory of one container; instances with a number below ``alive_from`` write there no more."""

    uid: str
    name: str
    directory: Path
    alive_from: int
    fate: PodFate = PodFate.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCollection:
    """A regular collection of images: what it freed; ``fault`` says why it was not enough, ``reason`` in one word."""

    freed: Freed
    reason: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _LogFile:
    path: Path
    attempt: int
    is_rotated: bool


class Reclaimer:
    """Finds and removes what nobody needs."""

    def __init__(
        self,
        paths: Paths,
        *,
        images: ImageGcSettings,
        containers: ContainerGcSettings,
        logs: Callable[[], Iterable[ContainerLogs]],
    ) -> None:
        """``logs()`` is asked in the worker thread."""
        self._images, self._containers, self._logs = images, containers, logs
        self._image_dir = paths.image_dir
        self._cache = ImageCache(directory=paths.image_dir, run_dir=paths.run_dir)
        self._sizes: dict[str, TreeSize] = {}
        self._started_at = time.monotonic_ns()

    @classmethod
    def of(cls, config: Config, paths: Paths, workers: Callable[[], Sequence[PodWorker]]) -> Reclaimer:
        """As this configuration says, for these pods."""
        return cls(
            paths,
            images=ImageGcSettings(
                high_percent=config.image_gc_high_threshold_percent,
                low_percent=config.image_gc_low_threshold_percent,
                minimum_age_ns=config.image_minimum_gc_age_ns,
                maximum_age_ns=config.image_maximum_gc_age_ns,
            ),
            containers=ContainerGcSettings(
                minimum_age_ns=config.minimum_container_ttl_ns,
                per_container=config.maximum_dead_containers_per_container,
                in_all=config.maximum_dead_containers,
            ),
            logs=lambda: [logs for worker in tuple(workers()) if not worker.is_gone for logs in logs_of(worker)],
        )

    @property
    def collects_images(self) -> bool:
        """Whether images are to be collected regularly."""
        return not self._images.is_off

    def reclaim(self, steps: Iterable[ReclaimStep]) -> ReclaimResult:
        """Give up what can be, for the sake of pods that would have to go otherwise. Errors are part of the result."""
        doing = {ReclaimStep.CONTAINERS: self._reclaim_containers, ReclaimStep.IMAGES: self._reclaim_images}
        return ReclaimResult(steps={step: _tell(step, doing[step]()) for step in steps})

    def collect_containers(self) -> Freed:
        """The regular removal of dead containers that are too many."""
        return _tell("containers", self._remove_dead(is_eviction=False))

    def collect_images(self) -> ImageCollection:
        """The regular removal of images: those too old, then as many as there is too little room."""
        settings, now_ns = self._images, time.time_ns()
        images = self._list()
        old = image_gc.too_old(images, settings, now_ns, time.monotonic_ns() - self._started_at)
        freed = self._remove_images(old, UNLIMITED)
        try:
            disk = filesystem.read(self._existing_image_dir())
        except OSError as e:
            return ImageCollection(freed=freed, reason="ImageGCFailed", fault=f"the image file system is unknown: {e}")
        if disk.capacity_bytes == 0:
            fault = f"invalid capacity 0 on image filesystem at {disk.mount_point}"
            return ImageCollection(freed=freed, reason="InvalidDiskCapacity", fault=fault)
        wanted = image_gc.bytes_to_free(settings, disk.capacity_bytes, disk.available_bytes)
        if wanted is None:
            return ImageCollection(freed=freed, **_fault_of(freed))
        left = [image for image in images if image.name not in freed.removed]
        freed_now = self._remove_images(image_gc.removable(left, settings.minimum_age_ns, now_ns), wanted)
        both = _add(freed, freed_now)
        if freed_now.used_bytes < wanted:
            percent = image_gc.used_percent(disk.capacity_bytes, disk.available_bytes)
            fault = (
                f"Insufficient free disk space on the node's image filesystem ({percent}% of {disk.capacity_bytes} "
                f"bytes at {disk.mount_point} used). Failed to free sufficient space by deleting unused images (freed "
                f"{freed_now.used_bytes} bytes of {wanted}). Consider resizing the disk or deleting unused files."
            )
            return ImageCollection(freed=both, reason="FreeDiskSpaceFailed", fault=fault)
        return ImageCollection(freed=both, **_fault_of(both))

    def _reclaim_containers(self) -> Freed:
        rotated = _remove_files(file for logs in self._logs() for file in _log_files(logs.directory) if file.is_rotated)
        return _add(rotated, self._remove_dead(is_eviction=True))

    def _reclaim_images(self) -> Freed:
        left = _remove_trees(self._cache.leftovers())
        images = image_gc.removable(self._list(), self._images.minimum_age_ns, time.time_ns())
        return _add(left, self._remove_images(images, UNLIMITED))

    def _remove_dead(self, *, is_eviction: bool) -> Freed:
        files: dict[DeadContainer, list[_LogFile]] = {}
        for logs in self._logs():
            for attempt, of_attempt in _by_attempt(logs).items():
                with suppress(FileNotFoundError):
                    created_ns = max(file.path.lstat().st_mtime_ns for file in of_attempt)
                    dead = DeadContainer(
                        uid=logs.uid, name=logs.name, attempt=attempt, created_ns=created_ns, fate=logs.fate
                    )
                    files[dead] = of_attempt
        goes = containers_to_remove(files, self._containers, time.time_ns(), is_eviction=is_eviction)
        return _remove_files(file for container in goes for file in files[container])

    def _list(self) -> list[CachedImage]:
        return self._cache.images(lambda directory: self._size(directory).used_bytes)

    def _size(self, directory: Path) -> TreeSize:
        """An image does not change: it is measured once."""
        if directory.name not in self._sizes:
            try:
                self._sizes[directory.name] = Tree(directory).measure()
            except OSError as e:
                log.warning("size of an image is unknown image=%s error=%s", directory.name, e)
                return TreeSize()
        return self._sizes[directory.name]

    def _remove_images(self, images: Sequence[CachedImage], wanted_bytes: int) -> Freed:
        """Remove one after another until enough is freed; one that will not go is left out."""
        freed = Freed()
        for image in images:
            try:
                self._cache.remove(image.name)
            except (NodeguardError, OSError) as e:
                freed = replace(freed, errors=(*freed.errors, f"image {image.name}: {e}"))
                continue
            size = self._sizes.pop(image.name, TreeSize())
            freed = _add(freed, Freed(used_bytes=size.used_bytes, inodes=size.inodes, removed=(image.name,)))
            if freed.used_bytes >= wanted_bytes:
                break
        return freed

    def _existing_image_dir(self) -> Path:
        return self._image_dir if self._image_dir.is_dir() else self._image_dir.parent


def logs_of(worker: PodWorker) -> Iterator[ContainerLogs]:
    """The log directories of a pod, as it is now."""
    for name, seen in worker.view().containers.items():
        is_over = seen.stage is ContainerStage.ABSENT and seen.ended is not None
        yield ContainerLogs(
            uid=worker.pod.meta.uid,
            name=name,
            directory=worker.sandbox.log_dir / name,
            alive_from=seen.attempt + is_over,
        )


def _log_files(directory: Path) -> Iterator[_LogFile]:
    """``2.log`` and ``2.log.20261121-071056`` of a container's log directory."""
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        attempt, dot, rest = name.partition(".log")
        if dot and attempt.isdecimal() and (not rest or rest.startswith(".")):
            yield _LogFile(directory / name, int(attempt), bool(rest))


def _by_attempt(logs: ContainerLogs) -> dict[int, list[_LogFile]]:
    """The files of instances that are dead."""
    found: dict[int, list[_LogFile]] = {}
    for file in _log_files(logs.directory):
        if file.attempt < logs.alive_from:
            found.setdefault(file.attempt, []).append(file)
    return found


def _remove_files(files: Iterable[_LogFile]) -> Freed:
    freed = Freed()
    for file in files:
        try:
            info = file.path.lstat()
            file.path.unlink()
        except FileNotFoundError:
            continue
        except OSError as e:
            freed = replace(freed, errors=(*freed.errors, str(e)))
        else:
            freed = _add(freed, Freed(used_bytes=info.st_blocks * BLOCK_BYTES, inodes=1, removed=(str(file.path),)))
    return freed


def _remove_trees(paths: Iterable[Path]) -> Freed:
    freed = Freed()
    for path in paths:
        try:
            size = Tree(path).measure()
            remove_tree(path)
        except FileNotFoundError:
            continue
        except (NodeguardError, OSError) as e:
            freed = replace(freed, errors=(*freed.errors, str(e)))
        else:
            freed = _add(freed, Freed(used_bytes=size.used_bytes, inodes=size.inodes, removed=(str(path),)))
    return freed


def _add(one: Freed, other: Freed) -> Freed:
    return Freed(
        used_bytes=one.used_bytes + other.used_bytes,
        inodes=one.inodes + other.inodes,
        removed=one.removed + other.removed,
        errors=one.errors + other.errors,
    )


def _fault_of(freed: Freed) -> dict[str, str]:
    """Images that would not go make the whole run fail, though the others went."""
    return {"reason": "ImageGCFailed", "fault": "; ".join(freed.errors)} if freed.errors else {}


def _tell(step: str, freed: Freed) -> Freed:
    if freed.removed or freed.errors:
        log.info(
            "reclaimed step=%s bytes=%d inodes=%d removed=%d errors=%s",
            *(step, freed.used_bytes, freed.inodes, len(freed.removed), "; ".join(freed.errors) or "none"),
        )
    return freed
