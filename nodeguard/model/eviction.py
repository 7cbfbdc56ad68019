"""What eviction decides on, what it remembers, and what it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from nodeguard.model.pod import Pod, QOSClass
from nodeguard.model.quantity import Quantity
from nodeguard.model.signal import Pressure, Resource, Signal
from nodeguard.model.stats import PodUsage
from nodeguard.model.threshold import Threshold

EVICTED = "Evicted"
"""``status.reason`` of an evicted pod, and of its event."""


class VictimPolicy(StrEnum):
    """Who goes first."""

    KUBELET = "kubelet"
    """Over its request, then lower priority, then the larger excess."""
    QOS = "qos"
    """BestEffort before Burstable before Guaranteed, then lower priority, then the larger usage."""


class EvictionMode(StrEnum):
    """What follows when a threshold of a signal is due."""

    ENFORCE = "enforce"
    """Reclaim, then evict."""
    OBSERVE = "observe"
    """Tell conditions and record the decision; nothing is removed and nobody evicted."""
    OFF = "off"
    """The signal is not looked at."""


class ReclaimStep(StrEnum):
    """What the node can give up before a pod has to go."""

    CONTAINERS = "containers"
    """All dead containers."""
    IMAGES = "images"
    """All images that nothing uses."""


class LocalLimit(StrEnum):
    """A pod's own limit of local storage; stands where a node's signal stands otherwise."""

    EMPTY_DIR = "emptyDir"
    POD = "ephemeral-storage/pod"
    CONTAINER = "ephemeral-storage/container"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which of the three file systems are separate: nodefs, imagefs (images), containerfs (writable layers).

    ``split_container_fs`` without ``dedicated_image_fs`` contradicts itself, and counts as one file system.
    """

    dedicated_image_fs: bool = False
    split_container_fs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictionConfig:
    """``thresholds`` are those given and their copies for the pods' cgroup; those of containerfs depend on the layout.

    ``hard_grace_seconds`` 0 kills at once, 1 is what the kubelet gives.
    """

    thresholds: tuple[Threshold, ...] = ()
    transition_ns: int = 300 * 10**9
    max_pod_grace_seconds: int = 0
    hard_grace_seconds: int = 0
    local_storage_isolation: bool = True
    policy: VictimPolicy = VictimPolicy.KUBELET


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A signal's two numbers; ``available`` may be negative, ``sampled_at_ns`` None means: just now."""

    available: int
    capacity: int
    sampled_at_ns: int | None = None


Observations = Mapping[Signal, Observation]
"""A signal that is not in it is unknown, which is neither pressure nor its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """What eviction needs to know of a pod, computed once: requests, limits of local storage, class and priority.

    ``storage_limit`` is that of the whole pod, ``container_limits`` are those of single containers, by name.
    """

    pod: Pod
    priority: int
    critical: bool
    qos_class: QOSClass
    memory_request: Quantity
    storage_request: Quantity
    storage_limit: Quantity | None
    container_limits: Mapping[str, Quantity]
    volume_limits: Mapping[str, Quantity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A pod that has not ended; ``order`` is the place in which it came, and breaks all ties.

    ``usage`` None: nothing is known of it. ``running_grace_seconds`` is the grace period within which it is being
    stopped already.
    """

    facts: PodFacts
    order: int
    usage: PodUsage | None = None
    running_grace_seconds: int | None = None

    @property
    def pod(self) -> Pod:
        """The pod itself."""
        return self.facts.pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at the node."""

    observations: Observations = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()
    layout: Layout = Layout()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictionMemory:
    """What earlier passes leave for the next one; instants are nanoseconds of one clock that never goes back."""

    has_run: bool = False
    first_met_ns: Mapping[Threshold, int] = field(default_factory=dict)
    last_seen_ns: Mapping[Pressure, int] = field(default_factory=dict)
    due: tuple[Threshold, ...] = ()
    conditions: tuple[Pressure, ...] = ()
    observations: Observations = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A candidate among the victims: what decides its place; ``usage`` None without statistics."""

    candidate: Candidate
    usage: int | None
    request: Quantity
    exceeds_request: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A candidate's place among the victims, told: the numbers behind it; ``why`` says it in words.

    ``usage`` and ``request`` are in the resource's unit, None without statistics; critical pods are never evicted.
    """

    pod: str
    rank: int
    critical: bool
    qos_class: QOSClass
    priority: int
    exceeds_request: bool | None
    usage: int | None
    request: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Because:
    """The numbers of one eviction.

    For a threshold: what was available and the limit it fell below. For a limit of the pod itself: usage and limit.
    """

    limit: int
    available: int | None = None
    capacity: int | None = None
    usage: int | None
    request: int | None = None
    exceeds_request: bool | None = None
    priority: int
    qos_class: QOSClass
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Eviction:
    """One pod that has to go; ``annotations`` are those of its event.

    ``is_disruption``: the pod gets the condition DisruptionTarget, which evictions for its own limits do not give.
    """

    candidate: Candidate
    signal: Signal | LocalLimit
    threshold: Threshold | None
    grace_seconds: int
    message: str
    annotations: Mapping[str, str]
    is_disruption: bool
    because: Because


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one pass comes to.

    ``due`` are the thresholds met for their grace period, ``acted_on`` is the one that this pass is about. Where
    ``reclaim`` is not empty, do it first and look again: ``ranking`` and ``evictions`` hold only if it was not enough.
    """

    memory: EvictionMemory
    conditions: tuple[Pressure, ...] = ()
    due: tuple[Threshold, ...] = ()
    acted_on: Threshold | None = None
    reclaim: tuple[ReclaimStep, ...] = ()
    ranking: tuple[Standing, ...] = ()
    evictions: tuple[Eviction, ...] = ()

    @property
    def resource(self) -> Resource | None:
        """What the pass tries to get back."""
        return self.acted_on.signal.resource if self.acted_on is not None else None
