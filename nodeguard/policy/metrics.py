"""The Summary as metrics, under the names that the kubelet, cadvisor and node_exporter have for them.

What is not known has no sample. There is no label for the uid of a pod: of several of one name the youngest counts.

Source: kubernetes, pkg/kubelet/metrics/metrics.go; node_exporter, collector/pressure_linux.go; see ``metric_table.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nodeguard.model.groupstat import GroupStat
from nodeguard.model.node import NodeCapacity
from nodeguard.model.signal import Resource
from nodeguard.model.summary import ContainerStats, NodeStats, PodStats, Summary
from nodeguard.policy.exposition import Family, Item, Kind, Sample, family
from nodeguard.policy.metric_table import (
    CONTAINERS,
    FILE_SYSTEMS,
    GROUPS,
    MICRO,
    NODE,
    NODE_LINKS,
    POD_LINKS,
    PODS,
    STALLS,
    TIERS,
    Table,
)
from nodeguard.policy.signal_state import SignalState

_EVICTION_SIGNALS = {
    "emptyDir": "emptydirfs.limit",
    "ephemeral-storage/pod": "ephemeralpodfs.limit",
    "ephemeral-storage/container": "ephemeralcontainerfs.limit",
}
"""Source: kubernetes, pkg/kubelet/eviction/eviction_manager.go, signalEmptyDirFsLimit and the like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What metrics are made of.

    ``groups`` has more than the Summary, of pods (by uid) and containers (``uid/name``). ``evictions`` counts by
    signal, None when nobody knows; ``pods_by_tier`` counts those that run. ``conditions`` maps type to status; they and
    ``signals`` are told by whoever runs pods.
    """

    summary: Summary
    tiers: tuple[ContainerStats, ...]
    groups: Mapping[str, GroupStat]
    capacity: NodeCapacity
    pods_by_tier: Mapping[str, int]
    evictions: Mapping[str, int] | None
    conditions: Mapping[str, str]
    signals: tuple[SignalState, ...]
    version: str


def metric_families(facts: Facts) -> tuple[Family, ...]:
    """Every metric, the node's first."""
    node = facts.summary.node
    tiers = [Item(labels={"qos": tier.name}, figures=tier) for tier in facts.tiers]
    pods = _youngest(facts.summary.pods)
    containers = [item for pod in pods for item in _container_items(pod)]
    whole_pods = [Item(labels={"container": "", **_labels(pod)}, figures=pod) for pod in pods]
    return (
        *_own(facts),
        *_signals(facts.signals),
        *_all_of(NODE, [Item(labels={}, figures=node)]),
        *_pressure("node_pressure_", [Item(labels={}, figures=node)]),
        *_all_of(NODE_LINKS, _links(node, {}, "device")),
        *_all_of(FILE_SYSTEMS, _file_systems(facts.summary)),
        *_all_of(TIERS, tiers),
        *_pressure("nodeguard_tier_pressure_", tiers),
        *_all_of(PODS, [Item(labels=_labels(pod), figures=pod) for pod in pods]),
        *_all_of(CONTAINERS, containers),
        *_all_of(GROUPS, [item for pod in pods for item in _group_items(pod, facts.groups)]),
        _failures(containers),
        *_pressure("container_pressure_", [*whole_pods, *containers]),
        *_all_of(POD_LINKS, [item for pod in pods for item in _links(pod, _labels(pod), "interface")]),
    )


def _own(facts: Facts) -> Iterator[Family]:
    pods = facts.summary.pods
    running = sum(len(pod.containers) for pod in pods)
    yield _counts("nodeguard_build_info", "gauge", "The version of nodeguard.", "version", {facts.version: 1})
    yield _counts("nodeguard_pods", "gauge", "Number of pods by QoS class.", "qos", facts.pods_by_tier)
    yield _number("kubelet_running_pods", "Number of pods that have a running pod sandbox", len(pods))
    yield _counts(
        "kubelet_running_containers",
        "gauge",
        "Number of containers currently running",
        "container_state",
        {"running": running},
    )
    if facts.evictions is not None:
        help_text = "Cumulative number of pod evictions by eviction signal"
        counts = {_EVICTION_SIGNALS.get(signal, signal): count for signal, count in facts.evictions.items()}
        yield _counts("kubelet_evictions", "counter", help_text, "eviction_signal", counts)
    yield Family(
        name="nodeguard_node_condition",
        kind="gauge",
        help="Whether a condition of the node has this status.",
        samples=tuple(
            Sample(labels={"type": condition, "status": word}, value=int(word == status))
            for condition, status in sorted(facts.conditions.items())
            for word in ("True", "False", "Unknown")
        ),
    )
    yield _number("machine_cpu_cores", "Number of logical CPU cores.", facts.capacity.cpu_millicpu / 1000)
    yield _number("machine_memory_bytes", "Amount of memory installed on the machine.", facts.capacity.memory_bytes)


def _signals(states: Iterable[SignalState]) -> Iterator[Family]:
    """What is left, and the line below which pods go, in the signal's unit."""
    known = list(states)
    for unit in ("bytes", "inodes", "pids"):
        of_unit = [state for state in known if _unit(state) == unit]
        left = {state.signal: Item(labels={"signal": state.signal}, figures=state) for state in of_unit}
        lines = {
            (state.signal, kind): Item(labels={"signal": state.signal, "kind": kind}, figures=state)
            for state in of_unit
            if (kind := state.threshold.rpartition("/")[2])
        }
        available = f"What is left before a node is out of it, in {unit}."
        yield family(f"nodeguard_signal_available_{unit}", "gauge", available, left.values(), "available")
        line = f"The value below which an eviction threshold is met, in {unit}."
        yield family(f"nodeguard_threshold_{unit}", "gauge", line, lines.values(), "limit")


def _unit(state: SignalState) -> str:
    resource = state.signal.resource
    return str(resource) if resource in (Resource.INODES, Resource.PIDS) else "bytes"


def _all_of(table: Table, items: list[Item]) -> Iterator[Family]:
    for name, kind, help_text, path, per in table:
        yield family(name, kind, help_text, items, path, per=per)


def _pressure(prefix: str, items: list[Item]) -> Iterator[Family]:
    for resource in ("cpu", "memory", "io"):
        for word, kernel_word, doing in STALLS:
            help_text = f"Total time duration tasks have {doing} due to {resource} congestion."
            name = f"{prefix}{resource}_{word}_seconds_total"
            yield family(name, "counter", help_text, items, f"{resource}.psi.{kernel_word}.total", per=MICRO)


def _failures(containers: list[Item]) -> Family:
    return Family(
        name="container_memory_failures_total",
        kind="counter",
        help="Cumulative count of memory allocation failures.",
        samples=tuple(
            Sample(labels={**item.labels, "failure_type": word, "scope": "container"}, value=count)
            for item in containers
            for word, path in (("pgfault", "memory.page_faults"), ("pgmajfault", "memory.major_page_faults"))
            if (count := item.figure(path)) is not None
        ),
    )


def _counts(name: str, kind: Kind, help_text: str, label: str, counts: Mapping[str, int]) -> Family:
    samples = tuple(Sample(labels={label: text}, value=counts[text]) for text in sorted(counts))
    return Family(name=name, kind=kind, help=help_text, samples=samples)


def _number(name: str, help_text: str, value: int | float) -> Family:
    return Family(name=name, kind="gauge", help=help_text, samples=(Sample(labels={}, value=value),))


def _labels(pod: PodStats) -> dict[str, str]:
    return {"namespace": pod.pod_ref.namespace, "pod": pod.pod_ref.name}


def _container_items(pod: PodStats) -> Iterator[Item]:
    for each in pod.containers:
        yield Item(labels={"container": each.name, **_labels(pod)}, figures=each)


def _group_items(pod: PodStats, groups: Mapping[str, GroupStat]) -> Iterator[Item]:
    for each in pod.containers:
        group = groups.get(f"{pod.pod_ref.uid}/{each.name}")
        yield Item(labels={"container": each.name, **_labels(pod)}, figures=group)


def _links(stats: NodeStats | PodStats, labels: Mapping[str, str], word: str) -> list[Item]:
    found = () if stats.network is None else stats.network.interfaces
    return [Item(labels={**labels, word: each.name}, figures=each) for each in found]


def _file_systems(summary: Summary) -> list[Item]:
    runtime = summary.node.runtime
    found = {
        "nodefs": summary.node.fs,
        "imagefs": None if runtime is None else runtime.image_fs,
        "containerfs": None if runtime is None else runtime.container_fs,
    }
    return [Item(labels={"filesystem": name}, figures=stats) for name, stats in found.items()]


def _youngest(pods: Iterable[PodStats]) -> list[PodStats]:
    by_name = {pod.pod_ref.key: pod for pod in sorted(pods, key=lambda pod: (pod.start_time, pod.pod_ref.uid))}
    return [by_name[name] for name in sorted(by_name)]
