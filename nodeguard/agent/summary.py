"""The Summary of the node as it is now: every pod that is recorded here, whoever looks after it.

Everything comes from the kernel and from nodeguard's own files, so any process may ask. A CPU rate needs two samples: a
`Collector` keeps those of its last look.

Source: kubernetes, pkg/kubelet/server/stats/summary.go, pkg/kubelet/stats/cri_stats_provider.go.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from nodeguard.agent.config import Config
from nodeguard.agent.cpu_history import CpuHistory
from nodeguard.agent.daemon_usage import ProcessGroup, supervisor_pids
from nodeguard.agent.disk_summary import DiskLook, DiskStats, told_paths
from nodeguard.agent.host import Paths
from nodeguard.agent.record import Share, read_shares
from nodeguard.agent.recorded_pod import Instance, RecordedPod, modified_at, recorded_pods
from nodeguard.agent.root import Root
from nodeguard.errors import CgroupGone, HostLacks
from nodeguard.kernel import link, machine, proc
from nodeguard.kernel.cgroup.process import count_processes
from nodeguard.kernel.cgroup.stat import TOP, read_cpu, read_stat
from nodeguard.kernel.link import LinkCounters
from nodeguard.model.groupstat import GroupStat, Pressure
from nodeguard.model.node import NodeCapacity
from nodeguard.model.pod import QOSClass
from nodeguard.model.summary import (
    ContainerStats,
    FsStats,
    InterfaceStats,
    NodeStats,
    PodReference,
    PodStats,
    ProcessStats,
    RlimitStats,
    Summary,
)
from nodeguard.policy import summary as rule

NODE = ""
"""The node's name among the groups of a `Look`."""

PODS = "/pods"
"""That of the group of all pods; tiers and processes of nodeguard's own begin with a slash, too, as no uid does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at everything.

    ``groups`` is what the kernel said, by pod (uid), container (``uid/name``), tier (``/name``), `PODS` and `NODE`.
    With ``is_machine_memory`` the node's memory is the machine's, else that of an arena.
    """

    summary: Summary
    tiers: tuple[ContainerStats, ...]
    groups: Mapping[str, GroupStat]
    pods_by_tier: Mapping[str, int]
    capacity: NodeCapacity
    is_machine_memory: bool


class Collector:
    """Looks again and again."""

    def __init__(self, config: Config, root: Root) -> None:
        self._config, self._driver, self._root = config, root.driver, root.path
        self._history = CpuHistory()
        self._agents, self._supervisors = ProcessGroup(), ProcessGroup()
        self._boot_time = machine.read_boot_time() or time.time() - proc.uptime_seconds()
        self._groups: dict[str, GroupStat] = {}

    def prime(self) -> None:
        """Take the first samples of the CPU counters, so that the next look has rates."""
        host, shares = proc.read_capacity(), read_shares(self._config.run_dir, proc.boot_id())
        pods = list(recorded_pods(self._config.run_dir))
        named = {NODE: self._cpu_path(host, self._capacity(host, shares)), PODS: self._root}
        named |= {f"/{qos.tier}": f"{self._root}/{qos.tier}" for qos in QOSClass}
        for pod in pods:
            named[pod.record.uid] = pod.record.cgroup
            named |= {pod.key_of(each): pod.cgroup_of(each) for each in pod.instances}
        for name, path in named.items():
            with suppress(CgroupGone):
                self._history.swap(name, read_cpu(self._driver, path))
        for name, stat in self._daemons(pods, shares).items():
            self._history.swap(f"/{name}", stat.cpu)

    def collect(self, *, only_cpu_and_memory: bool = False) -> Look:
        """Everything as it is now."""
        self._groups = {}
        shares = read_shares(self._config.run_dir, proc.boot_id())
        host = proc.read_capacity()
        capacity = self._capacity(host, shares)
        pods = list(recorded_pods(self._config.run_dir))
        disks = None if only_cpu_and_memory else DiskLook()
        links = {} if only_cpu_and_memory else link.read_pinned_links([pod.net_file for pod in pods])
        found = [stats for pod in pods if (stats := self._pod_stats(pod, disks, links.get(pod.net_file))) is not None]
        tiers = [self._group_stats(qos.tier, f"{self._root}/{qos.tier}") for qos in QOSClass]
        layers = [each.rootfs for stats in found for each in stats.containers if each.rootfs is not None]
        node = self._node_stats(host, capacity, pods, shares, disks, layers)
        summary = Summary(node=node, pods=tuple(found))
        tiers_of = [pod.tier for pod in pods if pod.record.uid in self._groups]
        self._history.forget_others()
        return Look(
            summary=rule.only_cpu_and_memory(summary) if only_cpu_and_memory else summary,
            tiers=tuple(tier for tier in tiers if tier is not None),
            groups=self._groups,
            pods_by_tier={tier.tier: tiers_of.count(tier.tier) for tier in QOSClass},
            capacity=capacity,
            is_machine_memory=capacity.memory_bytes == host.memory_bytes,
        )

    def _capacity(self, host: NodeCapacity, shares: Sequence[Share]) -> NodeCapacity:
        """What the node has: as those say who run pods; without any, as the configuration says."""
        own = self._config.node_capacity(host)
        if not shares:
            return own
        told = shares[0].capacity
        return replace(
            own,
            cpu_millicpu=told.get("cpu_millicpu", own.cpu_millicpu),
            memory_bytes=told.get("memory_bytes", own.memory_bytes),
            pids=told.get("pids", own.pids),
        )

    # one group

    def _read(self, name: str, path: str) -> GroupStat:
        found = read_stat(self._driver, path)
        self._groups[name] = found
        return found

    def _group_stats(self, name: str, path: str) -> ContainerStats | None:
        """One of the groups above the pods; None when there is none."""
        try:
            found = self._read(f"/{name}", path)
        except CgroupGone:
            return None
        return rule.container_stats(name, self._tree_started_at(), found, self._history.swap(f"/{name}", found.cpu))

    def _tree_started_at(self) -> float:
        """The tree is as old as the file of the process that made it, or older."""
        files = (self._config.run_dir / "owners").glob("*.json")
        return min((at for file in files if (at := modified_at(file)) is not None), default=self._boot_time)

    # pods

    def _pod_stats(
        self, pod: RecordedPod, disks: DiskLook | None, links: Sequence[LinkCounters] | None
    ) -> PodStats | None:
        """None when its group is gone, or has not been made yet."""
        try:
            found = self._read(pod.record.uid, pod.record.cgroup)
        except CgroupGone:
            return None
        before = self._history.swap(pod.record.uid, found.cpu)
        disk = None if disks is None else disks.pod(pod.places, Path(pod.record.state_dir))
        containers, processes = [], []
        for instance in pod.instances:
            with suppress(CgroupGone):
                container = self._container_stats(pod, instance, disk)
                if container is not None:
                    containers.append(container)
                    processes.append(self._count_processes(pod.key_of(instance), pod.cgroup_of(instance)))
        stats = PodStats(
            pod_ref=PodReference(name=pod.record.name, namespace=pod.record.namespace, uid=pod.record.uid),
            start_time=pod.started_at,
            containers=tuple(containers),
            cpu=rule.cpu_stats(found, before) or rule.summed_cpu(containers),
            memory=rule.memory_stats(found) or rule.summed_memory(containers),
            swap=rule.swap_stats(found),
        )
        if disk is None:
            return stats
        return replace(
            stats,
            io=rule.io_stats(found),
            volumes=disk.volumes,
            ephemeral_storage=disk.ephemeral_storage,
            network=None if links is None else rule.network_stats(time.time(), _interfaces(links)),
            process_stats=ProcessStats(process_count=rule.whole_sum(processes)),
        )

    def _container_stats(self, pod: RecordedPod, instance: Instance, disk: DiskStats | None) -> ContainerStats | None:
        """None when nothing runs in it: it has not started yet, or has ended."""
        path, name = pod.cgroup_of(instance), pod.key_of(instance)
        found = read_stat(self._driver, path)
        if found.tasks == 0:
            return None
        self._groups[name] = found
        return rule.container_stats(
            instance.name,
            instance.started_at,
            found,
            self._history.swap(name, found.cpu),
            rootfs=None if disk is None else disk.rootfs.get(instance.name),
            logs=None if disk is None else disk.logs.get(instance.name),
        )

    def _count_processes(self, name: str, path: str) -> int | None:
        """Groups that the container made itself are looked for only when there is something left to be found."""
        try:
            count = len(self._driver.read(path, "pids", "cgroup.procs").split())
            return count_processes(self._driver, path) if (self._groups[name].tasks or 0) > count else count
        except (HostLacks, OSError):  # a threaded group does not tell
            return None

    # the node

    def _node_stats(
        self,
        host: NodeCapacity,
        capacity: NodeCapacity,
        pods: Sequence[RecordedPod],
        shares: Sequence[Share],
        disks: DiskLook | None,
        layers: Sequence[FsStats],
    ) -> NodeStats:
        name, now = os.uname().nodename, time.time()
        whole = self._node_group(host, capacity)
        listed = self._system_containers(pods, shares)
        if not _is_arena(host, capacity):
            listed.append(rule.rest_of(whole, listed))
        stats = NodeStats(
            node_name=name,
            start_time=self._boot_time,
            system_containers=tuple(listed),
            cpu=whole.cpu,
            memory=whole.memory,
            io=whole.io,
            swap=whole.swap,
        )
        if disks is None:
            return stats
        paths = told_paths(Paths.of(self._config), (pod.places for pod in pods))
        return replace(
            stats,
            network=rule.network_stats(now, _interfaces(link.read_links()), link.read_default_link()),
            fs=disks.file_system(paths.nodefs_dir),
            runtime=disks.runtime(paths, layers),
            rlimit=self._rlimit(host, capacity),
        )

    def _node_group(self, host: NodeCapacity, capacity: NodeCapacity) -> ContainerStats:
        """The node as one group: the machine's figures, and those of the tree's root for what the arena bounds."""
        memory_path, cpu_path = self._memory_path(host, capacity), self._cpu_path(host, capacity)
        found = GroupStat(at=time.time())
        with suppress(CgroupGone):
            found = read_stat(self._driver, memory_path)
        found = replace(found, memory_limit_bytes=capacity.memory_bytes)
        if memory_path == TOP:
            found = _whole_machine(found)
        if cpu_path != memory_path:
            found = replace(found, cpu=None)
            with suppress(CgroupGone):
                other = read_stat(self._driver, cpu_path)
                found = replace(found, cpu=other.cpu, pressure={**found.pressure, **_only(other.pressure, "cpu")})
        self._groups[NODE] = found
        return rule.container_stats(NODE, self._boot_time, found, self._history.swap(NODE, found.cpu))

    def _memory_path(self, host: NodeCapacity, capacity: NodeCapacity) -> str:
        return self._root if capacity.memory_bytes < host.memory_bytes else TOP

    def _cpu_path(self, host: NodeCapacity, capacity: NodeCapacity) -> str:
        return self._root if _is_arena(host, capacity) else TOP

    def _system_containers(self, pods: Sequence[RecordedPod], shares: Sequence[Share]) -> list[ContainerStats]:
        found = []
        tree = self._group_stats("pods", self._root)
        if tree is not None:
            found.append(tree)
        groups = {"kubelet": self._agents, "runtime": self._supervisors}
        for name, stat in self._daemons(pods, shares).items():
            started_at = groups[name].started_at(self._boot_time)
            found.append(rule.container_stats(name, started_at, stat, self._history.swap(f"/{name}", stat.cpu)))
        return found

    def _daemons(self, pods: Sequence[RecordedPod], shares: Sequence[Share]) -> dict[str, GroupStat]:
        """nodeguard itself and the supervisors of containers, those that there are."""
        found = {
            "kubelet": self._agents.look(share.owner.pid for share in shares),
            "runtime": self._supervisors.look(supervisor_pids(pod.directory for pod in pods)),
        }
        return {name: stat for name, stat in found.items() if stat is not None}

    def _rlimit(self, host: NodeCapacity, capacity: NodeCapacity) -> RlimitStats:
        if capacity.pids < host.pids:
            pods = self._groups.get(PODS)
            return RlimitStats(time=time.time(), max_pid=capacity.pids, running_processes=pods.tasks if pods else None)
        return RlimitStats(time=time.time(), max_pid=proc.pid_limit(), running_processes=_machine_tasks())


def _whole_machine(found: GroupStat) -> GroupStat:
    """The top group, with what only /proc knows."""
    memory = proc.read_meminfo()
    total, free = memory.get("SwapTotal"), memory.get("SwapFree")
    return replace(
        found,
        swap_limit_bytes=total,
        swap_usage_bytes=None if total is None or free is None else total - free,
    )


def _machine_tasks() -> int | None:
    try:
        return proc.parse_tasks((proc.PROC / "loadavg").read_bytes())
    except (OSError, ValueError):
        return None


def _interfaces(links: Sequence[LinkCounters]) -> list[InterfaceStats]:
    return [
        InterfaceStats(
            name=each.name,
            rx_bytes=each.rx_bytes,
            rx_errors=each.rx_errors,
            tx_bytes=each.tx_bytes,
            tx_errors=each.tx_errors,
        )
        for each in links
    ]


def _is_arena(host: NodeCapacity, capacity: NodeCapacity) -> bool:
    return capacity.memory_bytes < host.memory_bytes or capacity.cpu_millicpu < host.cpu_millicpu


def _only(pressure: Mapping[str, Pressure], resource: str) -> dict[str, Pressure]:
    return {name: found for name, found in pressure.items() if name == resource}
