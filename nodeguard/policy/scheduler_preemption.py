"""Which pods the scheduler deletes to make room on this node for one of higher priority.

Source: kubernetes, pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go;
pkg/scheduler/framework/preemption/preemption.go; pkg/scheduler/util/utils.go, MoreImportantPod.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from nodeguard.model.node import NodeView
from nodeguard.model.placement import Budget
from nodeguard.model.pod import Pod
from nodeguard.policy.fit import Claim
from nodeguard.policy.room import Neighbour, Room
from nodeguard.policy.selector import selects

NEVER = "Never"
DISRUPTION_TARGET = "DisruptionTarget"
BY_SCHEDULER = "PreemptionByScheduler"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerPreemption:
    """The pods to delete, most important first, and how many of them their budgets would not have spared.

    Without victims there is no preemption: the newcomer does not fit even without all pods of lower priority.
    """

    victims: tuple[Pod, ...] = ()
    budget_violations: int = 0


def preempt(room: Room, neighbours: Sequence[Neighbour], budgets: Sequence[Budget]) -> SchedulerPreemption | None:
    """Remove all pods of lower priority from the room, then put back as many as possible, the important ones first.

    Pods whose budget is used up come back before all others. None: there is no pod of lower priority.
    ``room`` is left without the victims.
    """
    lower = [n for n in neighbours if n.claim.priority < room.newcomer.priority]
    if not lower:
        return None
    for neighbour in lower:
        room.remove(neighbour)
    if not room.fits():
        return SchedulerPreemption()
    lower.sort(key=_importance)
    violating, others = split_by_budget(lower, budgets)
    violated = _without_reprieve(room, violating)
    victims = violated + _without_reprieve(room, others)
    victims.sort(key=_importance)
    return SchedulerPreemption(victims=tuple(v.claim.pod for v in victims), budget_violations=len(violated))


def ineligible_because(pod: Pod, node: NodeView, active: Iterable[Claim], terminating: frozenset[str]) -> str:
    """Why the pod may not preempt at all, in the scheduler's words; empty when it may.

    A pod that waits on this node for victims of an earlier preemption does not ask for more of them.
    ``terminating`` are the pods (namespace/name) that are on their way out because of one.
    """
    if pod.preemption_policy == NEVER:
        return "not eligible due to preemptionPolicy=Never."
    if pod.given.nominated_node_name != node.name:
        return ""
    for claim in active:
        other = claim.pod
        is_leaving = other.meta.key in terminating or _was_preempted(other)
        if is_leaving and claim.priority < (pod.priority or 0):
            return "not eligible due to a terminating pod on the nominated node."
    return ""


def split_by_budget(
    neighbours: Iterable[Neighbour], budgets: Sequence[Budget]
) -> tuple[list[Neighbour], list[Neighbour]]:
    """Those whose removal a budget no longer allows, and the others; each in the given order.

    Every pod that a budget selects uses it up by one, whether it is removed in the end or not. A pod without labels
    is selected by none, and one whose eviction is counted already uses up nothing.
    """
    allowed = [budget.disruptions_allowed for budget in budgets]
    violating: list[Neighbour] = []
    others: list[Neighbour] = []
    for neighbour in neighbours:
        is_violation = False
        for position, budget in enumerate(budgets):
            if _protects(budget, neighbour.claim.pod):
                allowed[position] -= 1
                is_violation |= allowed[position] < 0
        (violating if is_violation else others).append(neighbour)
    return violating, others


def _protects(budget: Budget, pod: Pod) -> bool:
    meta = pod.meta
    if not meta.labels or budget.namespace != meta.namespace or meta.name in budget.disrupted:
        return False
    return budget.selector is not None and bool(budget.selector.requirements) and selects(budget.selector, meta.labels)


def _without_reprieve(room: Room, neighbours: Iterable[Neighbour]) -> list[Neighbour]:
    """Put back whom the newcomer still fits beside; the others stay out, and are returned."""
    victims = []
    for neighbour in neighbours:
        room.add(neighbour)
        if not room.fits():
            room.remove(neighbour)
            victims.append(neighbour)
    return victims


def _importance(neighbour: Neighbour) -> tuple[int, float]:
    """Sorts the most important first: higher priority, then earlier start. Not started yet counts as just now."""
    started = neighbour.claim.pod.given.start_time
    return (-neighbour.claim.priority, inf if started is None else started)


def _was_preempted(pod: Pod) -> bool:
    if pod.meta.deletion_timestamp is None:
        return False
    target = next((c for c in pod.given.conditions if c.type == DISRUPTION_TARGET), None)
    return target is not None and target.status == "True" and target.reason == BY_SCHEDULER
