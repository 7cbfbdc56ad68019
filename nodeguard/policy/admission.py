"""Whether a pod may come to this node: as the kubelet judges a pod bound to it, and as the scheduler judges one that
looks for a place.

Everything is judged even when the first test fails, so that all reasons can be told.

Source: kubelet, pkg/kubelet/lifecycle/predicate.go, Admit; kubernetes, pkg/scheduler/schedule_one.go;
pkg/scheduler/framework/types.go, FitError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from nodeguard.model.node import NodeView
from nodeguard.model.placement import NO_EXECUTE, Budget
from nodeguard.model.pod import Pod
from nodeguard.policy.fit import Claim, claim, without_unknown_extended
from nodeguard.policy.kubelet_preemption import choose_victims
from nodeguard.policy.predicate import Failure, filters, predicates, taints, unsupported, with_true_os
from nodeguard.policy.pressure_admission import admit_under_pressure
from nodeguard.policy.priority import is_critical, is_static
from nodeguard.policy.room import Neighbour, Room
from nodeguard.policy.scheduler_preemption import ineligible_because, preempt

UNSCHEDULABLE = "Unschedulable"
UNEXPECTED = "UnexpectedAdmissionError"


class Mode(StrEnum):
    """Who judges."""

    SCHEDULER = "scheduler"
    KUBELET = "kubelet"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionResult:
    """The verdict on one pod.

    With victims, the pod is admitted at their expense: the kubelet has killed them before it goes on, while the
    scheduler's pod is nominated: it must wait until they are gone, and be judged again then.
    ``failures`` are all reasons there were at first, ``reasons`` the same in the words of whoever judged.
    """

    admitted: bool
    reason: str = ""
    message: str = ""
    reasons: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    victims: tuple[Pod, ...] = ()
    budget_violations: int = 0
    is_nominated: bool = False

    @property
    def preempted(self) -> tuple[str, ...]:
        """The victims as namespace/name, in the order the rules pick them."""
        return tuple(pod.meta.key for pod in self.victims)


def admit(
    node: NodeView,
    active: Iterable[Pod],
    pod: Pod,
    *,
    mode: Mode = Mode.SCHEDULER,
    conditions: frozenset[str] = frozenset(),
    budgets: Sequence[Budget] = (),
    nominated: Iterable[Pod] = (),
    terminating: frozenset[str] = frozenset(),
) -> AdmissionResult:
    """Judge ``pod`` beside the ``active`` ones, in the order in which they came.

    Whoever has ended does not count, for the kubelet only once nobody removes it any more.
    ``conditions`` of the node (``MemoryPressure``) count for the kubelet alone, the rest for the scheduler alone:
    disruption budgets, pods nominated to this node that wait for room, and the pods (namespace/name) that are being
    terminated by an earlier preemption.
    """
    claims = [claim(other) for other in active]
    if mode == Mode.KUBELET:
        return admit_bound(node, claims, claim(pod), conditions=conditions)
    waiting = [claim(other) for other in nominated]
    return schedule(node, claims, claim(pod), budgets=budgets, nominated=waiting, terminating=terminating)


def admit_bound(
    node: NodeView, active: Iterable[Claim], newcomer: Claim, *, conditions: frozenset[str] = frozenset()
) -> AdmissionResult:
    """The kubelet's verdict. Only the first failure is told; a critical pod gets in at the expense of others."""
    pod, node = newcomer.pod, with_true_os(node)
    present = [other for other in active if not other.pod.is_inactive]
    room = Room(node, without_unknown_extended(newcomer, node))
    for other in present:
        room.add(room.meet(other))
    first = [*_pressure(pod, conditions), *unsupported(pod, node)]
    failing = list(predicates(pod, node, room))
    if not is_static(pod):
        failing += taints(pod, node, (NO_EXECUTE,))
    failures = (*first, *failing)
    result = AdmissionResult(admitted=False, failures=failures, reasons=tuple(f.reason for f in failures))
    if not failures:
        return replace(result, admitted=True)
    if first or not is_critical(pod):
        return replace(result, reason=failures[0].reason, message=failures[0].message)
    for failure in failing:
        if failure.shortage is None:  # nobody's leaving helps against it
            return replace(result, reason=failure.reason, message=failure.message)
    needs = {f.shortage.resource: f.shortage.missing for f in failing if f.shortage is not None}
    choice = choose_victims(pod, [other.pod for other in present], needs)
    if choice.unmet:
        unmet = "".join(f"(res: {name}, q: {need}), " for name, need in choice.unmet.items())
        message = (
            "Unexpected error while attempting to recover from admission failure: preemption: error finding a set of "
            f"pods to preempt: no set of running pods found to reclaim resources: [{unmet}]"
        )
        return replace(result, reason=UNEXPECTED, message=message)
    return replace(result, admitted=True, victims=choice.victims)


def schedule(
    node: NodeView,
    active: Iterable[Claim],
    newcomer: Claim,
    *,
    budgets: Sequence[Budget] = (),
    nominated: Iterable[Claim] = (),
    terminating: frozenset[str] = frozenset(),
) -> AdmissionResult:
    """The scheduler's verdict, with all reasons; pods of lower priority may have to go.

    Room for nominated pods of at least the newcomer's priority is kept free.
    """
    pod = newcomer.pod
    present = [other for other in active if not other.pod.given.has_ended]
    room = Room(node, newcomer)
    neighbours = [room.meet(other) for other in present]
    for neighbour in neighbours:
        room.add(neighbour)
    expected = [room.meet(other) for other in nominated if other.priority >= newcomer.priority]
    room.expect(expected)
    failures = _failures(pod, node, room, expected)
    result = AdmissionResult(admitted=not failures, failures=failures, reasons=tuple(f.text for f in failures))
    if not failures:
        return result
    is_hopeless = any(failure.is_hopeless for failure in failures)
    note = ineligible_because(pod, node, () if is_hopeless else present, terminating)
    if not note and is_hopeless:
        note = _no_node("Preemption is not helpful for scheduling")
    elif not note:
        preemption = preempt(room, neighbours, budgets)
        if preemption is not None and preemption.victims:
            victims, violations = preemption.victims, preemption.budget_violations
            return replace(result, admitted=True, victims=victims, budget_violations=violations, is_nominated=True)
        if preemption is None:
            note = _no_node("No preemption victims found for incoming pod")
        else:
            note = _no_node(*(failure.text for failure in _failures(pod, node, room, expected)))
    message = f"{_no_node(*result.reasons)} preemption: {note}"
    return replace(result, reason=UNSCHEDULABLE, message=message)


def _failures(pod: Pod, node: NodeView, room: Room, expected: Iterable[Neighbour]) -> tuple[Failure, ...]:
    """Why the pod does not fit beside those that are expected, else why it does not fit as things are now."""
    for neighbour in expected:
        room.add(neighbour)
    failures = tuple(filters(pod, node, room))
    for neighbour in expected:
        room.remove(neighbour)
    return failures or tuple(filters(pod, node, room))


def _pressure(pod: Pod, conditions: frozenset[str]) -> Iterator[Failure]:
    verdict = admit_under_pressure(pod, conditions)
    if not verdict.admitted:
        yield Failure(reason=verdict.reason, text=verdict.message, message=verdict.message)


def _no_node(*reasons: str) -> str:
    """The scheduler's summary for the one node there is."""
    counted = sorted(f"{count} {reason}" for reason, count in Counter(reasons).items())
    return f"0/1 nodes are available: {', '.join(counted)}."
