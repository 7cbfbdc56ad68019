"""One pass of the eviction manager, row by row; ids are those of the specification's rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from evictionbuilder import (
    DEDICATED,
    INCONSISTENT,
    SINGLE,
    SPLIT,
    Node,
    S,
    candidates,
    config,
    disk,
    memory,
    met,
    named,
    processes,
    ranked,
    seen,
    victims,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeguard.model.eviction import Decision, EvictionMemory, Layout, Snapshot, VictimPolicy
from nodeguard.model.signal import Pressure, Signal
from nodeguard.model.stats import FsUsage, PodUsage
from nodeguard.policy.eviction import after_reclaim, evaluate
from nodeguard.policy.priority import is_critical

HARD = config("memory.available<1Gi")
SOFT = config(soft="memory.available<2Gi@90", max_pod_grace_seconds=20)
HOG = (named("hog"), memory("1Gi"))
STATIC = {"kubernetes.io/config.source": "file"}


# Thresholds met


@pytest.mark.parametrize(
    ("threshold", "observed", "is_met"),
    [
        pytest.param("memory.available<1Gi", "memory.available=1Gi/8Gi", False, id="SIG-10 equality is no pressure"),
        pytest.param("memory.available<1Gi", "memory.available=1073741823/8Gi", True, id="SIG-10 a byte less is"),
        pytest.param("memory.available<1Gi", "", False, id="SIG-11 unknown is no pressure"),
        pytest.param("memory.available<1Gi", "memory.available=-1/8Gi", True, id="SIG-12 below zero"),
        pytest.param("pid.available<1", "pid.available=-5/100", True, id="SIG-12 more tasks than process ids"),
        pytest.param("nodefs.available<10%", "nodefs.available=1073741839/10Gi", True, id="VAL-4 below 10 %"),
        pytest.param("nodefs.available<10%", "nodefs.available=1073741840/10Gi", False, id="VAL-4 at 10 %"),
        pytest.param("nodefs.available<0.0%", "nodefs.available=0/10Gi", False, id="VAL-2 0.0% is never met"),
        pytest.param(
            "nodefs.available<100.0%", "nodefs.available=9Gi/10Gi", True, id="VAL-2 100.0% unless all is free"
        ),
        pytest.param("nodefs.available<100.0%", "nodefs.available=10Gi/10Gi", False, id="VAL-2 100.0% with all free"),
        pytest.param("nodefs.available<10%", "nodefs.available=0/0", False, id="a file system of size zero"),
        pytest.param("nodefs.inodesFree<5%", "nodefs.inodesFree=4/100", True, id="SIG-4 inodes"),
    ],
)
def test_whether_a_threshold_is_met(threshold: str, observed: str, is_met: bool) -> None:
    decision = Node(config(threshold)).look(0, observed)
    assert (len(decision.due) == 1, len(decision.conditions) == 1) == (is_met, is_met)


@pytest.mark.parametrize(
    ("signal", "condition", "resource"),
    [
        ("memory.available", "MemoryPressure", "memory"),
        ("allocatableMemory.available", "MemoryPressure", "memory"),
        ("nodefs.available", "DiskPressure", "ephemeral-storage"),
        ("nodefs.inodesFree", "DiskPressure", "inodes"),
        ("imagefs.available", "DiskPressure", "ephemeral-storage"),
        ("imagefs.inodesFree", "DiskPressure", "inodes"),
        ("pid.available", "PIDPressure", "pids"),
    ],
    ids=[f"SIG-{number}" for number in (1, 2, 3, 4, 5, 6, 9)],
)
def test_what_a_signal_is_about(signal: str, condition: str, resource: str) -> None:
    decision = Node(config(f"{signal}<5")).look(0, f"{signal}=4/10")
    assert (decision.conditions, decision.resource) == ((condition,), resource)


# Derived thresholds


def test_drv_1_hard_memory_thresholds_are_copied_for_the_pods_cgroup() -> None:
    both = config("memory.available<1Gi", "memory.available<2Gi@60", "memory.available=1Mi", enforce=("pods",))
    assert [str(t) for t in both.thresholds] == [
        *("memory.available<1Gi/hard", "memory.available<2Gi/soft", "allocatableMemory.available<1Gi/hard")
    ]
    assert [str(t.min_reclaim) for t in both.thresholds] == ["1Mi"] * 3
    assert len(config("memory.available<1Gi", enforce=("kube-reserved",)).thresholds) == 1


def test_err_2_a_soft_threshold_without_grace_is_a_hard_one_in_every_respect() -> None:
    node = Node(config(soft="memory.available<1Gi@0", enforce=("pods",), max_pod_grace_seconds=60), HOG)
    decision = node.look(0, "memory.available=1/8Gi allocatableMemory.available=1/8Gi")
    assert met(decision) == ["allocatableMemory.available<1Gi/hard", "memory.available<1Gi/hard"]
    assert decision.evictions[0].grace_seconds == 1


ALL_DISKS = "nodefs.available<1 nodefs.inodesFree<2 imagefs.available<3 imagefs.inodesFree<4"
NO_CONTAINERFS = "containerfs.available=0/100 containerfs.inodesFree=0/100"


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        pytest.param(SINGLE, ["1", "2"], id="DRV-2 one file system: as nodefs"),
        pytest.param(SPLIT, ["1", "2"], id="DRV-2 split: as nodefs"),
        pytest.param(DEDICATED, ["3", "4"], id="DRV-2 dedicated imagefs: as imagefs"),
        pytest.param(INCONSISTENT, [], id="DRV-2 inconsistent: none"),
    ],
)
def test_containerfs_follows_the_layout_from_the_second_pass_on(layout: Layout, expected: list[str]) -> None:
    node = Node(config(ALL_DISKS), layout=layout)
    assert node.look(0, NO_CONTAINERFS).due == ()
    values = [str(threshold.value) for threshold in node.look(10, NO_CONTAINERFS).due]
    assert values == expected


@pytest.mark.parametrize(
    ("hard", "expected"),
    [
        pytest.param("containerfs.available<50 nodefs.available<1", ["containerfs.available<1/hard"], id="DRV-3"),
        pytest.param("containerfs.available<50", [], id="DRV-3 without a source it is inert"),
    ],
)
def test_hand_written_containerfs_thresholds_are_overridden(hard: str, expected: list[str]) -> None:
    node = Node(config(hard))
    assert node.look(0, NO_CONTAINERFS).due == ()
    assert met(node.look(10, NO_CONTAINERFS)) == expected


def test_soft_thresholds_are_derived_with_their_grace_and_reclaim() -> None:
    node = Node(config(soft="nodefs.available<10@30", reclaim="nodefs.available=5"))
    node.look(0)
    assert node.look(10, "containerfs.available=9/100").due == ()
    assert met(node.look(40, "containerfs.available=9/100")) == ["containerfs.available<10/soft"]
    assert met(node.look(50, "containerfs.available=14/100")) == ["containerfs.available<10/soft"]
    assert node.look(60, "containerfs.available=15/100").due == ()


# Time


def test_pass_1_nothing_configured_is_nothing_done() -> None:
    before = EvictionMemory(conditions=(Pressure.DISK,))
    decision = evaluate(config(local_storage_isolation=False), before, Snapshot(), S)
    assert decision == Decision(memory=before, conditions=(Pressure.DISK,))


def test_pass_12_a_soft_threshold_waits_for_its_grace_period() -> None:
    node = Node(SOFT, HOG)
    for at, evicted in ((0, []), (89, []), (90, ["hog"])):
        decision = node.look(at, "memory.available=1536Mi/8Gi")
        assert decision.conditions == (Pressure.MEMORY,), "PASS-10: also while the grace period runs"
        assert victims(decision) == evicted


@pytest.mark.parametrize("between", ["memory.available=2Gi/8Gi", ""], ids=["a flap", "a missing observation"])
def test_pass_9_the_grace_period_starts_anew_after(between: str) -> None:
    node = Node(SOFT, HOG)
    node.look(0, "memory.available=1Gi/8Gi")
    node.look(60, between)
    assert victims(node.look(91, "memory.available=1Gi/8Gi")) == []
    assert victims(node.look(180, "memory.available=1Gi/8Gi")) == []
    assert victims(node.look(181, "memory.available=1Gi/8Gi")) == ["hog"]


def test_pass_11_a_condition_stays_for_the_transition_period() -> None:
    node = Node(replace(HARD, transition_ns=300 * S))
    node.look(0, "memory.available=1/8Gi")
    assert node.look(299, "memory.available=8Gi/8Gi").conditions == (Pressure.MEMORY,)
    assert node.look(300, "memory.available=8Gi/8Gi").conditions == ()


def test_pass_11_a_transition_period_of_zero_hides_the_condition_of_an_eviction() -> None:
    decision = Node(replace(HARD, transition_ns=0), HOG).look(0, "memory.available=1/8Gi")
    assert (decision.conditions, victims(decision)) == ((), ["hog"])


@pytest.mark.parametrize(
    ("available", "still"),
    [("1535Mi", True), ("1536Mi", False)],
    ids=["below limit + reclaim", "PASS-21 at limit + reclaim it is resolved"],
)
def test_pass_8_minimum_reclaim_keeps_a_due_threshold(available: str, still: bool) -> None:
    node = Node(config("memory.available<1Gi", reclaim="memory.available=512Mi"), HOG)
    assert node.look(0, "memory.available=1200Mi/8Gi").due == ()
    node.look(10, "memory.available=1000Mi/8Gi")
    assert bool(node.look(20, f"memory.available={available}/8Gi").due) is still
    assert bool(node.look(30, "memory.available=1200Mi/8Gi").due) is still


def test_pass_21_minimum_reclaim_of_a_soft_threshold_applies_once_it_was_due() -> None:
    node = Node(config(soft="memory.available<1Gi@60", reclaim="memory.available=1Gi"))
    node.look(0, "memory.available=1/8Gi")
    decision = node.look(10, "memory.available=1500Mi/8Gi")
    assert (decision.due, decision.memory.first_met_ns) == ((), {})


@pytest.mark.parametrize(
    ("first", "second", "acts"),
    [
        pytest.param("@5", "@5", False, id="FR-2 the same sample again"),
        pytest.param("@5", "@4", False, id="FR-2 an older one"),
        pytest.param("@5", "@6", True, id="FR-2 a later one"),
        pytest.param("@5", "", True, id="FR-2 one without a time"),
        pytest.param("", "@5", True, id="FR-2 after one without a time"),
        pytest.param("none", "@5", True, id="FR-2 after none at all"),
    ],
)
def test_only_fresh_numbers_are_acted_on(first: str, second: str, acts: bool) -> None:
    node = Node(HARD, HOG)
    node.look(5, "" if first == "none" else f"memory.available=1/8Gi{first}")
    decision = node.look(15, f"memory.available=1/8Gi{second}")
    assert bool(decision.evictions) is acts
    assert met(decision) == ["memory.available<1Gi/hard"], "stale or not, it is due"
    assert decision.conditions == (Pressure.MEMORY,)


def test_fr_3_a_stale_signal_does_not_block_another() -> None:
    node = Node(config("memory.available<1Gi pid.available<10"), HOG)
    node.look(0, "memory.available=1/8Gi@0 pid.available=1/100@0")
    decision = node.look(10, "memory.available=1/8Gi@0 pid.available=1/100@10")
    assert decision.acted_on is not None
    assert decision.acted_on.signal is Signal.PID_AVAILABLE


# What is acted on


@pytest.mark.parametrize(
    ("settings_", "observed", "expected"),
    [
        pytest.param(
            config("nodefs.available<2 memory.available<2"),
            "nodefs.available=1/9 memory.available=1/9",
            "memory.available<2/hard",
            id="memory before disk",
        ),
        pytest.param(
            config("nodefs.available<2", "memory.available<2@0 pid.available<2@1"),
            "nodefs.available=1/9 pid.available=1/9",
            "nodefs.available<2/hard",
            id="hard before soft",
        ),
        pytest.param(
            config("memory.available<2 allocatableMemory.available<3"),
            "allocatableMemory.available=1/9 memory.available=1/9",
            "memory.available<2/hard",
            id="the node's memory before the pods'",
        ),
        pytest.param(
            config("nodefs.available<2", "memory.available<2@5"),
            "nodefs.available=1/9 memory.available=1/9",
            "memory.available<2/soft",
            id="soft memory before hard disk",
        ),
        pytest.param(
            config("imagefs.inodesFree<2 nodefs.inodesFree<2 pid.available<2"),
            "imagefs.inodesFree=1/9 nodefs.inodesFree=1/9 pid.available=1/9",
            "nodefs.inodesFree<2/hard",
            id="then the order of signals",
        ),
    ],
)
def test_pass_16_the_most_urgent_threshold(settings_: Any, observed: str, expected: str) -> None:
    node = Node(settings_)
    node.look(0, observed)
    assert str(node.look(10, observed).acted_on) == expected


def test_pass_19_without_pods_nothing_is_ranked() -> None:
    decision = Node(HARD).look(0, "memory.available=1/8Gi")
    assert (str(decision.acted_on), decision.ranking, decision.evictions) == ("memory.available<1Gi/hard", (), ())


@pytest.mark.parametrize(
    ("fields", "critical"),
    [
        pytest.param({"annotations": STATIC}, True, id="GR-4 a static pod"),
        pytest.param({"annotations": {"kubernetes.io/config.source": "api"}}, False, id="GR-4 one of the API"),
        pytest.param({"annotations": {"kubernetes.io/config.mirror": ""}}, True, id="GR-4 a mirror pod"),
        pytest.param({"priority": 2_000_000_000}, True, id="GR-4 system priority"),
        pytest.param({"priority": 1_999_999_999}, False, id="GR-4 just below it"),
        pytest.param({"priority_class_name": "system-node-critical"}, False, id="GR-4 a class name is not enough"),
    ],
)
def test_critical_pods_stay(fields: dict[str, Any], critical: bool) -> None:
    decision = Node(HARD, (named("pod", **fields), memory("4Gi"))).look(0, "memory.available=1/8Gi")
    assert victims(decision) == ([] if critical else ["pod"])
    assert ranked(decision) == ["pod"]


def test_pass_20_the_first_that_is_not_critical_goes_and_nobody_else() -> None:
    pods = [(named("static", annotations=STATIC), memory("4Gi")), HOG, (named("other"), memory("1Mi"))]
    decision = Node(HARD, *pods).look(0, "memory.available=1/8Gi")
    assert ranked(decision) == ["static", "hog", "other"]
    assert victims(decision) == ["hog"]


# How


@pytest.mark.parametrize(
    ("fields", "maximum", "expected"),
    [
        pytest.param({}, 20, 20, id="GR-1 the maximum"),
        pytest.param({"termination_grace_period_seconds": 5}, 20, 5, id="GR-1 the pod's own when smaller"),
        pytest.param({}, 0, 1, id="GR-3 a maximum of zero gives a second"),
        pytest.param({}, -7, 1, id="GR-3 a negative one too"),
        pytest.param({"termination_grace_period_seconds": 0}, 20, 1, id="GR-3 never below a second"),
    ],
)
def test_grace_of_a_soft_eviction(fields: dict[str, Any], maximum: int, expected: int) -> None:
    node = Node(replace(SOFT, max_pod_grace_seconds=maximum), (named("hog", **fields), memory("1Gi")))
    node.look(0, "memory.available=1/8Gi")
    assert node.look(90, "memory.available=1/8Gi").evictions[0].grace_seconds == expected


@pytest.mark.parametrize(
    ("setting", "running", "deletion", "expected"),
    [
        pytest.param(0, None, None, 0, id="at once"),
        pytest.param(1, None, None, 1, id="GR-1 as the kubelet"),
        pytest.param(0, 30, 30, 0, id="a soft eviction under way is cut short"),
        pytest.param(9, 3, None, 3, id="GR-3 never longer than what is running"),
        pytest.param(9, None, 4, 4, id="GR-3 nor than the deletion's"),
        pytest.param(9, None, 0, 1, id="ODD-15 a deletion without grace leaves a second"),
        pytest.param(9, 0, None, 0, id="killed already"),
    ],
)
def test_grace_of_a_hard_eviction(setting: int, running: int | None, deletion: int | None, expected: int) -> None:
    hog = named("hog")
    hog = replace(hog, meta=replace(hog.meta, deletion_grace_period_seconds=deletion))
    node = Node(replace(HARD, hard_grace_seconds=setting), (hog, memory("1Gi")))
    node.candidates = tuple(replace(one, running_grace_seconds=running) for one in node.candidates)
    assert node.look(0, "memory.available=1/8Gi").evictions[0].grace_seconds == expected


def test_an_eviction_carries_its_numbers() -> None:
    (eviction,) = Node(HARD, HOG).look(0, "memory.available=1/8Gi").evictions
    assert eviction.is_disruption
    because = eviction.because
    assert (because.limit, because.available, because.capacity) == (1 << 30, 1, 8 << 30)
    assert (because.usage, because.request, because.exceeds_request) == (1 << 30, 0, True)
    assert because.why == "uses 1Gi of memory, above its request 0; priority 0"


# Reclaim


def test_pass_18_reclaim_that_was_enough_saves_the_pod() -> None:
    settings_ = config("nodefs.available<10%")
    node = Node(settings_, (named("hog"), disk(logs=9)))
    decision = node.look(0, "nodefs.available=1/100")
    snapshot = Snapshot(candidates=node.candidates, layout=node.layout)
    assert decision.reclaim == ("containers", "images")
    saved = after_reclaim(settings_, snapshot, decision, seen("nodefs.available=10/100"))
    assert (victims(saved), saved.ranking, saved.conditions) == ([], (), (Pressure.DISK,))
    assert after_reclaim(settings_, snapshot, decision, seen("nodefs.available=9/100")) == decision


@pytest.mark.parametrize(
    ("settings_", "after"),
    [
        pytest.param(
            config("nodefs.available<10% memory.available<1Gi", reclaim="memory.available=1Gi"),
            "nodefs.available=50/100 memory.available=1500Mi/8Gi",
            id="RCL-3 memory between limit and limit + reclaim",
        ),
        pytest.param(
            config("nodefs.available<10%", "pid.available<50@90"),
            "nodefs.available=50/100 pid.available=49/100",
            id="RCL-3 a soft threshold within its grace period",
        ),
        pytest.param(
            config("nodefs.available<10%"),
            "nodefs.available=50/100 containerfs.available=5/100",
            id="RCL-3 containerfs, derived in this very pass",
        ),
    ],
)
def test_reclaim_is_judged_by_all_thresholds(settings_: Any, after: str) -> None:
    node = Node(settings_, (named("hog"), disk(logs=9)))
    decision = node.look(0, "nodefs.available=1/100")
    snapshot = Snapshot(candidates=node.candidates, layout=node.layout)
    assert victims(after_reclaim(settings_, snapshot, decision, seen(after))) == ["hog"]


def test_rcl_2_without_reclaim_the_eviction_stands() -> None:
    node = Node(HARD, HOG)
    decision = node.look(0, "memory.available=1/8Gi")
    assert after_reclaim(HARD, Snapshot(), decision, seen("memory.available=8Gi/8Gi")) is decision


# Limits of the pods themselves


def greedy(name: str, **fields: Any) -> tuple[Any, PodUsage]:
    usage = PodUsage(name="", ephemeral_storage=FsUsage(used_bytes=11), process_count=5)
    return named(name, limits="ephemeral-storage=10", **fields), usage


def test_ls_6_pods_above_their_own_limits_go_first_and_all_of_them() -> None:
    node = Node(config("pid.available<10"), greedy("a"), (named("fine"), processes(50)), greedy("b"))
    decision = node.look(0, "pid.available=1/100@0")
    assert victims(decision) == ["a", "b"]
    assert (decision.acted_on, decision.ranking) == (None, ())
    assert [(e.signal, e.threshold, e.grace_seconds, e.is_disruption) for e in decision.evictions] == [
        ("ephemeral-storage/pod", None, 1, False)
    ] * 2
    node.candidates = node.candidates[1:2]
    assert victims(node.look(1, "pid.available=1/100@0")) == [], "the observation is used up"
    assert victims(node.look(2, "pid.available=1/100@2")) == ["fine"]


def test_ls_4_critical_pods_are_exempt_and_do_not_hold_up_the_rest() -> None:
    node = Node(config("pid.available<10"), greedy("static", annotations=STATIC), (named("b"), processes(1)))
    assert victims(node.look(0, "pid.available=1/100")) == ["b"]


def test_limits_are_not_looked_at_without_isolation() -> None:
    node = Node(config("pid.available<10", local_storage_isolation=False), greedy("a"))
    assert victims(node.look(0, "pid.available=50/100")) == []


# Properties

POD = st.builds(
    lambda name, request, priority, usage, static: (
        named(name, f"memory={request}" if request else "", priority=priority, annotations=STATIC if static else {}),
        None if usage is None else memory(usage),
    ),
    name=st.text("abcdef", min_size=1, max_size=3),
    request=st.integers(0, 4),
    priority=st.none() | st.integers(-1, 1) | st.just(2_000_000_000),
    usage=st.none() | st.integers(0, 6),
    static=st.booleans(),
)
PODS = st.lists(POD, max_size=8)
AVAILABLE = st.integers(-2, 12)
HARD_AND_SOFT = config("memory.available<5", "memory.available<8@20", "memory.available=2", max_pod_grace_seconds=9)


@settings(deadline=None)
@given(PODS, AVAILABLE, st.sampled_from(VictimPolicy), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(pods: Any, available: int, policy: VictimPolicy, random: Any) -> None:
    in_order = candidates(*pods)
    shuffled = tuple(random.sample(in_order, len(in_order)))
    observations = seen(f"memory.available={available}/20")
    one, other = (
        evaluate(
            replace(HARD_AND_SOFT, policy=policy),
            EvictionMemory(),
            Snapshot(observations=observations, candidates=some),
            0,
        )
        for some in (in_order, shuffled)
    )
    assert one == other


@settings(deadline=None)
@given(PODS, st.lists(st.none() | AVAILABLE, min_size=1, max_size=8), st.sampled_from(VictimPolicy))
def test_victims_are_few_never_critical_and_never_without_cause(
    pods: Any, story: list[int | None], policy: VictimPolicy
) -> None:
    node = Node(replace(HARD_AND_SOFT, policy=policy), *pods)
    for number, available in enumerate(story):
        decision = node.look(number * 10, "" if available is None else f"memory.available={available}/20")
        assert len(decision.evictions) <= 1
        assert not any(is_critical(eviction.candidate.pod) for eviction in decision.evictions)
        if decision.evictions:
            assert decision.acted_on in decision.due
            assert available is not None
            assert available < 10, "never above every limit and its reclaim"
        if available is not None and available >= 10:
            assert decision.due == ()


@settings(deadline=None)
@given(PODS, st.lists(AVAILABLE, min_size=2, max_size=6), st.integers(0, 5))
def test_an_interrupted_pass_is_planned_again_to_the_same_end(pods: Any, story: list[int], cut: int) -> None:
    """What was decided but not carried out before an interruption is decided again by the next look."""

    def play(interrupted: int | None) -> list[list[str]]:
        node = Node(HARD_AND_SOFT, *pods)
        plans = []
        for number, available in enumerate(story):
            before = node.memory
            decision = node.look(number * 10, f"memory.available={available}/20")
            if number == interrupted:
                node.memory = before
                decision = node.look(number * 10, f"memory.available={available}/20")
            plans.append(victims(decision))
        return plans

    assert play(min(cut, len(story) - 1)) == play(None)
