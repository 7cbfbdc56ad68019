"""The node's signals, read from the kernel at the moment of asking.

With an arena (``--capacity``) memory and process ids are those of the tree's root against its limits, else those of
the whole machine; file systems are those that hold pods and images. What cannot be read is unknown, never zero.

Source: kubernetes, pkg/kubelet/eviction/helpers.go (makeSignalObservations), pkg/kubelet/stats/pidlimit.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from nodeguard.errors import NodeguardError
from nodeguard.kernel import proc
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.kernel.cgroup.memory import MemoryMeter, MemorySample, read_limit
from nodeguard.kernel.filesystem import OpenFileSystem
from nodeguard.model.eviction import Layout, Observation
from nodeguard.model.signal import Signal

log = logging.getLogger(__name__)

_FILE_SYSTEM_SIGNALS = {
    "nodefs": (Signal.NODEFS_AVAILABLE, Signal.NODEFS_INODES_FREE),
    "imagefs": (Signal.IMAGEFS_AVAILABLE, Signal.IMAGEFS_INODES_FREE),
    "containerfs": (Signal.CONTAINERFS_AVAILABLE, Signal.CONTAINERFS_INODES_FREE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """What bounds the signals instead of the whole machine; None where nothing does."""

    memory_bytes: int | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLook:
    """The memory signals, and how much of each group's usage is inactive cache."""

    observations: Mapping[Signal, Observation]
    failed: frozenset[Signal]
    node: MemorySample | None
    pods: MemorySample | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherLook:
    """The signals of file systems and process ids."""

    observations: Mapping[Signal, Observation]
    failed: frozenset[Signal]


class Observer:
    """Keeps everything that it reads open: a look opens nothing, forks nothing and waits for nothing."""

    def __init__(self, driver: Driver, root: str, arena: Arena, file_systems: Mapping[str, OpenFileSystem]) -> None:
        """``file_systems``: nodefs and, where it is another one, imagefs."""
        self._driver, self._root, self._arena = driver, root, arena
        self._file_systems = file_systems
        self._pods = MemoryMeter(driver, root)
        self._node = self._pods if arena.memory_bytes is not None else MemoryMeter(driver, "/")
        self._machine_bytes = arena.memory_bytes or proc.read_meminfo()["MemTotal"]
        self._pods_limit_bytes = read_limit(driver, root)
        self._loadavg_fd = os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)

    @property
    def node_group(self) -> str:
        """The group whose memory is the node's: ``/`` is the machine."""
        return self._node.path

    @property
    def pods_group(self) -> str:
        """The group of all pods."""
        return self._root

    def read_memory(self) -> MemoryLook:
        """The two memory signals, as of now."""
        found: dict[Signal, Observation] = {}
        failed: set[Signal] = set()
        node = self._sample(self._node)
        pods = node if self._pods is self._node else self._sample(self._pods)
        now_ns = time.monotonic_ns()
        if node is not None:
            found[Signal.MEMORY_AVAILABLE] = _observation(self._machine_bytes, node, now_ns)
        else:
            failed.add(Signal.MEMORY_AVAILABLE)
        if self._pods_limit_bytes is not None:
            if pods is not None:
                found[Signal.ALLOCATABLE_MEMORY_AVAILABLE] = _observation(self._pods_limit_bytes, pods, now_ns)
            else:
                failed.add(Signal.ALLOCATABLE_MEMORY_AVAILABLE)
        return MemoryLook(observations=found, failed=frozenset(failed), node=node, pods=pods)

    def read_others(self) -> OtherLook:
        """File systems and process ids, as of now."""
        found: dict[Signal, Observation] = {}
        failed: set[Signal] = set()
        for name, (bytes_signal, inodes_signal) in _FILE_SYSTEM_SIGNALS.items():
            source = self._file_systems.get(name)
            if source is None:
                continue
            try:
                seen = source.read()
            except OSError as e:
                log.warning("file system not readable signal=%s error=%s", bytes_signal, e)
                failed |= {bytes_signal, inodes_signal}
                continue
            now_ns = time.monotonic_ns()
            if seen.capacity_bytes > 0:
                found[bytes_signal] = Observation(
                    available=seen.available_bytes, capacity=seen.capacity_bytes, sampled_at_ns=now_ns
                )
            else:
                failed.add(bytes_signal)
            if seen.inodes > 0:  # some file systems have no table of inodes that could run out
                found[inodes_signal] = Observation(
                    available=seen.inodes_free, capacity=seen.inodes, sampled_at_ns=now_ns
                )
        pids = self._read_pids()
        if pids is not None:
            found[Signal.PID_AVAILABLE] = pids
        else:
            failed.add(Signal.PID_AVAILABLE)
        return OtherLook(observations=found, failed=frozenset(failed))

    def close(self) -> None:
        """Give everything back."""
        self._pods.close()
        if self._node is not self._pods:
            self._node.close()
        for source in set(self._file_systems.values()):
            source.close()
        os.close(self._loadavg_fd)

    def _sample(self, meter: MemoryMeter) -> MemorySample | None:
        try:
            return meter.read()
        except (OSError, ValueError, NodeguardError) as e:
            log.warning("memory not readable cgroup=%s error=%s", meter.path, e)
            return None

    def _read_pids(self) -> Observation | None:
        try:
            if self._arena.pids is not None:
                capacity, used = self._arena.pids, int(self._driver.read(self._root, "pids", "pids.current"))
            else:
                limit = proc.pid_limit()
                if limit is None:
                    return None
                capacity, used = limit, proc.parse_tasks(os.pread(self._loadavg_fd, 128, 0))
        except (OSError, ValueError, NodeguardError) as e:
            log.warning("process ids not countable error=%s", e)
            return None
        return Observation(available=capacity - used, capacity=capacity, sampled_at_ns=time.monotonic_ns())


def file_systems_of(
    layout: Layout, nodefs: OpenFileSystem, imagefs: OpenFileSystem | None
) -> dict[str, OpenFileSystem]:
    """Which file system each of the three names means."""
    images = imagefs or nodefs
    layers = nodefs if layout.split_container_fs or not layout.dedicated_image_fs else images
    return {"nodefs": nodefs, "imagefs": images, "containerfs": layers}


def _observation(limit_bytes: int, sample: MemorySample, now_ns: int) -> Observation:
    return Observation(available=limit_bytes - sample.working_set_bytes, capacity=limit_bytes, sampled_at_ns=now_ns)
