"""Short ways to write thresholds, snapshots and usages in tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podbuilder import container, pod

from nodeguard.model.eviction import (
    Candidate,
    Decision,
    EvictionConfig,
    EvictionMemory,
    Layout,
    Observation,
    Snapshot,
)
from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import Pod
from nodeguard.model.quantity import Quantity
from nodeguard.model.signal import Signal
from nodeguard.model.stats import ContainerUsage, FsUsage, MemoryUsage, PodUsage, VolumeUsage
from nodeguard.model.threshold import parse_min_reclaim, parse_value
from nodeguard.policy.eviction import evaluate
from nodeguard.policy.eviction_facts import facts_of
from nodeguard.policy.threshold import thresholds_of

S = 10**9
SINGLE, DEDICATED = Layout(), Layout(dedicated_image_fs=True)
SPLIT = Layout(dedicated_image_fs=True, split_container_fs=True)
INCONSISTENT = Layout(split_container_fs=True)


def config(
    hard: str = "", soft: str = "", reclaim: str = "", *, enforce: Sequence[str] = (), **fields: Any
) -> EvictionConfig:
    """``hard="memory.available<1Gi"``; soft ones carry their grace period: ``memory.available<2Gi@90`` (seconds)."""
    soft_pairs = _pairs(soft, "<")
    return EvictionConfig(
        thresholds=thresholds_of(
            hard={signal: parse_value(text) for signal, text in _pairs(hard, "<").items()},
            soft={signal: parse_value(text.partition("@")[0]) for signal, text in soft_pairs.items()},
            grace_ns={signal: int(text.partition("@")[2]) * S for signal, text in soft_pairs.items()},
            min_reclaim={signal: parse_min_reclaim(text) for signal, text in _pairs(reclaim, "=").items()},
            enforce=enforce,
        ),
        **{"hard_grace_seconds": 1, **fields},
    )


def _pairs(text: str, separator: str) -> dict[str, str]:
    return {key: value for key, _, value in (part.partition(separator) for part in text.split())}


def seen(text: str) -> dict[Signal, Observation]:
    """``memory.available=1Gi/8Gi``, with ``@seconds`` when it was sampled."""
    observations = {}
    for name, figures in _pairs(text, "=").items():
        numbers, _, at = figures.partition("@")
        available, capacity = (Quantity.parse(number).value() for number in numbers.split("/"))
        observations[Signal(name)] = Observation(
            available=available, capacity=capacity, sampled_at_ns=int(at) * S if at else None
        )
    return observations


def named(name: str, requests: str = "", limits: str = "", **fields: Any) -> Pod:
    meta = ObjectMeta(name=name, uid=name, annotations=fields.pop("annotations", {}))
    return pod(container(requests=requests, limits=limits), meta=meta, **fields)


def memory(amount: str | int | None) -> PodUsage:
    """A pod's working set."""
    number = None if amount is None else Quantity.parse(amount).value()
    return PodUsage(name="", memory=MemoryUsage(working_set_bytes=number))


def disk(rootfs: int = 0, logs: int = 0, volumes: Mapping[str, int] | None = None, *, inodes: bool = False) -> PodUsage:
    """What one container ``app`` and volumes take."""
    key = "inodes_used" if inodes else "used_bytes"
    return PodUsage(
        name="",
        containers=(ContainerUsage(name="app", rootfs=FsUsage(**{key: rootfs}), logs=FsUsage(**{key: logs})),),
        volumes=tuple(VolumeUsage(name=name, **{key: used}) for name, used in (volumes or {}).items()),
    )


def processes(count: int) -> PodUsage:
    return PodUsage(name="", process_count=count)


def candidates(*pods: tuple[Pod, PodUsage | None] | Pod) -> tuple[Candidate, ...]:
    pairs = [one if isinstance(one, tuple) else (one, None) for one in pods]
    return tuple(Candidate(facts=facts_of(one), usage=usage, order=order) for order, (one, usage) in enumerate(pairs))


class Node:
    """Passes in a row; each returns its decision and remembers."""

    def __init__(self, settings: EvictionConfig, *pods: Any, layout: Layout = SINGLE) -> None:
        self.settings, self.layout = settings, layout
        self.candidates = candidates(*pods)
        self.memory = EvictionMemory()

    def look(self, at: int, observations: str = "") -> Decision:
        snapshot = Snapshot(observations=seen(observations), candidates=self.candidates, layout=self.layout)
        decision = evaluate(self.settings, self.memory, snapshot, at * S)
        self.memory = decision.memory
        return decision


def victims(decision: Decision) -> list[str]:
    return [eviction.candidate.pod.meta.name for eviction in decision.evictions]


def ranked(decision: Decision) -> list[str]:
    return [standing.candidate.pod.meta.name for standing in decision.ranking]


def met(decision: Decision) -> list[str]:
    return sorted(map(str, decision.due))
