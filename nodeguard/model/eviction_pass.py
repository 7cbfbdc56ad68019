"""One pass of the eviction manager, and the words for what comes of it: what an agent needs before it has to record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nodeguard.model.eviction import Decision, EvictionConfig, EvictionMemory, Observations, Snapshot


class Action(StrEnum):
    """Whether the eviction mode of the signal lets an eviction happen."""

    EVICT = "evict"
    WOULD_EVICT = "wouldEvict"
    """``observe``: the pod was left alone."""


class Level(StrEnum):
    """Whose limit was reached."""

    CONTAINER = "container"
    POD = "pod"
    TIER = "tier"
    """The QoS class's cgroup."""
    ROOT = "root"
    """The cgroup of all pods."""
    HOST = "host"


class Outcome(StrEnum):
    """What has become of a pod that was to be stopped."""

    PENDING = "pending"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One pass of the eviction manager: what went into ``evaluate``, and what came out.

    ``memory`` is the one before the pass; ``after_reclaim`` are the observations that a node-level reclaim left, None
    where there was none.
    """

    config: EvictionConfig
    memory: EvictionMemory
    snapshot: Snapshot
    now_ns: int
    decision: Decision
    after_reclaim: Observations | None = None
