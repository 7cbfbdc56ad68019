"""One look at the node's signals, for those who ask while nobody watches it.

With an arena (``--capacity``) memory and process ids are those of the tree's root, which is empty when there is none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nodeguard.agent.config import Config
from nodeguard.agent.host import Paths
from nodeguard.agent.root import Root, find_root
from nodeguard.errors import NodeguardError
from nodeguard.kernel import filesystem, proc
from nodeguard.kernel.cgroup.memory import read_limit, read_memory
from nodeguard.kernel.filesystem import FileSystem
from nodeguard.model.eviction import EvictionMemory, EvictionMode, Layout, Observation, Snapshot
from nodeguard.model.node import MountPlace, NodeCapacity
from nodeguard.model.signal import Signal
from nodeguard.policy.eviction import evaluate
from nodeguard.policy.node_condition import Verdict, pressure_verdicts
from nodeguard.policy.shortage import shortage_details
from nodeguard.policy.signal_state import SignalState, in_mode, signal_states, unread
from nodeguard.policy.threshold import with_containerfs

_FILE_SYSTEM_SIGNALS = {
    "nodefs": (Signal.NODEFS_AVAILABLE, Signal.NODEFS_INODES_FREE),
    "imagefs": (Signal.IMAGEFS_AVAILABLE, Signal.IMAGEFS_INODES_FREE),
    "containerfs": (Signal.CONTAINERFS_AVAILABLE, Signal.CONTAINERFS_INODES_FREE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLook:
    """What the pressure conditions are, and how the thresholds stand."""

    verdicts: tuple[Verdict, ...]
    signals: tuple[SignalState, ...]


def look_at_host(config: Config, capacity: NodeCapacity) -> HostLook:
    """The signals as they are now, judged as a first pass of the eviction manager would."""
    disks = _read_file_systems(Paths.of(config))
    nodefs, imagefs, containerfs = (disks[name].device if name in disks else None for name in _FILE_SYSTEM_SIGNALS)
    layout = Layout(dedicated_image_fs=imagefs != nodefs, split_container_fs=imagefs != containerfs)
    settings = config.eviction(capacity)
    in_force = in_mode(settings.thresholds, config.eviction_mode, EvictionMode.ENFORCE, EvictionMode.OBSERVE)
    on_trial = in_mode(in_force, config.eviction_mode, EvictionMode.OBSERVE)
    found = {**_memory_and_pids(config, capacity), **_disk_signals(disks)}
    thresholds = [one for one in with_containerfs(in_force, layout) if _is_there(one.signal, found)]
    now_ns = time.monotonic_ns()
    snapshot = Snapshot(observations=found, layout=layout)
    memory = evaluate(replace(settings, thresholds=in_force), EvictionMemory(), snapshot, now_ns).memory
    unknown = {one.signal.condition for one in thresholds if _is_missing(one.signal, found, disks)}
    places = {name: MountPlace(mount_point=disk.mount_point, device=disk.source) for name, disk in disks.items()}
    details = {**unread(thresholds, found, unknown), **shortage_details(memory.first_met_ns, snapshot, places)}
    return HostLook(
        verdicts=pressure_verdicts(memory.conditions, unknown, details),
        signals=signal_states(
            thresholds,
            memory,
            found,
            places,
            now_ns=now_ns,
            now=time.time(),
            on_trial=with_containerfs(on_trial, layout),
        ),
    )


def _is_there(signal: Signal, found: Mapping[Signal, Observation]) -> bool:
    """Whether there is such a signal: that of the pods' cgroup comes and goes with it."""
    return signal is not Signal.ALLOCATABLE_MEMORY_AVAILABLE or signal in found


def _is_missing(signal: Signal, found: Mapping[Signal, Observation], disks: Mapping[str, FileSystem]) -> bool:
    """Whether a signal should have been read; not that of inodes where there is no table of them."""
    if signal in found:
        return False
    disk = disks.get(signal.file_system)
    return disk is None or not signal.endswith(".inodesFree")


def _read_file_systems(paths: Paths) -> dict[str, FileSystem]:
    """By name; a directory that is not there yet, or hidden from us, counts as on the file system of the one above."""
    disks = {}
    layers = paths.imagefs or paths.nodefs_dir
    for name, path in (("nodefs", paths.nodefs_dir), ("imagefs", paths.image_dir), ("containerfs", layers)):
        try:
            disks[name] = filesystem.read(_existing(path))
        except OSError:
            continue
    return disks


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if os.access(place, os.F_OK) and place.is_dir())


def _disk_signals(disks: Mapping[str, FileSystem]) -> dict[Signal, Observation]:
    found = {}
    for name, disk in disks.items():
        bytes_signal, inodes_signal = _FILE_SYSTEM_SIGNALS[name]
        if disk.capacity_bytes > 0:
            found[bytes_signal] = Observation(available=disk.available_bytes, capacity=disk.capacity_bytes)
        if disk.inodes > 0:
            found[inodes_signal] = Observation(available=disk.inodes_free, capacity=disk.inodes)
    return found


def _memory_and_pids(config: Config, capacity: NodeCapacity) -> dict[Signal, Observation]:
    try:
        root = find_root(config)
    except NodeguardError:
        return {}
    has_tree = root.driver.exists(root.path)
    node_bytes = _usage(root, root.path if has_tree else None) if "memory" in config.capacity else _usage(root, "/")
    found = {}
    if node_bytes is not None:
        available = capacity.memory_bytes - node_bytes
        found[Signal.MEMORY_AVAILABLE] = Observation(available=available, capacity=capacity.memory_bytes)
    if has_tree:
        found |= _allocatable_memory(root)
    pids = _pids(root, has_tree) if "pids" in config.capacity else _host_pids()
    if pids is not None:
        available = capacity.pids - pids
        found[Signal.PID_AVAILABLE] = Observation(available=available, capacity=capacity.pids)
    return found


def _allocatable_memory(root: Root) -> dict[Signal, Observation]:
    try:
        limit, used = read_limit(root.driver, root.path), _usage(root, root.path)
    except NodeguardError:
        return {}
    if limit is None or used is None:
        return {}
    return {Signal.ALLOCATABLE_MEMORY_AVAILABLE: Observation(available=limit - used, capacity=limit)}


def _usage(root: Root, path: str | None) -> int | None:
    """The working set of a group; nothing for a tree that is not there."""
    if path is None:
        return 0
    try:
        return read_memory(root.driver, path).working_set_bytes
    except (NodeguardError, OSError, ValueError):
        return None


def _pids(root: Root, has_tree: bool) -> int | None:
    if not has_tree:
        return 0
    try:
        return int(root.driver.read(root.path, "pids", "pids.current"))
    except (NodeguardError, OSError, ValueError):
        return None


def _host_pids() -> int | None:
    try:
        return proc.parse_tasks((proc.PROC / "loadavg").read_bytes())
    except (OSError, ValueError):
        return None
