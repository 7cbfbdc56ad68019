"""A pass of the eviction manager as a scenario: ``simulate`` plays it again and comes to the same decision.

The pass is at 0 on the scenario's clock, everything remembered lies before it. Of the pods' manifests only what
decisions look at is kept: no commands, no environment, no notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nodeguard.model.decision import Pass
from nodeguard.model.duration import format_duration, read_duration
from nodeguard.model.eviction import Candidate, EvictionConfig, Layout, Observation, Observations
from nodeguard.model.signal import Signal
from nodeguard.model.stats import ContainerUsage, FsUsage, MemoryUsage, PodUsage
from nodeguard.model.threshold import Threshold
from nodeguard.policy.priority import CONFIG_MIRROR, CONFIG_SOURCE
from nodeguard.policy.threshold import ENFORCE_PODS, with_containerfs

_SPEC_FIELDS = (
    *("affinity", "hostNetwork", "nodeSelector", "os", "overhead", "preemptionPolicy", "priorityClassName"),
    *("resources", "restartPolicy", "terminationGracePeriodSeconds", "tolerations", "volumes"),
)
_CONTAINER_FIELDS = ("name", "image", "ports", "resources", "restartPolicy")
_NODE_FIELDS = {
    "metadata": ("name", "labels"),
    "spec": ("taints", "unschedulable"),
    "status": ("capacity", "allocatable", "conditions"),
}


def scenario_document(looked: Pass, *, name: str, node: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The scenario of this pass; ``node`` is a v1 Node, for those who want to submit pods to it."""
    now_ns, snapshot = looked.now_ns, looked.snapshot
    candidates = sorted(snapshot.candidates, key=lambda candidate: candidate.order)
    step: dict[str, Any] = {"at": 0, "observations": _observations(snapshot.observations, now_ns)}
    if looked.after_reclaim is not None:
        step["observationsAfterReclaim"] = _observations(looked.after_reclaim, now_ns)
    step["podStats"] = [_stats(candidate, usage) for candidate in candidates if (usage := candidate.usage) is not None]
    spec: dict[str, Any] = {
        "config": _config(looked.config),
        "layout": _layout(snapshot.layout),
        "node": _node(node or {}),
        "memory": _memory(looked, now_ns),
        "pods": [_manifest(candidate) for candidate in candidates],
        "stopping": list(_stopping(candidates)),
        "steps": [step],
    }
    return {
        "apiVersion": "nodeguard.dev/v1alpha1",
        "kind": "Scenario",
        "metadata": {"name": name},
        "spec": {key: value for key, value in spec.items() if value},
    }


def with_shortage(document: Mapping[str, Any], signal: Signal) -> dict[str, Any]:
    """The scenario, and what follows a second later if nothing is left of this signal, until it has to act.

    Raises:
        ValueError: nobody watches the signal there.
    """
    spec = document["spec"]
    settings, step = spec["config"], spec["steps"][-1]
    observed = step["observations"].get(signal)
    hard, grace = settings.get("evictionHard", {}), settings.get("evictionSoftGracePeriod", {})
    watched = [*hard, *grace]
    if observed is None or signal not in watched:
        raise ValueError(
            f"{signal} has no threshold, or cannot be read; watched are {', '.join(dict.fromkeys(watched))}"
        )
    short = {**step["observations"], str(signal): {"available": 0, "capacity": observed["capacity"]}}
    fresh = {name: {key: one[key] for key in ("available", "capacity")} for name, one in short.items()}
    waits = [0] if signal in hard else [0, _seconds(read_duration(grace[signal]))]
    later = [{"at": step["at"] + 1 + wait, "observations": fresh} for wait in waits]
    return {**document, "spec": {**spec, "steps": [*spec["steps"], *later]}}


def _config(config: EvictionConfig) -> dict[str, Any]:
    """The settings, in the words of a KubeletConfiguration; copies for the pods' cgroup are made again from them."""
    given = _without_copies(config.thresholds)
    thresholds = config.thresholds if given is None else given
    hard: dict[str, str] = {}
    soft: dict[str, str] = {}
    grace: dict[str, str] = {}
    for threshold in thresholds:
        if threshold.is_hard and threshold.signal not in hard:
            hard[threshold.signal] = str(threshold.value)
        else:
            soft[threshold.signal] = str(threshold.value)
            grace[threshold.signal] = format_duration(threshold.grace_ns)
    reclaim = {str(one.signal): str(one.min_reclaim) for one in thresholds if one.min_reclaim is not None}
    return {
        "evictionHard": hard,
        **({"evictionSoft": soft, "evictionSoftGracePeriod": grace} if soft else {}),
        **({"evictionMinimumReclaim": reclaim} if reclaim else {}),
        "evictionPressureTransitionPeriod": format_duration(config.transition_ns),
        "evictionMaxPodGracePeriod": config.max_pod_grace_seconds,
        "enforceNodeAllocatable": ["none" if given is None else ENFORCE_PODS],
        "localStorageCapacityIsolation": config.local_storage_isolation,
        "evictionPolicy": str(config.policy),
        "hardEvictionGracePeriodSeconds": config.hard_grace_seconds,
    }


def _without_copies(thresholds: Iterable[Threshold]) -> tuple[Threshold, ...] | None:
    """Those that somebody gave, None when hard ones of the node's memory have no copies for the pods' cgroup."""
    left = list(thresholds)
    for threshold in tuple(left):
        if threshold.signal is Signal.MEMORY_AVAILABLE and threshold.is_hard:
            copies = [
                place
                for place, other in enumerate(left)
                if other.signal is Signal.ALLOCATABLE_MEMORY_AVAILABLE
                and (other.value, other.grace_ns, other.min_reclaim)
                == (threshold.value, threshold.grace_ns, threshold.min_reclaim)
            ]
            if not copies:
                return None
            del left[copies[-1]]
    return tuple(left)


def _layout(layout: Layout) -> dict[str, bool]:
    return {"dedicatedImageFs": layout.dedicated_image_fs, "splitContainerFs": layout.split_container_fs}


def _node(node: Mapping[str, Any]) -> dict[str, Any]:
    parts = {part: _picked(node.get(part, {}), names) for part, names in _NODE_FIELDS.items()}
    return {part: picked for part, picked in parts.items() if picked}


def _memory(looked: Pass, now_ns: int) -> dict[str, Any] | None:
    """What earlier passes have left of the thresholds that this one was about; None when there was none."""
    memory, thresholds = looked.memory, looked.config.thresholds
    if not memory.has_run:
        return None
    known = {*thresholds, *with_containerfs(thresholds, looked.snapshot.layout)}
    return {
        "firstMet": [
            {"threshold": str(threshold), "at": _seconds(met_ns - now_ns), "due": threshold in memory.due}
            for threshold, met_ns in memory.first_met_ns.items()
            if threshold in known
        ],
        "lastSeen": {str(pressure): _seconds(seen_ns - now_ns) for pressure, seen_ns in memory.last_seen_ns.items()},
        "observations": _observations(memory.observations, now_ns),
    }


def _observations(observations: Observations, now_ns: int) -> dict[str, Any]:
    return {str(signal): _observation(observed, now_ns) for signal, observed in observations.items()}


def _observation(observed: Observation, now_ns: int) -> dict[str, Any]:
    numbers: dict[str, Any] = {"available": observed.available, "capacity": observed.capacity}
    if observed.sampled_at_ns is not None:
        numbers["time"] = _seconds(observed.sampled_at_ns - now_ns)
    return numbers


def _seconds(nanoseconds: int) -> int | float:
    """Exact to the nanosecond within a hundred days."""
    return nanoseconds // 10**9 if nanoseconds % 10**9 == 0 else nanoseconds / 10**9


def _manifest(candidate: Candidate) -> dict[str, Any]:
    """The pod, with the priority, the uid and the QoS class that it has got."""
    pod, facts = candidate.pod, candidate.facts
    given: Mapping[str, Any] = pod.raw.get("spec", {})
    meta: dict[str, Any] = {"name": pod.meta.name, "namespace": pod.meta.namespace}
    if pod.meta.uid:
        meta["uid"] = pod.meta.uid
    if pod.meta.labels:
        meta["labels"] = dict(pod.meta.labels)
    if annotations := _picked(pod.meta.annotations, (CONFIG_SOURCE, CONFIG_MIRROR)):
        meta["annotations"] = annotations
    meta |= _picked(pod.raw.get("metadata", {}), ("deletionTimestamp", "deletionGracePeriodSeconds"))
    spec: dict[str, Any] = {"priority": facts.priority, **_picked(given, _SPEC_FIELDS)}
    for kind in ("initContainers", "containers"):
        if containers := [_picked(container, _CONTAINER_FIELDS) for container in given.get(kind, ())]:
            spec[kind] = containers
    return {"metadata": meta, "spec": spec, "status": {"qosClass": str(facts.qos_class)}}


def _picked(value: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value[name] for name in names if value.get(name) is not None}


def _stopping(candidates: Iterable[Candidate]) -> Iterator[dict[str, Any]]:
    for candidate in candidates:
        if candidate.running_grace_seconds is not None:
            yield {"podRef": _reference(candidate), "gracePeriodSeconds": candidate.running_grace_seconds}


def _reference(candidate: Candidate) -> dict[str, str]:
    meta = candidate.pod.meta
    return {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid}


def _stats(candidate: Candidate, usage: PodUsage) -> dict[str, Any]:
    """An entry as in a Summary."""
    entry: dict[str, Any] = {"podRef": _reference(candidate), "memory": _memory_usage(usage.memory)}
    entry["containers"] = [_container_usage(container) for container in usage.containers]
    entry["volume"] = [{"name": volume.name, **(_fs(volume) or {})} for volume in usage.volumes]
    entry["ephemeral-storage"] = _fs(usage.ephemeral_storage)
    if usage.process_count is not None:
        entry["process_stats"] = {"process_count": usage.process_count}
    return {key: value for key, value in entry.items() if value is not None and value != []}


def _container_usage(usage: ContainerUsage) -> dict[str, Any]:
    parts = {"memory": _memory_usage(usage.memory), "rootfs": _fs(usage.rootfs), "logs": _fs(usage.logs)}
    return {"name": usage.name, **{key: value for key, value in parts.items() if value is not None}}


def _memory_usage(usage: MemoryUsage | None) -> dict[str, int] | None:
    """``{}`` is not None: statistics without this figure are not the same as no statistics."""
    if usage is None:
        return None
    return {} if usage.working_set_bytes is None else {"workingSetBytes": usage.working_set_bytes}


def _fs(usage: FsUsage | None) -> dict[str, int] | None:
    if usage is None:
        return None
    numbers = {"usedBytes": usage.used_bytes, "inodesUsed": usage.inodes_used}
    return {key: value for key, value in numbers.items() if value is not None}
