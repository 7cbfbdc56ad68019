"""How much of the disks pods take, known within two seconds and cheap while nothing happens.

Nothing is counted while the disks' own figures stay the same, and nothing of a pod that has not run since: who does
not run does not write. What is left is counted in a worker thread, as `scan` does it: every second for pods that have
limits of local storage, every ten for others, and for at most a tenth of the time. Once in a while
(``volumeStatsAggPeriod``) everything is counted thoroughly, whatever it looks like.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nodeguard.agent.host import Paths
from nodeguard.agent.loop import Loop, Timer
from nodeguard.agent.pod_disk import DiskUsage, PodDisk, PodPlaces, places_of
from nodeguard.agent.scan import MOST_DIRECTORIES
from nodeguard.errors import NodeguardError
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.kernel.filesystem import OpenFileSystem, existing
from nodeguard.model.eviction import Layout, PodFacts
from nodeguard.model.stats import ContainerUsage, PodUsage
from nodeguard.policy.localstorage import find_violation

__all__ = ["DiskMeter", "DiskUsage", "PodPlaces", "places_of", "read_cpu", "read_layout"]

log = logging.getLogger(__name__)

LIMITED_SECONDS = 1.0
UNLIMITED_SECONDS = 10.0
DUTY = 0.1
"""The most of a CPU that counting may take."""

THOROUGH_DUTY = 0.01
UNEXPLAINED_BYTES = 1 << 20
"""More than this taken of a disk by nobody known: somebody's file that looked quiet may have grown."""

QUIET_COUNTS = 2
"""Counts after the last sign of life: conmon writes a pod's last words after the pod has written them."""

LEAST_REMEMBERED = 100
TREES_OF_A_POD = 4
"""Directories that are remembered are shared out among the trees there may be."""

PROMPT_TYPES = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs"})
"""File systems that count a write at once, not when it reaches the disk; others are taken as always changing."""


@dataclass(kw_only=True)
class _Pod:
    """A pod and how it stands. The loop's thread adds it; while a look is under way it belongs to that."""

    uid: str
    facts: PodFacts
    disk: PodDisk
    is_limited: bool
    due_at: float
    thorough_at: float = 0.0
    generation: int = -1
    cpu: int | None = None
    quiet_counts: int = 0
    usage: DiskUsage | None = None


@dataclass(kw_only=True)
class _Disk:
    """A file system pods write to, and what it said the last time."""

    source: OpenFileSystem
    said: tuple[int, int] | None = None


class DiskMeter:
    """Measures pods; all methods are called in the loop's thread, as are ``on_change`` and ``then``."""

    def __init__(
        self,
        loop: Loop,
        paths: Paths,
        layout: Layout,
        *,
        on_change: Callable[[], None],
        cpu_of: Callable[[str], int | None] = lambda _: None,
        thorough_seconds: float = 60.0,
    ) -> None:
        """``cpu_of(uid)``: a number that grows when the pod runs, None if nobody knows; asked in a worker thread.

        ``thorough_seconds``: how often everything is counted at least; 0 and less is never.

        Raises:
            OSError: one of the directories is not there.
        """
        self._loop, self._paths, self._layout = loop, paths, layout
        self._on_change, self._cpu_of, self._thorough_seconds = on_change, cpu_of, thorough_seconds
        self._pods: dict[str, _Pod] = {}
        self._usages: dict[str, DiskUsage] = {}
        self._disks = _open_disks((paths.nodefs_dir, paths.image_dir.parent, paths.log_dir))
        self._generation = 0
        self._unexplained_bytes = 0
        self._timer: Timer | None = None
        self._looked_at = 0.0
        self._is_looking = False
        self._is_closed = False
        self._waiting: list[Callable[[], None]] = []

    def add(self, facts: PodFacts) -> None:
        """Measure this pod from now on."""
        uid = facts.pod.meta.uid
        is_limited = bool(facts.volume_limits or facts.container_limits or facts.storage_limit is not None)
        self._pods[uid] = _Pod(
            uid=uid,
            facts=facts,
            disk=PodDisk(places_of(facts.pod, self._paths)),
            is_limited=is_limited,
            due_at=self._loop.clock.now(),
        )
        self._schedule()

    def remove(self, uid: str) -> None:
        """The pod is gone."""
        self._pods.pop(uid, None)
        self._usages.pop(uid, None)

    def usage(self, uid: str) -> DiskUsage | None:
        """What the pod took when it was last measured; None before that."""
        return self._usages.get(uid)

    def refresh(self, then: Callable[[], None]) -> None:
        """Measure whatever may have changed at once, whenever it would be due; then call ``then``."""
        self._waiting.append(then)
        if not self._is_looking:
            self._start(is_forced=True)

    def close(self) -> None:
        """Measure nothing any more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if not self._is_looking:
            self._close_disks()

    # the loop's side

    def _schedule(self) -> None:
        """Have a timer for the next pod that is due."""
        if self._is_looking or self._is_closed or not self._pods:
            return
        due_at = min(pod.due_at for pod in self._pods.values())
        at = max(due_at, self._looked_at + LIMITED_SECONDS)
        if self._timer is not None:
            if self._timer.at <= at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._start(is_forced=False)

    def _start(self, *, is_forced: bool) -> None:
        self._is_looking = True
        waiting, self._waiting = self._waiting, []
        self._looked_at = now = self._loop.clock.now()
        pods = sorted(self._pods.values(), key=lambda pod: pod.due_at)
        if not is_forced:
            pods = [pod for pod in pods if pod.due_at <= now + LIMITED_SECONDS / 10]
        self._loop.in_thread(
            lambda: self._look(pods, now, is_forced=is_forced),
            lambda usages, error: self._looked(usages, error, waiting),
        )

    def _looked(
        self, usages: dict[str, DiskUsage] | None, error: BaseException | None, waiting: list[Callable[[], None]]
    ) -> None:
        self._is_looking = False
        if self._is_closed:
            self._close_disks()
            return
        has_changed = False
        for uid, usage in (usages or {}).items():
            if uid in self._pods:
                before, self._usages[uid] = self._usages.get(uid), usage
                has_changed |= not _is_same(before, usage)
        if error is not None:
            log.error("disk usage not measured error=%r", error)
            for pod in self._pods.values():
                pod.due_at = self._loop.clock.now() + UNLIMITED_SECONDS
        if has_changed:
            self._on_change()
        for then in waiting:
            then()
        if self._waiting:
            self._start(is_forced=True)
        else:
            self._schedule()

    # the worker's side

    def _look(self, pods: Iterable[_Pod], now: float, *, is_forced: bool) -> dict[str, DiskUsage]:
        """Measure those pods that may have changed; returns those that were measured."""
        usages: dict[str, DiskUsage] = {}
        taken_bytes = self._ask_disks()
        is_suspicious = self._unexplained_bytes > UNEXPLAINED_BYTES
        began, explained_bytes, is_complete = time.thread_time(), 0, True
        for pod in pods:
            if not is_forced and time.thread_time() - began > DUTY * LIMITED_SECONDS:
                is_complete = False
                break  # the others are the first ones of the next look
            is_thorough = self._thorough_seconds > 0 and now >= pod.thorough_at
            pod.due_at = now + (LIMITED_SECONDS if pod.is_limited else UNLIMITED_SECONDS)
            is_settled = pod.generation == self._generation or not self._has_run(pod)
            if is_settled and not is_thorough and not (is_forced and pod.disk.places.has_memory_volumes):
                continue
            before = pod.usage
            cost_seconds, usages[pod.uid] = self._measure(pod, now, is_thorough=is_thorough or is_suspicious)
            explained_bytes += _used(pod.usage) - _used(before)
            pod.due_at = max(pod.due_at, now + cost_seconds / DUTY)
            if is_thorough:
                pod.thorough_at = now + max(self._thorough_seconds, cost_seconds / THOROUGH_DUTY)
        if is_complete:
            self._unexplained_bytes = taken_bytes - explained_bytes
        return usages

    def _measure(self, pod: _Pod, now: float, *, is_thorough: bool) -> tuple[float, DiskUsage]:
        """Count what the pod has; returns for how long that took the CPU, too.

        A file that is moved while it is being counted may be counted twice. So a limit that would be exceeded by this
        count must be exceeded by a second one, too.
        """
        began = time.thread_time()
        pod.generation = self._generation
        remember = max(LEAST_REMEMBERED, MOST_DIRECTORIES // (TREES_OF_A_POD * max(1, len(self._pods))))
        pod.usage = pod.disk.measure(now, thorough=is_thorough, remember=remember)
        if pod.is_limited and self._exceeds(pod):
            pod.usage = pod.disk.measure(now, thorough=True, remember=remember)
        return time.thread_time() - began, pod.usage

    def _exceeds(self, pod: _Pod) -> bool:
        if pod.usage is None:
            return False
        return find_violation(pod.facts, pod_usage(pod.facts, pod.usage), self._layout) is not None

    def _has_run(self, pod: _Pod) -> bool:
        cpu = self._cpu_of(pod.uid)
        if cpu is None or cpu != pod.cpu:
            pod.cpu, pod.quiet_counts = cpu, 0
            return True
        pod.quiet_counts += 1
        return pod.quiet_counts <= QUIET_COUNTS

    def _ask_disks(self) -> int:
        """Begin a new generation if any of the disks says something else than before; returns the bytes taken since."""
        taken_bytes, has_changed = 0, False
        for disk in self._disks:
            said = None
            with suppress(OSError):
                seen = disk.source.read()
                said = (seen.used_bytes, seen.inodes_free)
            if said is None or said != disk.said or disk.source.type not in PROMPT_TYPES:
                has_changed = True
            if said is not None and disk.said is not None:
                taken_bytes += said[0] - disk.said[0]
            disk.said = said
        self._generation += has_changed
        return taken_bytes

    def _close_disks(self) -> None:
        for disk in self._disks:
            disk.source.close()


def read_layout(paths: Paths) -> Layout:
    """Which file systems are separate, by their devices.

    Raises:
        OSError: one of the directories cannot be looked at.

    Source: kubernetes, pkg/kubelet/stats/provider.go, HasDedicatedImageFs; cri_stats_provider.go, ImageFsStats.
    """
    nodefs = _device(paths.nodefs_dir)
    images = _device(existing(paths.image_dir))
    layers = nodefs if paths.imagefs is None else _device(paths.imagefs)
    return Layout(dedicated_image_fs=images != nodefs, split_container_fs=images != layers)


def read_cpu(driver: Driver, cgroup: str) -> int | None:
    """A number that grows when something runs in the group; None when nobody can tell."""
    try:
        if driver.version == 1:
            return int(driver.read(cgroup, "cpuacct", "cpuacct.usage"))
        return int(driver.read(cgroup, "cpu", "cpu.stat").split(maxsplit=2)[1])
    except (NodeguardError, OSError, ValueError, IndexError):
        return None


def pod_usage(facts: PodFacts, disk: DiskUsage) -> PodUsage:
    """The disks' part of a pod's statistics."""
    meta = facts.pod.meta
    return PodUsage(
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        containers=tuple(
            ContainerUsage(name=name, rootfs=rootfs, logs=logs) for name, (rootfs, logs) in disk.containers.items()
        ),
        volumes=disk.volumes,
        ephemeral_storage=disk.ephemeral_storage,
    )


def _open_disks(directories: Iterable[Path]) -> tuple[_Disk, ...]:
    """Each file system once."""
    found: dict[int, _Disk] = {}
    for directory in directories:
        source = OpenFileSystem(existing(directory))
        if source.device in found:
            source.close()
        else:
            found[source.device] = _Disk(source=source)
    return tuple(found.values())


def _device(path: Path) -> str:
    """What the file system lies on; subvolumes of one have device numbers of their own, but share its space."""
    opened = OpenFileSystem(path)
    opened.close()
    return opened.source if opened.source.startswith("/dev/") else str(opened.device)


def _is_same(one: DiskUsage | None, other: DiskUsage) -> bool:
    return one is not None and (one.containers, one.volumes, one.ephemeral_storage) == (
        other.containers,
        other.volumes,
        other.ephemeral_storage,
    )


def _used(usage: DiskUsage | None) -> int:
    return (usage.ephemeral_storage.used_bytes if usage is not None else None) or 0
