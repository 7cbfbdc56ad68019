"""How ``nodeguard top`` looks. Pure.

Source: kubernetes, staging/src/k8s.io/kubectl/pkg/metricsutil/metrics_printer.go, metrics_sorter.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nodeguard.agent.text import format_table
from nodeguard.model.groupstat import GroupStat
from nodeguard.model.summary import ContainerStats, NodeStats, PodStats, PSIStats
from nodeguard.policy.memory_sum import MemoryLine
from nodeguard.policy.summary import throttled_ratio

UNKNOWN = "<unknown>"

Stats = NodeStats | PodStats | ContainerStats

_USAGE = ("CPU(cores)", "MEMORY(bytes)")
_PRESSURE = ("CPU-PSI", "MEMORY-PSI", "IO-PSI")
_GROUP = ("ANON", "CACHE", "SWAP", "TASKS", "THROTTLED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What is shown. ``sort_by`` is ``cpu``, ``memory`` or empty for names; the largest comes first."""

    wide: bool = False
    headers: bool = True
    namespaces: bool = False
    sort_by: str = ""


def node_table(node: NodeStats, allocatable: Mapping[str, int], style: Style) -> str:
    """The node's line; ``allocatable`` has ``cpu`` in thousandths and ``memory`` in bytes."""
    cpu, memory = _millicpu(node), _working_set(node)
    row = [
        node.node_name,
        _cpu(node),
        _percent(cpu, allocatable["cpu"]),
        _memory(node),
        _percent(memory, allocatable["memory"]),
    ]
    header = ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
    if style.wide:
        header += _PRESSURE
        row += _pressure(node)
    return _table(header, [row], style)


def groups_table(groups: Iterable[ContainerStats]) -> str:
    """Who the node's CPU time and memory belong to."""
    rows = [[each.name, _cpu(each), _memory(each), *_pressure(each)] for each in groups]
    return format_table(("GROUP", *_USAGE, *_PRESSURE), rows)


def memory_table(lines: Iterable[MemoryLine]) -> str:
    """Where the node's memory goes."""
    return format_table(
        ("MEMORY", "BYTES", "FORMULA"), ((line.name, _count(line.bytes), line.formula) for line in lines)
    )


def pods_table(pods: Sequence[PodStats], groups: Mapping[str, GroupStat], style: Style) -> str:
    """A line for each pod."""
    rows = [
        [
            *([pod.pod_ref.namespace] if style.namespaces else []),
            pod.pod_ref.name,
            *_cells(pod, groups.get(pod.pod_ref.uid), style),
        ]
        for pod in sort_pods(pods, style.sort_by)
    ]
    return _table([*(["NAMESPACE"] if style.namespaces else []), "NAME", *_columns(style)], rows, style)


def containers_table(pods: Sequence[PodStats], groups: Mapping[str, GroupStat], style: Style) -> str:
    """A line for each container, those of a pod together."""
    rows = [
        [
            *([pod.pod_ref.namespace] if style.namespaces else []),
            pod.pod_ref.name,
            container.name,
            *_cells(container, groups.get(f"{pod.pod_ref.uid}/{container.name}"), style),
        ]
        for pod in sort_pods(pods, style.sort_by)
        for container in sorted(pod.containers, key=lambda each: (_rank(each, style.sort_by), each.name))
    ]
    return _table([*(["NAMESPACE"] if style.namespaces else []), "POD", "NAME", *_columns(style)], rows, style)


def sort_pods(pods: Iterable[PodStats], sort_by: str) -> list[PodStats]:
    """By what they use, the largest first, those that nobody could measure last; or by name."""
    return sorted(pods, key=lambda pod: (_rank(pod, sort_by), pod.pod_ref.key, pod.pod_ref.uid))


def _rank(stats: Stats, sort_by: str) -> float:
    if not sort_by:
        return 0
    value = _millicpu(stats) if sort_by == "cpu" else _working_set(stats)
    return 1 if value is None else -value


def _columns(style: Style) -> tuple[str, ...]:
    return (*_USAGE, *_GROUP, *_PRESSURE) if style.wide else _USAGE


def _cells(stats: PodStats | ContainerStats, group: GroupStat | None, style: Style) -> list[str]:
    cells = [_cpu(stats), _memory(stats)]
    return [*cells, *_group_cells(group), *_pressure(stats)] if style.wide else cells


def _group_cells(group: GroupStat | None) -> list[str]:
    if group is None:
        return [UNKNOWN] * len(_GROUP)
    ratio = throttled_ratio(group)
    return [
        _mebibytes(group.memory.anon_bytes),
        _mebibytes(group.memory.file_bytes),
        _mebibytes(group.swap_usage_bytes),
        _count(group.tasks),
        "-" if ratio is None else f"{ratio:.0%}",
    ]


def _pressure(stats: Stats) -> list[str]:
    return [_psi(None if part is None else part.psi) for part in (stats.cpu, stats.memory, stats.io)]


def _psi(psi: PSIStats | None) -> str:
    """``some/full`` of the last ten seconds, in percent."""
    if psi is None or psi.some is None:
        return "-"
    return f"{psi.some.avg10:.2f}/" + ("-" if psi.full is None else f"{psi.full.avg10:.2f}")


def _millicpu(stats: Stats) -> int | None:
    """Rounded up, as quantities are."""
    used = None if stats.cpu is None else stats.cpu.usage_nano_cores
    return None if used is None else -(-used // 10**6)


def _working_set(stats: Stats) -> int | None:
    return None if stats.memory is None else stats.memory.working_set_bytes


def _cpu(stats: Stats) -> str:
    millicpu = _millicpu(stats)
    return UNKNOWN if millicpu is None else f"{millicpu}m"


def _memory(stats: Stats) -> str:
    return _mebibytes(_working_set(stats))


def _mebibytes(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count >> 20}Mi"


def _percent(used: int | None, whole: int) -> str:
    if used is None:
        return UNKNOWN
    return f"{used * 100 // whole if whole else 0}%"


def _count(count: int | None) -> str:
    return UNKNOWN if count is None else str(count)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], style: Style) -> str:
    text = format_table(header, rows)
    return text if style.headers else text.partition("\n")[2]
