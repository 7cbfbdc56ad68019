"""What one pod takes of the disks: where to look, and what was found there.

Source: kubernetes, pkg/kubelet/stats/helper.go (calcEphemeralStorage), pkg/volume/emptydir (metrics); containerd,
snapshots/overlay (usage is that of the upper directory).
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nodeguard.agent.host import Paths
from nodeguard.agent.scan import BLOCK_BYTES, MOST_DIRECTORIES, Tree, TreeSize
from nodeguard.kernel import quota
from nodeguard.model.pod import DownwardAPI, EmptyDir, Pod
from nodeguard.model.stats import FsUsage, VolumeUsage

log = logging.getLogger(__name__)

UPPER = "upper"
"""What a container wrote, inside the directory of its layer."""

QUOTA_SLACK_BYTES = 1 << 20
"""A pod may write while it is counted in two ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePlace:
    """A volume; one in memory tells itself how full it is. ``counts`` as ephemeral storage of the pod."""

    name: str
    path: Path
    in_memory: bool = False
    counts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPlaces:
    """Where the files of a pod are; none of it needs to exist.

    ``layers`` holds a directory for each instance of a container, named ``UID_CONTAINER_ATTEMPT``; ``logs`` one for
    each container.
    """

    layers: Path
    logs: Path
    containers: tuple[str, ...]
    volumes: tuple[VolumePlace, ...] = ()
    small_files: tuple[Path, ...] = ()

    @property
    def has_memory_volumes(self) -> bool:
        """Whether something changes that the disks do not tell of."""
        return any(volume.in_memory for volume in self.volumes)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUsage:
    """What a pod takes; a figure that could not be read is None. ``containers`` have writable layer and logs."""

    containers: Mapping[str, tuple[FsUsage, FsUsage]]
    volumes: tuple[VolumeUsage, ...]
    ephemeral_storage: FsUsage
    measured_at: float


def places_of(pod: Pod, paths: Paths) -> PodPlaces:
    """Where the pod's files are. What lies in a hostPath is the host's, whoever wrote it."""
    meta = pod.meta
    volumes = []
    for volume in pod.volumes:
        path = paths.pod_state_dir(meta.uid) / "volumes" / volume.name
        if isinstance(volume.source, EmptyDir):
            in_memory = bool(volume.source.medium)
            volumes.append(VolumePlace(name=volume.name, path=path, in_memory=in_memory, counts=not in_memory))
        elif isinstance(volume.source, DownwardAPI):
            volumes.append(VolumePlace(name=volume.name, path=path, counts=False))
    return PodPlaces(
        layers=paths.pod_layers_dir(meta.uid),
        logs=paths.pod_log_dir(meta.namespace, meta.name, meta.uid),
        containers=tuple(container.name for container in pod.all_containers),
        volumes=tuple(volumes),
        small_files=(paths.pod_run_dir(meta.uid) / "etc" / "hosts",),
    )


class PodDisk:
    """Counts what is at the places of one pod; in any thread, one at a time."""

    def __init__(self, places: PodPlaces) -> None:
        self.places = places
        self._trees: dict[Path, Tree] = {}
        self._walked: set[Path] = set()
        self._last_fault = ""
        self.looked_at = 0
        """How many files and directories the last count has looked at."""

    def measure(self, now: float, *, thorough: bool = False, remember: int = MOST_DIRECTORIES) -> DiskUsage:
        """Count everything, remembering so many directories of each tree at most.

        What is not there takes nothing; what cannot be read is unknown, and so is its sum.
        """
        faults: list[str] = []
        self.looked_at = 0

        def known(read: Callable[[], TreeSize | None]) -> TreeSize | None:
            try:
                return read()
            except OSError as e:
                faults.append(str(e))
                return None

        def tree(path: Path) -> TreeSize | None:
            return known(lambda: self._tree(path, thorough, remember))

        containers: dict[str, tuple[FsUsage, FsUsage]] = {}
        parts: list[TreeSize | None] = []
        layers = self._layers()
        for name in self.places.containers:
            layer = _sum([tree(path) for path in layers.get(name, ())])
            logs = tree(self.places.logs / name)
            containers[name] = (_usage(layer), _usage(logs))
            parts += [layer, logs]
        volumes = []
        for volume in self.places.volumes:
            size = known(partial(_memory_volume, volume.path)) if volume.in_memory else tree(volume.path)
            usage = _usage(size)
            volumes.append(VolumeUsage(name=volume.name, used_bytes=usage.used_bytes, inodes_used=usage.inodes_used))
            if volume.counts:
                parts.append(size)
        parts.append(known(partial(_files_in, self.places.logs)))
        parts += [known(partial(_file, path)) for path in self.places.small_files]
        self._tell(faults)
        return DiskUsage(
            containers=containers, volumes=tuple(volumes), ephemeral_storage=_usage(_sum(parts)), measured_at=now
        )

    def _tree(self, path: Path, thorough: bool, remember: int) -> TreeSize:
        """By what the file system counts itself, where it does; a thorough count checks that."""
        tree = self._trees.setdefault(path, Tree(path))
        try:
            counted = None if path in self._walked else self._read_quota(path)
            if counted is not None and not thorough:
                return counted
            size = tree.measure(thorough=thorough, remember=remember)
        except FileNotFoundError:
            del self._trees[path]
            return TreeSize()
        self.looked_at += tree.looked_at
        if counted is None:
            return size
        if size.used_bytes <= counted.used_bytes + QUOTA_SLACK_BYTES:
            return counted
        log.warning("files were taken out of their quota project, which is not used any more path=%s", path)
        self._walked.add(path)
        return size

    def _read_quota(self, path: Path) -> TreeSize | None:
        counted = quota.read(path)
        if counted is None:
            self._walked.add(path)
            return None
        self.looked_at += 1
        return TreeSize(*counted)

    def _layers(self) -> dict[str, list[Path]]:
        """The writable layers by container: usually one, two while an ended instance is being removed."""
        try:
            names = os.listdir(self.places.layers)
        except OSError:
            names = []
        found: dict[str, list[Path]] = {}
        for name in names:
            container = name.partition("_")[2].rpartition("_")[0]
            found.setdefault(container, []).append(self.places.layers / name / UPPER)
        for path in [path for path in self._trees if path.name == UPPER and path.parent.name not in names]:
            del self._trees[path]
            self._walked.discard(path)
        return found

    def _tell(self, faults: list[str]) -> None:
        fault = "; ".join(faults)
        if fault and fault != self._last_fault:
            log.warning("disk usage of a pod is unknown logs=%s error=%s", self.places.logs, fault)
        self._last_fault = fault


def _sum(parts: Iterable[TreeSize | None]) -> TreeSize | None:
    total = TreeSize()
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def _usage(size: TreeSize | None) -> FsUsage:
    return FsUsage() if size is None else FsUsage(used_bytes=size.used_bytes, inodes_used=size.inodes)


def _memory_volume(path: Path) -> TreeSize | None:
    """A file system of its own knows how full it is.

    Raises:
        OSError: it does not answer, or is not mounted there.
    """
    try:
        if path.stat().st_dev == path.parent.stat().st_dev:
            raise OSError(errno.ENODEV, "no file system is mounted there", str(path))
        seen = os.statvfs(path)
    except FileNotFoundError:
        return TreeSize()
    if not seen.f_blocks:
        return None  # huge pages without a size
    return TreeSize(seen.f_frsize * (seen.f_blocks - seen.f_bfree), seen.f_files - seen.f_ffree)


def _files_in(directory: Path) -> TreeSize:
    """The files of one directory, without itself and what is below."""
    size = TreeSize()
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    size += _file(Path(entry.path))
    except FileNotFoundError:
        pass
    return size


def _file(path: Path) -> TreeSize:
    try:
        return TreeSize(path.lstat().st_blocks * BLOCK_BYTES, 1)
    except FileNotFoundError:
        return TreeSize()
