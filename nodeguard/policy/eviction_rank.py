"""In which order pods go when the node is short of something.

Ties are broken by the order in which the pods came, where upstream's order is random.

Source: kubernetes, pkg/kubelet/eviction/helpers.go, rankMemoryPressure, rankDiskPressureFunc, rankPIDPressure. The
policy ``qos`` is ours; it is the order that the kubelet had before 1.9.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nodeguard.model.eviction import Candidate, Layout, Ranked, VictimPolicy
from nodeguard.model.pod import QOSClass
from nodeguard.model.quantity import ZERO, Quantity
from nodeguard.model.signal import Resource, Signal
from nodeguard.policy.disk_usage import disk_usage
from nodeguard.policy.effective import lone_request
from nodeguard.policy.priority import is_critical
from nodeguard.policy.qos import qos_class

_TIERS = (QOSClass.BEST_EFFORT, QOSClass.BURSTABLE, QOSClass.GUARANTEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A candidate with what decides its place."""

    candidate: Candidate
    facts: Ranked


def rank(candidates: Iterable[Candidate], signal: Signal, layout: Layout, policy: VictimPolicy) -> tuple[Standing, ...]:
    """Everybody in the order in which they would go, critical pods included although they never do."""
    measured = [_measure(candidate, signal, layout) for candidate in candidates]
    key = _by_qos if policy is VictimPolicy.QOS else _by_priority if signal.resource is Resource.PIDS else _by_request
    measured.sort(key=lambda one: (*key(one), one.candidate.order))
    return tuple(
        Standing(candidate=one.candidate, facts=one.facts(place, signal.resource, policy))
        for place, one in enumerate(measured, start=1)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """``request`` decides whether the usage exceeds it; ``over`` is what the usage is compared by afterwards."""

    candidate: Candidate
    priority: int
    qos: QOSClass
    usage: int | None
    request: Quantity
    over: Quantity

    @property
    def exceeds(self) -> bool:
        return self.usage is not None and Quantity.from_int(self.usage) > self.request

    def facts(self, place: int, resource: Resource, policy: VictimPolicy) -> Ranked:
        pod = self.candidate.pod
        critical = is_critical(pod)
        return Ranked(
            pod=pod.meta.key,
            rank=place,
            critical=critical,
            qos_class=self.qos,
            priority=self.priority,
            exceeds_request=None if self.usage is None or resource is Resource.PIDS else self.exceeds,
            usage=self.usage,
            request=self.request.value(),
            why=self._why(resource, policy, critical),
        )

    def _why(self, resource: Resource, policy: VictimPolicy, critical: bool) -> str:
        words = [f"{self.qos}, priority {self.priority}" if policy is VictimPolicy.QOS else f"priority {self.priority}"]
        if self.usage is None:
            words.insert(0, "no statistics")
        elif resource is Resource.PIDS:
            words.append(f"{self.usage} processes")
        else:
            used = f"{resource.quantity(self.usage)} {'inodes' if resource is Resource.INODES else f'of {resource}'}"
            side = "above" if self.exceeds else "within"
            words.insert(0, f"uses {used}, {side} its request {self.request}")
        if critical:
            words.append("critical: never evicted")
        return "; ".join(words)


def _measure(candidate: Candidate, signal: Signal, layout: Layout) -> _Measured:
    pod, usage, resource = candidate.pod, candidate.usage, signal.resource
    used: int | None = None
    request = ZERO if resource is Resource.PIDS else lone_request(pod, resource)
    deducted = request
    if resource is Resource.INODES:
        # The kubelet subtracts bytes from inodes here; pods with a request for storage go last for it.
        deducted = lone_request(pod, Resource.EPHEMERAL_STORAGE)
    if usage is not None:
        if resource is Resource.MEMORY:
            used = usage.working_set_bytes
        elif resource is Resource.PIDS:
            used = usage.process_count or 0
        else:
            used = disk_usage(pod, usage, signal, layout)
    return _Measured(
        candidate=candidate,
        priority=pod.priority or 0,
        qos=qos_class(pod).qos,
        usage=used,
        request=request,
        over=Quantity.from_int(used or 0) - deducted,
    )


def _by_request(one: _Measured) -> tuple[int, ...]:
    if one.usage is None:
        return (0, one.priority, 0)
    return (1 if one.exceeds else 2, one.priority, -one.over.nano)


def _by_priority(one: _Measured) -> tuple[int, ...]:
    return (one.priority, one.usage is not None, -(one.usage or 0))


def _by_qos(one: _Measured) -> tuple[int, ...]:
    return (_TIERS.index(one.qos), one.priority, one.usage is not None, -(one.usage or 0))
