"""In which order pods go when the node is short of something.

Ties are broken by the order in which the pods came, where upstream's order is random.

Source: kubernetes, pkg/kubelet/eviction/helpers.go, rankMemoryPressure, rankDiskPressureFunc, rankPIDPressure. The
policy ``qos`` is ours; it is the order that the kubelet had before 1.9.
"""

from __future__ import annotations

from collections.abc import Iterable

from nodeguard.model.eviction import Candidate, Layout, Ranked, Standing, VictimPolicy
from nodeguard.model.pod import QOSClass
from nodeguard.model.quantity import ZERO
from nodeguard.model.signal import Resource, Signal
from nodeguard.policy.disk_usage import disk_usage

_TIERS = {QOSClass.BEST_EFFORT: 0, QOSClass.BURSTABLE: 1, QOSClass.GUARANTEED: 2}
_NANO = 10**9


def rank(candidates: Iterable[Candidate], signal: Signal, layout: Layout, policy: VictimPolicy) -> tuple[Standing, ...]:
    """Everybody in the order in which they would go, critical pods included although they never do."""
    standings = [_measure(candidate, signal, layout) for candidate in candidates]
    if policy is VictimPolicy.QOS:
        standings.sort(key=_by_qos)
    elif signal.resource is Resource.PIDS:
        standings.sort(key=_by_priority)
    else:
        standings.sort(key=_by_inodes if signal.resource is Resource.INODES else _by_request)
    return tuple(standings)


def tell(ranking: Iterable[Standing], signal: Signal, policy: VictimPolicy) -> tuple[Ranked, ...]:
    """A ranking in words and numbers, for records and people."""
    return tuple(tell_one(standing, place, signal, policy) for place, standing in enumerate(ranking, start=1))


def tell_one(standing: Standing, place: int, signal: Signal, policy: VictimPolicy) -> Ranked:
    """One place of a ranking in words and numbers."""
    facts, resource = standing.candidate.facts, signal.resource
    is_judged = standing.usage is not None and resource is not Resource.PIDS
    return Ranked(
        pod=facts.pod.meta.key,
        rank=place,
        critical=facts.critical,
        qos_class=facts.qos_class,
        priority=facts.priority,
        exceeds_request=standing.exceeds_request if is_judged else None,
        usage=standing.usage,
        request=standing.request.value(),
        why=_why(standing, resource, policy),
    )


def _why(standing: Standing, resource: Resource, policy: VictimPolicy) -> str:
    facts = standing.candidate.facts
    priority = f"priority {facts.priority}"
    words = [f"{facts.qos_class}, {priority}" if policy is VictimPolicy.QOS else priority]
    if standing.usage is None:
        words.insert(0, "no statistics")
    elif resource is Resource.PIDS:
        words.append(f"{standing.usage} processes")
    else:
        used = f"{resource.quantity(standing.usage)} {'inodes' if resource is Resource.INODES else f'of {resource}'}"
        side = "above" if standing.exceeds_request else "within"
        words.insert(0, f"uses {used}, {side} its request {standing.request}")
    if facts.critical:
        words.append("critical: never evicted")
    return "; ".join(words)


def _measure(candidate: Candidate, signal: Signal, layout: Layout) -> Standing:
    facts, usage, resource = candidate.facts, candidate.usage, signal.resource
    request, used = ZERO, None
    if resource is Resource.MEMORY:
        request = facts.memory_request
        used = usage.working_set_bytes if usage is not None else None
    elif resource is Resource.PIDS:
        used = (usage.process_count or 0) if usage is not None else None
    else:
        if resource is Resource.EPHEMERAL_STORAGE:
            request = facts.storage_request
        used = disk_usage(facts.pod, usage, signal, layout) if usage is not None else None
    exceeds = used is not None and used * _NANO > request.nano
    return Standing(candidate=candidate, usage=used, request=request, exceeds_request=exceeds)


def _by_request(one: Standing) -> tuple[int, int, int, int]:
    return _over(one, one.request.nano)


def _by_inodes(one: Standing) -> tuple[int, int, int, int]:
    """The kubelet subtracts the bytes requested from the inodes used; who requested storage goes last for it."""
    return _over(one, one.candidate.facts.storage_request.nano)


def _over(one: Standing, deducted_nano: int) -> tuple[int, int, int, int]:
    candidate, priority = one.candidate, one.candidate.facts.priority
    if one.usage is None:
        return (0, priority, 0, candidate.order)
    return (1 if one.exceeds_request else 2, priority, deducted_nano - one.usage * _NANO, candidate.order)


def _by_priority(one: Standing) -> tuple[int, bool, int, int]:
    return (one.candidate.facts.priority, one.usage is not None, -(one.usage or 0), one.candidate.order)


def _by_qos(one: Standing) -> tuple[int, int, bool, int, int]:
    return (_TIERS[one.candidate.facts.qos_class], *_by_priority(one))
