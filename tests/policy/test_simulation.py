"""Scenarios played through."""

from __future__ import annotations

from typing import Any

import pytest
from scenariobuilder import NODE, decoded, evicted, free, played, pod, scenario, stats

from nodeguard.model.eviction import VictimPolicy
from nodeguard.policy.simulation import faults

LOW = {"observations": free("1000Mi")}
FINE = {"observations": free("4Gi")}


def conditions(steps: list[dict[str, Any]]) -> list[list[str]]:
    return [step["nodeConditions"] for step in steps]


def rankings(steps: list[dict[str, Any]]) -> list[list[str]]:
    return [[name.removeprefix("default/") for name in step["ranking"]] for step in steps]


def test_the_answer_to_a_whole_story() -> None:
    story = scenario(
        {**LOW, "at": 0.5, "podStats": [stats("a", "2Gi")]},
        pods=[pod("a", {"memory": "1Gi"})],
        config={"evictionHard": {"memory.available": "12.5%"}, "hardEvictionGracePeriodSeconds": 1},
    )
    assert played(story) == [
        {
            "at": 0.5,
            "thresholdsMet": ["memory.available<12.5%/hard"],
            "nodeConditions": ["MemoryPressure"],
            "signal": "memory.available",
            "resource": "memory",
            "reclaim": [],
            "ranking": ["default/a"],
            "candidates": [
                {
                    "pod": "default/a",
                    "rank": 1,
                    "critical": False,
                    "qosClass": "Burstable",
                    "priority": 0,
                    "exceedsRequest": True,
                    "usage": 2 << 30,
                    "request": 1 << 30,
                    "why": "uses 2Gi of memory, above its request 1Gi; priority 0",
                }
            ],
            "evicted": [
                {
                    "pod": "default/a",
                    "signal": "memory.available",
                    "threshold": "memory.available<12.5%/hard",
                    "gracePeriodSeconds": 1,
                    "reason": "Evicted",
                    "message": "The node was low on resource: memory. Threshold quantity: 1Gi, available: 1000Mi. ",
                    "because": {
                        "limit": 1 << 30,
                        "available": 1000 << 20,
                        "capacity": 8 << 30,
                        "usage": 2 << 30,
                        "request": 1 << 30,
                        "exceedsRequest": True,
                        "priority": 0,
                        "qosClass": "Burstable",
                        "why": "uses 2Gi of memory, above its request 1Gi; priority 0",
                    },
                }
            ],
            "submitted": [],
            "pressureAdmission": [],
        }
    ]


def test_an_evicted_pod_is_there_until_it_is_gone() -> None:
    steps = [LOW, LOW, {**LOW, "gone": ["default/a"]}, {**LOW, "back": ["a"]}]
    assert evicted(played(scenario(*steps, pods=[pod("a"), pod("b")]))) == [["a"], ["a"], ["b"], ["a"]]


def test_who_comes_back_has_its_old_place_and_all_its_time() -> None:
    story = scenario(
        *[
            LOW,
            {**LOW, "at": 60},
            {**FINE, "at": 70, "gone": ["a"]},
            {**LOW, "at": 80, "back": ["a"]},
            {**LOW, "at": 200},
        ],
        pods=[pod("a"), pod("b")],
        config={
            "evictionSoft": {"memory.available": "1Gi"},
            "evictionSoftGracePeriod": {"memory.available": "1m"},
            "evictionMaxPodGracePeriod": 20,
        },
    )
    found = played(story)
    assert evicted(found) == [[], ["a"], [], [], ["a"]]
    assert found[4]["evicted"][0]["gracePeriodSeconds"] == 20


def test_statistics_stay_until_replaced_or_forgotten() -> None:
    steps = [
        {**LOW, "podStats": [stats("a", 1), stats("b", 2)]},
        LOW,
        {**LOW, "podStats": [stats("a", 3)]},
        {**LOW, "forgetStats": ["default/b"]},
    ]
    assert rankings(played(scenario(*steps, pods=[pod("a"), pod("b")]))) == [
        ["b", "a"],
        ["b", "a"],
        ["a", "b"],
        ["b", "a"],
    ]


@pytest.mark.parametrize(
    ("pod_uid", "stats_uid", "is_known"),
    [("u", "u", True), ("u", "", True), ("", "u", True), ("u", "other", False)],
    ids=["same uid", "stats by name", "pod without uid", "SUM-1 another incarnation"],
)
def test_statistics_belong_to_a_uid(pod_uid: str, stats_uid: str, is_known: bool) -> None:
    fields = {"uid": pod_uid} if pod_uid else {}
    (step,) = played(scenario({**LOW, "podStats": [stats("a", 7, stats_uid)]}, pods=[pod("a", **fields)]))
    assert step["candidates"][0]["usage"] == (7 if is_known else None)


def test_replaced_pods_keep_their_place() -> None:
    steps = [
        {**LOW, "podStats": [stats("a", 5), stats("b", 5)]},
        {**LOW, "replacePods": [pod("a", {"memory": "9"})]},
        {**LOW, "replacePods": [pod("a", priority=-1), pod("b", priority=-1)]},
    ]
    assert rankings(played(scenario(*steps, pods=[pod("a"), pod("b")]))) == [["a", "b"], ["b", "a"], ["a", "b"]]


def test_pass_3_pods_that_have_ended_are_no_candidates() -> None:
    pods = [pod("done", status={"phase": "Succeeded"}), pod("runs", status={"phase": "Running"})]
    assert rankings(played(scenario(LOW, pods=pods))) == [["runs"]]


def test_pass_3_pods_that_have_ended_are_candidates_while_they_are_removed() -> None:
    ended = pod("ended", status={"phase": "Failed"})
    removed = {**ended, "metadata": {"name": "removed", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert rankings(played(scenario(LOW, pods=[ended, removed]))) == [["removed"]]
    evicted_first = [LOW, {**LOW, "replacePods": [ended]}]
    assert rankings(played(scenario(*evicted_first, pods=[pod("ended")]))) == [["ended"], ["ended"]]


def test_conditions_of_the_node_count_as_seen_at_the_first_step() -> None:
    node = {**NODE, "status": {**NODE["status"], "conditions": [
        {"type": "DiskPressure", "status": "True"}, {"type": "Ready", "status": "True"},
        {"type": "PIDPressure", "status": "False"}]}}  # fmt: skip
    story = scenario({**FINE, "at": 100}, {**FINE, "at": 399}, {**FINE, "at": 400}, node=node)
    assert conditions(played(story)) == [["DiskPressure"], ["DiskPressure"], []]


def test_def_3_defaults_are_merged_only_when_asked() -> None:
    low = {"observations": {"nodefs.inodesFree": {"available": 4, "capacity": 100}}}
    hard = {"memory.available": "1Gi", "nodefs.available": "0%"}
    for merged, expected in ((False, []), (True, ["nodefs.inodesFree<5%/hard"])):
        config = {"evictionHard": hard, "mergeDefaultEvictionSettings": merged}
        assert played(scenario(low, config=config))[0]["thresholdsMet"] == expected


def test_allocatable_thresholds_follow_the_enforcement() -> None:
    low = {"observations": {"allocatableMemory.available": {"available": 1, "capacity": 9}}}
    for enforce, expected in (({}, 1), ({"enforceNodeAllocatable": ["none"]}, 0)):
        config = {"evictionHard": {"memory.available": "1Gi"}, **enforce}
        assert len(played(scenario(low, config=config))[0]["thresholdsMet"]) == expected


def test_times_are_exact() -> None:
    """0.3 - 0.1 is less than 0.2 in floating point."""
    config = {"evictionSoft": {"memory.available": "1Gi"}, "evictionSoftGracePeriod": {"memory.available": "200ms"}}
    found = played(scenario({**LOW, "at": 0.1}, {**LOW, "at": 0.3}, pods=[pod("a")], config=config))
    assert evicted(found) == [[], ["a"]]
    assert [step["at"] for step in found] == [0.1, 0.3]


def test_observations_that_wrapped_below_zero_are_negative() -> None:
    (step,) = played(scenario({"observations": free((1 << 64) - 5)}, pods=[pod("a")]))
    assert step["evicted"][0]["because"]["available"] == -5


@pytest.mark.parametrize(
    ("after", "victims"),
    [
        pytest.param(None, ["a"], id="left out: the same"),
        pytest.param({}, ["a"], id="empty: the same"),
        pytest.param({"nodefs.available": {"available": 50, "capacity": 100}}, [], id="enough"),
        pytest.param({"nodefs.available": {"available": 9, "capacity": 100}}, ["a"], id="not enough"),
    ],
)
def test_observations_after_reclaim(after: dict[str, Any] | None, victims: list[str]) -> None:
    step = {"observations": {"nodefs.available": {"available": 1, "capacity": 100}}}
    if after is not None:
        step["observationsAfterReclaim"] = after
    (found,) = played(scenario(step, pods=[pod("a")], config={"evictionHard": {"nodefs.available": "10%"}}))
    assert found["reclaim"] == ["containers", "images"]
    assert evicted([found]) == [victims]


def test_policy_of_the_caller_wins() -> None:
    story = scenario(
        {**LOW, "podStats": [stats("over", 9), stats("idle", 0)]}, pods=[pod("over", {"memory": "1"}), pod("idle")]
    )
    assert evicted(played(story)) == [["over"]]
    assert evicted(played(story, VictimPolicy.QOS)) == [["idle"]]


def submitted(found: dict[str, Any]) -> list[tuple[str, bool, str]]:
    return [(one["pod"].removeprefix("default/"), one["admitted"], one["reason"]) for one in found["submitted"]]


def test_who_is_admitted_runs_and_who_was_preempted_is_gone() -> None:
    story = scenario(
        {**FINE, "submit": [pod("new", {"cpu": "4"}, priority=5), pod("more", {"cpu": "1"})]},
        LOW,
        pods=[pod("old", {"cpu": "3"})],
    )
    first, second = played(story)
    assert submitted(first) == [("new", True, ""), ("more", False, "Unschedulable")]
    assert first["submitted"][0]["preempted"] == ["default/old"]
    assert first["submitted"][1]["reasons"] == ["Insufficient cpu"]
    assert rankings([second]) == [["new"]]


def test_allocatable_is_capacity_without_reservations_and_hard_thresholds() -> None:
    config = {
        "evictionHard": {"memory.available": "1Gi", "nodefs.available": "10%"},
        "evictionSoft": {"memory.available": "3Gi"},
        "evictionSoftGracePeriod": {"memory.available": "0s"},
        "kubeReserved": {"cpu": "500m"},
        "systemReserved": {"cpu": "500m", "memory": "1Gi"},
    }
    ask = [pod("fits", {"cpu": "3", "memory": "6Gi"}), pod("cpu", {"cpu": "1m"}), pod("memory", {"memory": "1"})]
    (step,) = played(scenario({**FINE, "mode": "kubelet", "submit": ask}, config=config))
    assert submitted(step) == [("fits", True, ""), ("cpu", False, "OutOfcpu"), ("memory", False, "OutOfmemory")]


def test_allocatable_of_the_node_wins() -> None:
    node = {**NODE, "status": {**NODE["status"], "allocatable": {"cpu": "1", "pods": "1"}}}
    (step,) = played(scenario({**FINE, "submit": [pod("a", {"cpu": "2"})]}, node=node))
    assert submitted(step) == [("a", False, "Unschedulable")]


def test_pressure_closes_the_kubelets_door_but_not_the_schedulers() -> None:
    ask = {"submit": [pod("a")], "admitUnderPressure": [pod("a"), pod("b", {"cpu": "1m"})]}
    kubelet, scheduler = played(scenario({**LOW, **ask, "mode": "kubelet"}, {**LOW, **ask}))
    assert submitted(kubelet) == [("a", False, "Evicted")]
    assert submitted(scheduler) == [("a", True, "")]
    assert [(one["admitted"], one["message"]) for one in kubelet["pressureAdmission"]] == [
        (False, "The node had condition: [MemoryPressure]. "),
        (True, ""),
    ]


CLASSES = [
    {"metadata": {"name": "high"}, "value": 7},
    {"metadata": {"name": "usual"}, "value": 3, "globalDefault": True},
]


@pytest.mark.parametrize(
    ("fields", "priority"),
    [
        pytest.param({"priorityClassName": "high"}, 7, id="of its class"),
        pytest.param({}, 3, id="of the default class"),
        pytest.param({"priority": 5}, 5, id="as the manifest says"),
        pytest.param({"priority": 0, "priorityClassName": "system-node-critical"}, 0, id="GR-4 against its class"),
        pytest.param({"priority": 1, "priorityClassName": "unknown"}, 1, id="of a class nobody knows"),
    ],
)
def test_priorities(fields: dict[str, Any], priority: int) -> None:
    story = scenario(LOW, pods=[pod("a", **fields)], priorityClasses=CLASSES)
    found = decoded(story).scenario
    assert found is not None
    assert list(faults(found)) == []
    assert played(story)[0]["candidates"][0]["priority"] == priority


def test_a_class_that_nobody_knows_is_a_fault() -> None:
    unknown = pod("a", priorityClassName="hihg")
    found = decoded(scenario({**LOW, "submit": [pod("b"), unknown]}, pods=[unknown])).scenario
    assert found is not None
    assert [path for path, _ in faults(found)] == [
        ("spec", "pods", 0, "spec", "priorityClassName"),
        ("spec", "steps", 0, "submit", 1, "spec", "priorityClassName"),
    ]


def test_budgets_are_heeded() -> None:
    labelled = pod("guarded", {"cpu": "2"})
    labelled["metadata"]["labels"] = {"app": "db"}
    budget = {"name": "db", "selector": {"matchLabels": {"app": "db"}}, "disruptionsAllowed": 0}
    ask = {**FINE, "submit": [pod("new", {"cpu": "2"}, priority=1)]}
    story = scenario(ask, pods=[labelled, pod("free", {"cpu": "2"})], podDisruptionBudgets=[budget])
    assert played(story)[0]["submitted"][0]["preempted"] == ["default/free"]
