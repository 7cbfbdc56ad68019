"""What the figures of cgroups mean in the kubelet's Summary.

Source: kubernetes, pkg/kubelet/stats/helper.go, cri_stats_provider.go; cadvisor, container/libcontainer/handler.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from nodeguard.model.groupstat import CpuSample, GroupStat, Pressure, Stall
from nodeguard.model.summary import (
    DEFAULT_INTERFACE,
    ContainerStats,
    CPUStats,
    FsStats,
    InterfaceStats,
    IOStats,
    MemoryStats,
    NetworkStats,
    NodeStats,
    PodStats,
    PSIData,
    PSIStats,
    Summary,
    SwapStats,
)

RATE_VALID_NS = 600 * 10**9
"""An older sample tells nothing about now."""

IGNORED_INTERFACES = ("lo", "veth", "docker", "nerdctl")
"""Names that begin so do not count: what goes through them stays on the host, or is counted at its other end.

Source: cadvisor, container/libcontainer/handler.go; utils/sysinfo, GetNetworkDevices.
"""


def working_set_bytes(stat: GroupStat) -> int | None:
    """Usage without the file cache that nobody used lately; None when either is unknown."""
    inactive = stat.memory.inactive_file_bytes
    if stat.memory_usage_bytes is None or inactive is None:
        return None
    return max(0, stat.memory_usage_bytes - inactive)


def nano_cores(before: CpuSample | None, now: CpuSample | None) -> int | None:
    """Nanoseconds of CPU per second between two samples of one group; None without two that fit."""
    if before is None or now is None or before.of != now.of or now.usage_ns < before.usage_ns:
        return None
    elapsed = now.at_ns - before.at_ns
    return (now.usage_ns - before.usage_ns) * 10**9 // elapsed if 0 < elapsed <= RATE_VALID_NS else None


def cpu_stats(stat: GroupStat, before: CpuSample | None) -> CPUStats | None:
    """``cpu`` of a group; None when the kernel does not tell."""
    psi = psi_stats(stat.pressure.get("cpu"))
    if stat.cpu is None and psi is None:
        return None
    return CPUStats(
        time=stat.at,
        usage_nano_cores=nano_cores(before, stat.cpu),
        usage_core_nano_seconds=None if stat.cpu is None else stat.cpu.usage_ns,
        psi=psi,
    )


def memory_stats(stat: GroupStat) -> MemoryStats | None:
    """``memory`` of a group; there is only something available below a limit."""
    psi = psi_stats(stat.pressure.get("memory"))
    if stat.memory_usage_bytes is None and stat.memory.anon_bytes is None and psi is None:
        return None
    limit, working_set = stat.memory_limit_bytes, working_set_bytes(stat)
    return MemoryStats(
        time=stat.at,
        available_bytes=None if limit is None or working_set is None else max(0, limit - working_set),
        usage_bytes=stat.memory_usage_bytes,
        working_set_bytes=working_set,
        rss_bytes=stat.memory.anon_bytes,
        page_faults=stat.page_faults,
        major_page_faults=stat.major_page_faults,
        psi=psi,
    )


def io_stats(stat: GroupStat) -> IOStats | None:
    """``io`` of a group: its pressure alone."""
    psi = psi_stats(stat.pressure.get("io"))
    return None if psi is None else IOStats(time=stat.at, psi=psi)


def swap_stats(stat: GroupStat) -> SwapStats | None:
    """``swap`` of a group; None where the kernel does not account for it."""
    if stat.swap_usage_bytes is None:
        return None
    limit = stat.swap_limit_bytes
    return SwapStats(
        time=stat.at,
        swap_available_bytes=None if limit is None else max(0, limit - stat.swap_usage_bytes),
        swap_usage_bytes=stat.swap_usage_bytes,
    )


def psi_stats(pressure: Pressure | None) -> PSIStats | None:
    """``psi``, with the kernel's microseconds as they are."""
    if pressure is None:
        return None
    return PSIStats(full=_psi_data(pressure.full), some=_psi_data(pressure.some))


def container_stats(
    name: str,
    started_at: float,
    stat: GroupStat,
    before: CpuSample | None,
    *,
    rootfs: FsStats | None = None,
    logs: FsStats | None = None,
) -> ContainerStats:
    """A container, or a group that stands for one."""
    return ContainerStats(
        name=name,
        start_time=started_at,
        cpu=cpu_stats(stat, before),
        memory=memory_stats(stat),
        io=io_stats(stat),
        swap=swap_stats(stat),
        rootfs=rootfs,
        logs=logs,
    )


def summed_cpu(containers: Sequence[ContainerStats]) -> CPUStats | None:
    """``cpu`` of a pod whose own group does not tell; pressure cannot be added up."""
    found = [container.cpu for container in containers if container.cpu is not None]
    if not found:
        return None
    return CPUStats(
        time=max(each.time for each in found),
        usage_nano_cores=_sum(each.usage_nano_cores for each in found),
        usage_core_nano_seconds=_sum(each.usage_core_nano_seconds for each in found),
    )


def summed_memory(containers: Sequence[ContainerStats]) -> MemoryStats | None:
    """``memory`` of a pod whose own group does not tell."""
    found = [container.memory for container in containers if container.memory is not None]
    if not found:
        return None
    return MemoryStats(
        time=max(each.time for each in found),
        available_bytes=_sum(each.available_bytes for each in found),
        usage_bytes=_sum(each.usage_bytes for each in found),
        working_set_bytes=_sum(each.working_set_bytes for each in found),
        rss_bytes=_sum(each.rss_bytes for each in found),
        page_faults=_sum(each.page_faults for each in found),
        major_page_faults=_sum(each.major_page_faults for each in found),
    )


def network_stats(at: float, interfaces: Iterable[InterfaceStats], default: str | None = None) -> NetworkStats:
    """``network``: the default interface is ``eth0`` where there is one, else the one named here."""
    known = tuple(each for each in interfaces if not each.name.startswith(IGNORED_INTERFACES))
    by_name = {each.name: each for each in known}
    main = by_name.get(DEFAULT_INTERFACE) or by_name.get(default or "") or InterfaceStats(name=DEFAULT_INTERFACE)
    return NetworkStats(
        time=at,
        name=main.name,
        rx_bytes=main.rx_bytes,
        rx_errors=main.rx_errors,
        tx_bytes=main.tx_bytes,
        tx_errors=main.tx_errors,
        interfaces=known,
    )


def rest_of(node: ContainerStats, others: Iterable[ContainerStats]) -> ContainerStats:
    """``misc``: what of the node's CPU time and memory is nobody's of ``others``.

    Counters are left out, because those of groups that have ended stay in the node's.
    """
    listed = tuple(others)
    cpus = [each.cpu for each in listed if each.cpu is not None]
    memories = [each.memory for each in listed if each.memory is not None]
    cpu = memory = None
    if node.cpu is not None:
        used = _minus(node.cpu.usage_nano_cores, (each.usage_nano_cores for each in cpus))
        cpu = None if used is None else CPUStats(time=node.cpu.time, usage_nano_cores=used)
    if node.memory is not None:
        memory = MemoryStats(
            time=node.memory.time,
            usage_bytes=_minus(node.memory.usage_bytes, (each.usage_bytes for each in memories)),
            working_set_bytes=_minus(node.memory.working_set_bytes, (each.working_set_bytes for each in memories)),
            rss_bytes=_minus(node.memory.rss_bytes, (each.rss_bytes for each in memories)),
        )
    return ContainerStats(name="misc", start_time=node.start_time, cpu=cpu, memory=memory)


def whole_sum(figures: Sequence[int | None]) -> int | None:
    """The sum; unknown when one of them is."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if len(known) == len(figures) else None


def only_cpu_and_memory(summary: Summary) -> Summary:
    """The short form: without disks, network, pressure of input and output, and processes."""
    node = summary.node
    return Summary(
        node=NodeStats(
            node_name=node.node_name,
            start_time=node.start_time,
            system_containers=tuple(map(_only_cpu_and_memory, node.system_containers)),
            cpu=node.cpu,
            memory=node.memory,
            swap=node.swap,
        ),
        pods=tuple(
            PodStats(
                pod_ref=pod.pod_ref,
                start_time=pod.start_time,
                containers=tuple(map(_only_cpu_and_memory, pod.containers)),
                cpu=pod.cpu,
                memory=pod.memory,
                swap=pod.swap,
            )
            for pod in summary.pods
        ),
    )


def throttled_ratio(stat: GroupStat) -> float | None:
    """The share of the periods so far in which the group's CPU quota was used up; None without a quota."""
    if not stat.cpu_periods or stat.cpu_throttled_periods is None:
        return None
    return stat.cpu_throttled_periods / stat.cpu_periods


def _only_cpu_and_memory(container: ContainerStats) -> ContainerStats:
    return replace(container, io=None, rootfs=None, logs=None)


def _psi_data(stall: Stall | None) -> PSIData | None:
    if stall is None:
        return None
    return PSIData(total=stall.total_usec, avg10=stall.avg10, avg60=stall.avg60, avg300=stall.avg300)


def _sum(figures: Iterable[int | None]) -> int | None:
    """The sum of the known ones; None when none is known."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None


def _minus(whole: int | None, parts: Iterable[int | None]) -> int | None:
    return None if whole is None else max(0, whole - (_sum(parts) or 0))
