"""What the node is short of, in numbers: signal, threshold, file system, who takes the most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nodeguard.model.eviction import Observation, Observations, Snapshot
from nodeguard.model.node import MountPlace
from nodeguard.model.pod import Pod
from nodeguard.model.signal import Pressure, Resource, Signal
from nodeguard.model.stats import PodUsage
from nodeguard.model.threshold import Threshold
from nodeguard.policy.disk_usage import disk_usage
from nodeguard.policy.threshold import by_urgency

CONSUMERS = 3
"""As many are named; the others rarely matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Who takes of what is short, and how much, in the resource's unit."""

    name: str
    amount: int


def shortage_details(
    met: Iterable[Threshold], snapshot: Snapshot, places: Mapping[str, MountPlace]
) -> dict[Pressure, str]:
    """For each pressure what the message of its condition ends with: every threshold met, then the top consumers.

    ``places`` tells where ``nodefs``, ``imagefs`` and ``containerfs`` are.
    """
    details: dict[Pressure, str] = {}
    for pressure, thresholds in _by_pressure(met, snapshot.observations).items():
        texts = [tell_shortage(one, snapshot.observations[one.signal], places) for one in thresholds]
        signal = thresholds[0].signal
        consumers = top_consumers(signal, snapshot)
        if consumers:
            named = ", ".join(f"{one.name} {amount(signal.resource, one.amount)}" for one in consumers)
            texts.append(f"top consumers: {named}")
        details[pressure] = "; ".join(texts)
    return details


def tell_shortage(threshold: Threshold, observed: Observation, places: Mapping[str, MountPlace]) -> str:
    """``nodefs.inodesFree is 40 of 1000, threshold 5% = 50, hard, at /mnt (/dev/loop0)``."""
    resource, value = threshold.signal.resource, threshold.value
    limit = value.of(observed.capacity).value()
    wanted = amount(resource, limit) if value.ratio is None else f"{value} = {amount(resource, limit)}"
    text = f"{threshold.signal} is {amount(resource, observed.available)} of {amount(resource, observed.capacity)}"
    text += f", threshold {wanted}, {'hard' if threshold.is_hard else 'soft'}"
    place = places.get(threshold.signal.file_system)
    return text if place is None else f"{text}, at {place.mount_point} ({place.device})"


def top_consumers(signal: Signal, snapshot: Snapshot) -> tuple[Consumer, ...]:
    """The pods that take the most of what the signal is about, and what is taken by no pod if all have been measured.

    Nothing without candidates: those are measured only when one of them may have to go.
    """
    found = [
        Consumer(name=candidate.pod.meta.key, amount=_used(candidate.pod, candidate.usage, signal, snapshot))
        for candidate in snapshot.candidates
        if candidate.usage is not None
    ]
    top = sorted((one for one in found if one.amount > 0), key=lambda one: (-one.amount, one.name))[:CONSUMERS]
    observed = snapshot.observations.get(signal)
    if observed is not None and found and len(found) == len(snapshot.candidates):
        outside = observed.capacity - observed.available - sum(one.amount for one in found)
        if outside > 0:
            top.append(Consumer(name="outside pods", amount=outside))
    return tuple(top)


def amount(resource: Resource, number: int) -> str:
    """Bytes with the quantity they are, ``97517568 (93Mi)``; anything else as a plain number."""
    exact = str(resource.quantity(number))
    if resource in (Resource.INODES, Resource.PIDS) or exact == str(number):
        return str(number)
    return f"{number} ({exact})"


def _by_pressure(met: Iterable[Threshold], observations: Observations) -> dict[Pressure, list[Threshold]]:
    """The most urgent first; of file systems that are the same one, only the first is told."""
    found: dict[Pressure, list[Threshold]] = {}
    told = set()
    for threshold in sorted(met, key=by_urgency):
        observed = observations.get(threshold.signal)
        if observed is None:
            continue
        which = threshold.signal if threshold.signal.is_memory else threshold.signal.resource
        key = (which, observed.available, observed.capacity, threshold.value, threshold.is_hard)
        if key not in told:
            told.add(key)
            found.setdefault(threshold.signal.condition, []).append(threshold)
    return found


def _used(pod: Pod, usage: PodUsage, signal: Signal, snapshot: Snapshot) -> int:
    if signal.is_memory:
        return usage.working_set_bytes
    if signal is Signal.PID_AVAILABLE:
        return usage.process_count or 0
    return disk_usage(pod, usage, signal, snapshot.layout)
