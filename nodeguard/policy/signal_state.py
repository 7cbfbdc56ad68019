"""How each threshold stands: what is available, since when it is met, when it is acted on, when conditions end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from nodeguard.model.eviction import EvictionMemory, EvictionMode, Observations
from nodeguard.model.node import MountPlace
from nodeguard.model.signal import Pressure, Signal
from nodeguard.model.threshold import Threshold


class ThresholdState(StrEnum):
    """In words."""

    OK = "Ok"
    GRACE = "GracePeriod"
    """Met, and its grace period runs."""
    MET = "Met"
    """Met for its grace period: pods are evicted."""
    RECLAIMING = "BelowMinimumReclaim"
    """No longer met, but the minimum reclaim is not reached."""
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalState:
    """One threshold of one signal; instants are UNIX seconds, amounts in the signal's unit, None is not known.

    ``acts_at`` is when the grace period ends, ``threshold`` the text of it, ``limit`` what it means now. ``on_trial``:
    it is only observed, nobody goes for it.
    """

    signal: Signal
    threshold: str
    state: ThresholdState
    available: int | None = None
    capacity: int | None = None
    limit: int | None = None
    limit_with_reclaim: int | None = None
    met_since: float | None = None
    acts_at: float | None = None
    mount_point: str | None = None
    device: str | None = None
    on_trial: bool = False


def signal_states(
    thresholds: Iterable[Threshold],
    memory: EvictionMemory,
    observations: Observations,
    places: Mapping[str, MountPlace],
    *,
    now_ns: int,
    now: float,
    on_trial: Collection[Threshold] = (),
) -> tuple[SignalState, ...]:
    """Every threshold, in the order given; ``now_ns`` and ``now`` are the same instant, of the eviction memory's clock
    and of UNIX time; ``on_trial`` are those that are only observed."""
    states = []
    for threshold in thresholds:
        place = places.get(threshold.signal.file_system)
        observed = observations.get(threshold.signal)
        first_ns = memory.first_met_ns.get(threshold)
        limit = with_reclaim = None
        state = ThresholdState.UNKNOWN
        if observed is not None:
            limit = threshold.value.of(observed.capacity).value()
            reclaim = threshold.min_reclaim.of(observed.capacity).value() if threshold.min_reclaim else 0
            with_reclaim = limit + reclaim
            state = _state(threshold, observed.available < limit, first_ns, memory.due)
        states.append(
            SignalState(
                signal=threshold.signal,
                threshold=str(threshold),
                state=state,
                available=observed.available if observed is not None else None,
                capacity=observed.capacity if observed is not None else None,
                limit=limit,
                limit_with_reclaim=with_reclaim,
                met_since=None if first_ns is None else now - (now_ns - first_ns) / 1e9,
                acts_at=None if first_ns is None else now + (first_ns + threshold.grace_ns - now_ns) / 1e9,
                mount_point=place.mount_point if place is not None else None,
                device=place.device if place is not None else None,
                on_trial=threshold in on_trial,
            )
        )
    return tuple(states)


def in_mode(
    thresholds: Iterable[Threshold], modes: Mapping[str, EvictionMode], *wanted: EvictionMode
) -> tuple[Threshold, ...]:
    """The thresholds of signals with one of these modes; a signal without one is enforced."""
    return tuple(one for one in thresholds if modes.get(one.signal, EvictionMode.ENFORCE) in wanted)


def condition_ends(memory: EvictionMemory, transition_ns: int, *, now_ns: int, now: float) -> dict[Pressure, float]:
    """When each condition that is True will be False if its thresholds are not met any more: UNIX seconds."""
    return {
        condition: now + (memory.last_seen_ns[condition] + transition_ns - now_ns) / 1e9
        for condition in memory.conditions
        if condition in memory.last_seen_ns
    }


def unread(
    thresholds: Iterable[Threshold], observations: Observations, unknown: Collection[Pressure]
) -> dict[Pressure, str]:
    """Which signals cannot be read, for the message of each condition that is Unknown.

    That of the pods' cgroup is not there at all while nothing limits it, so it is told only when no other is.
    """
    missing: dict[Pressure, list[str]] = {}
    for signal in dict.fromkeys(threshold.signal for threshold in thresholds):
        if signal.condition in unknown and signal not in observations:
            missing.setdefault(signal.condition, []).append(signal)
    for names in missing.values():
        if len(names) > 1 and Signal.ALLOCATABLE_MEMORY_AVAILABLE in names:
            names.remove(Signal.ALLOCATABLE_MEMORY_AVAILABLE)
    return {pressure: f"{', '.join(names)} cannot be read" for pressure, names in missing.items()}


def _state(threshold: Threshold, is_below: bool, first_ns: int | None, due: Collection[Threshold]) -> ThresholdState:
    if threshold in due:
        return ThresholdState.MET if is_below else ThresholdState.RECLAIMING
    return ThresholdState.GRACE if first_ns is not None else ThresholdState.OK
