"""The disks' part of the Summary, looked at from outside: what a pod has is counted once, as the agent counts it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from nodeguard.agent.host import Paths
from nodeguard.agent.pod_disk import PodDisk, PodPlaces, VolumePlace
from nodeguard.agent.record import Record
from nodeguard.agent.scan import Tree
from nodeguard.kernel import filesystem
from nodeguard.model.stats import FsUsage
from nodeguard.model.summary import FsStats, RuntimeStats, VolumeStats
from nodeguard.policy.summary import whole_sum


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskStats:
    """What a pod has on disks; writable layers and logs by container."""

    rootfs: Mapping[str, FsStats]
    logs: Mapping[str, FsStats]
    volumes: tuple[VolumeStats, ...]
    ephemeral_storage: FsStats


def told_paths(paths: Paths, places: Iterable[PodPlaces]) -> Paths:
    """The paths, with nodefs and imagefs as whoever runs these pods was told to use them."""
    for each in places:
        if each.layers.parent.name == "layers":  # <imagefs>/layers/<uid>
            return replace(paths, imagefs=each.layers.parent.parent)
        return replace(paths, nodefs=each.layers.parents[2], imagefs=None)  # <nodefs>/pods/<uid>/containers
    return paths


def recorded_places(record: Record, run_dir: Path, containers: Iterable[str]) -> PodPlaces:
    """Where the files of a recorded pod are, told by its directories; ``run_dir`` is its own."""
    state_dir = Path(record.state_dir)
    volumes = []
    with suppress(OSError):
        for path in sorted((state_dir / "volumes").iterdir()):
            in_memory = path.is_mount()
            is_downward = (path / "..data").is_symlink()  # which is how the downward API writes
            volumes.append(
                VolumePlace(name=path.name, path=path, in_memory=in_memory, counts=not in_memory and not is_downward)
            )
    beside = state_dir / "containers"  # where they are unless images have a file system of their own
    return PodPlaces(
        layers=beside if beside.is_dir() else _layers(run_dir / "bundles") or beside,
        logs=Path(record.log_dir),
        containers=tuple(containers),
        volumes=tuple(volumes),
        small_files=(run_dir / "etc" / "hosts",),
    )


class DiskLook:
    """One look at all disks; a file system is asked once."""

    def __init__(self) -> None:
        self._file_systems: dict[int, FsStats] = {}

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

    def pod(self, places: PodPlaces, state_dir: Path) -> DiskStats:
        """Count what a pod has."""
        now = time.time()
        found = PodDisk(places).measure(now)
        layers, logs, nodefs = map(self.file_system, (places.layers, places.logs, state_dir))
        by_name = {place.name: self.file_system(place.path) for place in places.volumes}
        return DiskStats(
            rootfs={name: _part(layers, used, now) for name, (used, _) in found.containers.items()},
            logs={name: _part(logs, used, now) for name, (_, used) in found.containers.items()},
            volumes=tuple(_volume(each.name, _part(by_name[each.name], each, now)) for each in found.volumes),
            ephemeral_storage=_part(nodefs, found.ephemeral_storage, now),
        )

    def runtime(self, paths: Paths, layers: Iterable[FsStats]) -> RuntimeStats:
        """Count what the images take; ``layers`` are all writable layers."""
        now, known = time.time(), tuple(layers)
        used = FsUsage(
            used_bytes=whole_sum([layer.used_bytes for layer in known]),
            inodes_used=whole_sum([layer.inodes_used for layer in known]),
        )
        return RuntimeStats(
            image_fs=_part(self.file_system(paths.image_dir), _images(paths.image_dir), now),
            container_fs=_part(self.file_system(paths.imagefs or paths.nodefs_dir), used, now),
        )


def _layers(bundles: Path) -> Path | None:
    """Where the writable layers of a pod are, by the root file system of any of its containers."""
    for file in bundles.glob("*/config.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            root = Path(json.loads(file.read_bytes())["root"]["path"])
            if root.parent.name == file.parent.name:  # <layers>/<container id>/rootfs
                return root.parent.parent
    return None


def _images(directory: Path) -> FsUsage:
    try:
        size = Tree(directory).measure()
    except FileNotFoundError:
        return FsUsage(used_bytes=0, inodes_used=0)
    except OSError:
        return FsUsage()
    return FsUsage(used_bytes=size.used_bytes, inodes_used=size.inodes)


def _part(whole: FsStats | None, used: FsUsage, now: float) -> FsStats:
    """What one consumer uses; availability is that of the file system."""
    return replace(whole or FsStats(time=now), time=now, used_bytes=used.used_bytes, inodes_used=used.inodes_used)


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
