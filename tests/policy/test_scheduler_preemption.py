from __future__ import annotations

from typing import Any

import pytest
from nodebuilder import node, placed, selector

from nodeguard.model.meta import Condition, ObjectMeta
from nodeguard.model.placement import Affinity, Budget, PodAffinityTerm
from nodeguard.model.pod import GivenStatus, Pod
from nodeguard.policy.fit import claim
from nodeguard.policy.room import Room
from nodeguard.policy.scheduler_preemption import ineligible_because, preempt, split_by_budget

HERE = node("cpu=500m memory=500 pods=32", labels={"host": "n1"})
SMALL, MEDIUM, LARGE, ALL = ("cpu=100m memory=100", "cpu=200m memory=200", "cpu=300m memory=300", "cpu=500m memory=500")
LOW, MID, HIGH, TOP = 0, 100, 1000, 10000
FOO = {"app": "foo"}


def outcome(newcomer: Pod, active: list[Pod], *budgets: Budget, nominated: tuple[Pod, ...] = ()) -> Any:
    """The victims' names and the number of violations; None when there is nobody of lower priority."""
    room = Room(HERE, claim(newcomer))
    neighbours = [room.meet(claim(other)) for other in active]
    for neighbour in neighbours:
        room.add(neighbour)
    room.expect([room.meet(claim(other)) for other in nominated])
    result = preempt(room, neighbours, budgets)
    return None if result is None else ([p.meta.name for p in result.victims], result.budget_violations)


def budget(allowed: int, *disrupted: str, **fields: Any) -> Budget:
    fields.setdefault("selector", selector("app In foo"))
    return Budget(name="b", disruptions_allowed=allowed, disrupted=frozenset(disrupted), **fields)


def apart(key: str, *rules: str) -> Affinity:
    return Affinity(anti_required=(PodAffinityTerm(topology_key=key, selector=selector(*rules)),))


@pytest.mark.parametrize(
    ("newcomer", "active", "expected"),
    [
        pytest.param(placed("p", LARGE, priority=HIGH), [placed("a", LARGE, priority=MID)], (["a"], 0), id="the one"),
        pytest.param(placed("p", LARGE, priority=LOW), [placed("a", LARGE, priority=MID)], None, id="higher priority"),
        pytest.param(placed("p", LARGE, priority=MID), [placed("a", LARGE, priority=MID)], None, id="equal priority"),
        pytest.param(
            placed("p", LARGE, priority=HIGH),
            [placed("a", SMALL, priority=LOW), placed("b", LARGE, priority=MID)],
            (["b"], 0),
            id="a lower one may stay when it is small",
        ),
        pytest.param(
            placed("p", LARGE, priority=HIGH),
            [
                placed("a", SMALL, priority=MID),
                placed("b", SMALL, priority=LOW),
                placed("c", MEDIUM, priority=MID),
                placed("d", SMALL, priority=HIGH),
            ],
            (["c", "b"], 0),
            id="victims are told most important first",
        ),
        pytest.param(
            placed("p", LARGE, priority=HIGH),
            [
                placed("a", SMALL, priority=LOW, started=5),
                placed("b", SMALL, priority=LOW, started=4),
                placed("c", MEDIUM, priority=MID, started=3),
                placed("d", SMALL, priority=HIGH, started=2),
            ],
            (["c", "a"], 0),
            id="of equal priority the later start goes",
        ),
        pytest.param(
            placed("p", LARGE, priority=HIGH),
            [placed("a", LARGE), placed("b", MEDIUM, started=9)],
            (["a"], 0),
            id="not started yet is the latest start",
        ),
        pytest.param(
            placed("p", MEDIUM, priority=HIGH),
            [placed("a", MEDIUM), placed("b", MEDIUM), placed("c", SMALL)],
            (["b"], 0),
            id="of full equals the one that came first stays",
        ),
        pytest.param(
            placed("p", LARGE, priority=HIGH),
            [placed("a", LARGE, priority=None), placed("b", SMALL, priority=-5)],
            (["a"], 0),
            id="no priority is 0",
        ),
        pytest.param(
            placed("p", LARGE, priority=2_000_000_001),
            [placed("a", LARGE, priority=2_000_000_000, annotations={"kubernetes.io/config.source": "file"})],
            (["a"], 0),
            id="critical and static pods are not spared",
        ),
        pytest.param(
            placed("p", LARGE, priority=HIGH),
            [placed("a", MEDIUM, MEDIUM, priority=MID), placed("b"), placed("c", SMALL, priority=MID)],
            (["c"], 0),
            id="nor does the QoS class play a part",
        ),
        pytest.param(
            placed("p", ALL, priority=HIGH),
            [placed("a", SMALL, priority=LOW), placed("b", SMALL, priority=HIGH)],
            ([], 0),
            id="no preemption when it would not help",
        ),
        pytest.param(
            placed("p", SMALL, priority=HIGH, labels={"foo": ""}),
            [
                placed("a", SMALL, priority=LOW, labels={"foo": ""}, affinity=apart("host", "foo Exists")),
                placed("b", SMALL, priority=MID),
                placed("c", SMALL, priority=HIGH),
            ],
            (["a"], 0),
            id="a pod that does not want the newcomer beside it",
        ),
        pytest.param(
            placed("p", SMALL, priority=HIGH, affinity=apart("host", "app In foo")),
            [placed("a", priority=MID, labels=FOO), placed("b", priority=LOW)],
            (["a"], 0),
            id="a pod that the newcomer does not want beside it",
        ),
    ],
)
def test_preempt(newcomer: Pod, active: list[Pod], expected: Any) -> None:
    assert outcome(newcomer, active) == expected


@pytest.mark.parametrize(
    ("budgets", "expected"),
    [
        pytest.param([budget(1)], (["b", "a"], 1), id="two pods, one disruption"),
        pytest.param([budget(2)], (["a", "b"], 0), id="two of them"),
        pytest.param([budget(1, "x")], (["b", "a"], 1), id="the eviction of another pod is counted already"),
        pytest.param([budget(1, "b")], (["a", "b"], 0), id="that of a victim is"),
        pytest.param([budget(0, namespace="other")], (["a", "b"], 0), id="another namespace"),
        pytest.param([budget(0, selector=selector())], (["a", "b"], 0), id="a selector without rules"),
        pytest.param([budget(0, selector=None)], (["a", "b"], 0), id="no selector"),
        pytest.param([budget(0), budget(0)], (["a", "b"], 2), id="a pod is counted once"),
    ],
)
def test_budgets_are_counted(budgets: list[Budget], expected: Any) -> None:
    active = [placed("a", MEDIUM, priority=MID, labels=FOO), placed("b", MEDIUM, priority=MID, labels=FOO)]
    assert outcome(placed("p", ALL, priority=HIGH), active, *budgets) == expected


def test_a_disrupted_pod_is_no_violation_beside_others_that_are() -> None:
    here = [placed(name, SMALL, priority=MID, labels=FOO) for name in ("a", "b", "c")]
    assert outcome(placed("p", ALL, priority=HIGH), here, budget(1, "c")) == (["b", "a", "c"], 1)


def test_pods_with_a_used_up_budget_are_spared_first() -> None:
    active = [
        placed("important", MEDIUM, priority=MID),
        placed("guarded", MEDIUM, priority=LOW, labels=FOO),
        placed("plain", SMALL, priority=LOW),
    ]
    assert outcome(placed("p", MEDIUM, priority=HIGH), active, budget(0)) == (["important"], 0)


def test_victims_of_both_kinds_are_sorted_together() -> None:
    active = [
        placed("plain", MEDIUM, priority=MID),
        placed("guarded", MEDIUM, priority=LOW, labels=FOO),
    ]
    assert outcome(placed("p", ALL, priority=HIGH), active, budget(0)) == (["plain", "guarded"], 1)


def test_a_budget_is_used_up_in_the_order_of_importance_and_unlabelled_pods_are_free() -> None:
    room = Room(HERE, claim(placed("p")))
    pods = [placed("a", labels=FOO), placed("b"), placed("c", labels=FOO), placed("d", labels={"app": "bar"})]
    other = budget(0, selector=selector("x DoesNotExist", "app NotIn foo"))
    violating, others = split_by_budget([room.meet(claim(p)) for p in pods], [budget(1), other])
    assert [n.claim.pod.meta.name for n in violating] == ["c", "d"]
    assert [n.claim.pod.meta.name for n in others] == ["a", "b"]


def test_room_for_a_nominated_pod_is_kept() -> None:
    active = [placed("a", SMALL), placed("b", MEDIUM, priority=-1), placed("c", MEDIUM, priority=-2)]
    newcomer = placed("p", MEDIUM, priority=HIGH)
    assert outcome(newcomer, active) == (["c"], 0)
    assert outcome(newcomer, active, nominated=(placed("n", MEDIUM, priority=TOP),)) == (["b", "c"], 0)


def terminating(name: str, priority: int, reason: str = "PreemptionByScheduler", status: str = "True") -> Pod:
    condition = Condition(type="DisruptionTarget", status=status, reason=reason)
    given = GivenStatus(conditions=(Condition(type="Ready", status="True"), condition))
    pod = placed(name, priority=priority, given=given)
    meta = ObjectMeta(name=name, deletion_timestamp=1.0)
    return Pod(meta=meta, containers=pod.containers, priority=priority, given=given)


WAITING = GivenStatus(nominated_node_name="n1")
ON_ITS_WAY = "not eligible due to a terminating pod on the nominated node."


@pytest.mark.parametrize(
    ("subject", "other", "expected"),
    [
        pytest.param(placed("p", preemption_policy="Never"), placed("a"), "not eligible due to preemptionPolicy=Never.",
                     id="never"),
        pytest.param(placed("p", preemption_policy="PreemptLowerPriority"), placed("a"), "", id="the default policy"),
        pytest.param(placed("p", priority=MID, given=WAITING), terminating("a", LOW), ON_ITS_WAY, id="a victim leaves"),
        pytest.param(placed("p", priority=MID, given=WAITING), placed("named"), ON_ITS_WAY, id="a named victim leaves"),
        pytest.param(placed("p", priority=MID, given=WAITING), placed("a"), "", id="nobody leaves"),
        pytest.param(placed("p", priority=MID, given=WAITING), terminating("a", MID), "", id="of equal priority"),
        pytest.param(placed("p", priority=MID, given=WAITING), terminating("a", LOW, "EvictionByEvictionAPI"), "",
                     id="it leaves for another reason"),
        pytest.param(placed("p", priority=MID, given=WAITING), terminating("a", LOW, status="False"), "",
                     id="it does not leave after all"),
        pytest.param(placed("p", priority=MID), terminating("a", LOW), "", id="the pod does not wait for it"),
        pytest.param(placed("p", priority=MID, given=GivenStatus(nominated_node_name="n2")), terminating("a", LOW), "",
                     id="the pod waits for another node"),
    ],
)  # fmt: skip
def test_ineligible_because(subject: Pod, other: Pod, expected: str) -> None:
    assert ineligible_because(subject, HERE, [claim(other)], frozenset({"default/named"})) == expected


def test_a_condition_without_deletion_is_not_leaving() -> None:
    condition = Condition(type="DisruptionTarget", status="True", reason="PreemptionByScheduler")
    other = placed("a", given=GivenStatus(conditions=(condition,)))
    assert ineligible_because(placed("p", priority=MID, given=WAITING), HERE, [claim(other)], frozenset()) == ""
