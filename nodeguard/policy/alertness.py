"""How closely the node has to be watched: nothing is decided here, only when to look again.

The nearer a threshold and the faster its resource can run out, the sooner. Rates are what a single host can do at its
fastest, as early out-of-memory daemons assume them too; a resource that stands still is looked at less often.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

from nodeguard.model.eviction import EvictionMemory, Observations
from nodeguard.model.signal import Pressure, Resource, Signal
from nodeguard.model.threshold import Threshold, ThresholdValue

LONGEST_SECONDS = 1.0

_RATE_PER_SECOND = {
    Resource.MEMORY: 6 * 2**30,
    Resource.EPHEMERAL_STORAGE: 2 * 2**30,
    Resource.INODES: 200_000,
    Resource.PIDS: 20_000,
}
_SHORTEST_SECONDS = {
    Resource.MEMORY: 0.004,
    Resource.EPHEMERAL_STORAGE: 0.05,
    Resource.INODES: 0.05,
    Resource.PIDS: 0.02,
}
_STANDING_STILL_FACTOR = 5
"""How much longer the shortest interval is while nothing grows."""

ALARMED_SECONDS = 0.05
"""The shortest interval while the kernel has been asked to ring at the threshold itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchfulness:
    """Seconds until the memory has to be read again, and until the other signals have to."""

    memory_seconds: float
    others_seconds: float


def watchfulness(
    thresholds: Iterable[Threshold],
    observations: Observations,
    before: Observations,
    *,
    has_alarm: bool,
) -> Watchfulness:
    """When to look again.

    ``before`` is what the last look saw; with ``has_alarm`` the kernel itself rings when memory is short.
    """
    memory, others = LONGEST_SECONDS, LONGEST_SECONDS
    for threshold in thresholds:
        signal = threshold.signal
        seen = observations.get(signal)
        if seen is None:
            continue
        earlier = before.get(signal)
        is_shrinking = earlier is None or seen.available < earlier.available
        seconds = _seconds_to(signal, seen.available - _limit(threshold.value, seen.capacity), is_shrinking)
        if signal.is_memory:
            memory = min(memory, max(seconds, ALARMED_SECONDS) if has_alarm else seconds)
        else:
            others = min(others, seconds)
    return Watchfulness(memory_seconds=memory, others_seconds=others)


def is_quiet(
    thresholds: Iterable[Threshold],
    memory: EvictionMemory,
    observations: Observations,
    *,
    transition_ns: int,
    now_ns: int,
) -> bool:
    """Whether a pass would change nothing: no threshold is met or was, and no condition has had its time."""
    if not memory.has_run or memory.first_met_ns:
        return False
    if any(now_ns - memory.last_seen_ns[condition] >= transition_ns for condition in memory.conditions):
        return False
    for threshold in thresholds:
        seen = observations.get(threshold.signal)
        if seen is not None and seen.available < _limit(threshold.value, seen.capacity):
            return False
    return True


def next_change_ns(memory: EvictionMemory, transition_ns: int) -> int | None:
    """When time alone will change something: a grace period ends, or a condition has had its time."""
    ends = [first_ns + threshold.grace_ns for threshold, first_ns in memory.first_met_ns.items() if threshold.grace_ns]
    ends += [memory.last_seen_ns[condition] + transition_ns for condition in memory.conditions]
    return min(ends, default=None)


def unknown_conditions(thresholds: Iterable[Threshold], failed: Collection[Signal]) -> frozenset[Pressure]:
    """The conditions about which nothing can be said: a signal that has a threshold could not be read."""
    return frozenset(t.signal.condition for t in thresholds if t.signal in failed)


def alarm_levels(
    thresholds: Iterable[Threshold], signal: Signal, observations: Observations, *, inactive_file_bytes: int
) -> tuple[int, ...]:
    """The usages of the group at which thresholds of ``signal`` are crossed, while the inactive cache stays as it is.

    Source: kubernetes, pkg/kubelet/eviction/memory_threshold_notifier_linux.go, UpdateThreshold.
    """
    seen = observations.get(signal)
    if seen is None:
        return ()
    levels = {
        seen.capacity - _limit(threshold.value, seen.capacity) + inactive_file_bytes
        for threshold in thresholds
        if threshold.signal is signal
    }
    return tuple(sorted(level for level in levels if level > 0))


@lru_cache(maxsize=256)
def _limit(value: ThresholdValue, capacity: int) -> int:
    """Asked for at every look, always with the same few answers."""
    return value.of(capacity).value()


def _seconds_to(signal: Signal, headroom: int, is_shrinking: bool) -> float:
    resource = signal.resource
    shortest = _SHORTEST_SECONDS[resource] * (1 if is_shrinking else _STANDING_STILL_FACTOR)
    return max(shortest, headroom / _RATE_PER_SECOND[resource])
