"""Which pods the kubelet kills to let a critical pod in.

Source: kubelet, pkg/kubelet/preemption/preemption.go; pkg/kubelet/types/pod_update.go, Preemptable;
pkg/api/v1/resource/helpers.go, GetResourceRequest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nodeguard.model.pod import Pod, QOSClass
from nodeguard.policy.effective import lone_request
from nodeguard.policy.fit import PODS, to_int
from nodeguard.policy.priority import is_critical
from nodeguard.policy.qos import qos_class

PREEMPTING = "Preempting"
MESSAGE = "Preempted in order to admit critical pod"

Needs = Mapping[str, int]
"""Resource to what is still missing of it, above zero; the order is that of the shortages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeletPreemption:
    """The pods to kill, in this order; with ``unmet`` needs, none, as all of them together would not do."""

    victims: tuple[Pod, ...] = ()
    unmet: Needs


def choose_victims(newcomer: Pod, active: Sequence[Pod], needs: Needs) -> KubeletPreemption:
    """Meet the needs at the expense of few pods: Guaranteed ones only if all others do not suffice, then Burstable.

    Priority decides who may be killed, not who is. Ties depend on the order of ``active``.
    """
    tiers: dict[QOSClass, list[_Candidate]] = {tier: [] for tier in QOSClass}
    for pod in active:
        if may_preempt(newcomer, pod):
            tiers[qos_class(pod).qos].append(_candidate(pod, needs))
    best_effort, burstable = tiers[QOSClass.BEST_EFFORT], tiers[QOSClass.BURSTABLE]
    guaranteed = tiers[QOSClass.GUARANTEED]
    unmet = _subtract(needs, [*best_effort, *burstable, *guaranteed])
    if unmet:
        return KubeletPreemption(unmet=unmet)
    of_guaranteed = _choose(guaranteed, _subtract(needs, [*best_effort, *burstable]))
    of_burstable = _choose(burstable, _subtract(needs, [*best_effort, *of_guaranteed]))
    of_best_effort = _choose(best_effort, _subtract(needs, [*of_burstable, *of_guaranteed]))
    victims = (*of_best_effort, *of_burstable, *of_guaranteed)
    return KubeletPreemption(victims=tuple(victim.pod for victim in victims), unmet={})


def may_preempt(newcomer: Pod, victim: Pod) -> bool:
    """Critical pods may kill those that are not; otherwise both need a priority, the newcomer's being higher."""
    if is_critical(newcomer) and not is_critical(victim):
        return True
    if newcomer.priority is None or victim.priority is None:
        return False
    return newcomer.priority > victim.priority


def preemption_request(pod: Pod, resource: str) -> int:
    """What killing the pod is said to free; 1 of ``pods``."""
    return 1 if resource == PODS else to_int(resource, lone_request(pod, resource))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    pod: Pod
    frees: Mapping[str, int]
    size: tuple[int, int]
    """Memory and CPU requests: what decides between equals."""


def _candidate(pod: Pod, needs: Needs) -> _Candidate:
    return _Candidate(
        pod=pod,
        frees={name: preemption_request(pod, name) for name in needs},
        size=(preemption_request(pod, "memory"), preemption_request(pod, "cpu")),
    )


def _choose(candidates: Iterable[_Candidate], needs: Needs) -> list[_Candidate]:
    """Take the candidate closest to the remaining needs, until there are none.

    Of equals the later one is taken. The last candidate moves to the place of the one that was taken; both matter
    for the next tie.
    """
    left, chosen = list(candidates), []
    while needs:
        distances = [_distance(candidate, needs) for candidate in left]
        best = min(range(len(left)), key=lambda place: (distances[place], left[place].size, -place))
        chosen.append(left[best])
        needs = _subtract(needs, [left[best]])
        last = left.pop()
        if best < len(left):
            left[best] = last
    return chosen


def _distance(candidate: _Candidate, needs: Needs) -> float:
    """How much of the needs would remain: the sum of the squared shares, so that every resource weighs the same."""
    distance = 0.0
    for name, need in needs.items():
        share = max(0, need - candidate.frees[name]) / need
        distance += share * share
    return distance


def _subtract(needs: Needs, pods: Iterable[_Candidate]) -> Needs:
    """What is still missing without these pods."""
    gone = tuple(pods)
    left = {name: need - sum(pod.frees[name] for pod in gone) for name, need in needs.items()}
    return {name: need for name, need in left.items() if need > 0}
