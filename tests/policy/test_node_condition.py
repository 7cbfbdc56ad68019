"""The node's conditions and the taints that follow: CON-1 to CON-3, section 11.2."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.model.node import NodeCondition
from nodeguard.model.placement import Taint
from nodeguard.model.signal import Pressure
from nodeguard.policy.node_condition import (
    ConditionChange,
    Verdict,
    condition_taints,
    merged,
    pressure_verdicts,
    ready_verdict,
    report,
    silenced,
    told_of,
)

TABLE = {
    ("MemoryPressure", "True"): ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ("MemoryPressure", "False"): ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "True"): ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ("DiskPressure", "False"): ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "True"): ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ("PIDPressure", "False"): ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}
SUBSETS = st.sets(st.sampled_from(list(Pressure)))


def told(
    seen: Sequence[Pressure] = (),
    unknown: Sequence[Pressure] = (),
    before: Sequence[NodeCondition] = (),
    now: float = 1.0,
) -> ConditionChange:
    return report(pressure_verdicts(seen, unknown), before, now)


def condition(type_: str, status: str, *, since: float = 1.0, heartbeat: float = 1.0) -> NodeCondition:
    return NodeCondition(
        type=type_,
        status=status,
        reason=f"{type_}{status}",
        message="",
        last_heartbeat_at=heartbeat,
        last_transition_at=since,
    )


@pytest.mark.parametrize(("kind", "status"), TABLE, ids=[f"CON-2 {kind} {status}" for kind, status in TABLE])
def test_texts_and_events(kind: str, status: str) -> None:
    change = told([Pressure(kind)] if status == "True" else [], now=5.0)
    (found,) = (one for one in change.conditions if one.type == kind)
    assert (found.status, found.reason, found.message) == (status, *TABLE[kind, status])
    assert found.reason.replace("Kubelet", "Node") in change.events


def test_a_true_condition_says_its_numbers_after_the_kubelets_words() -> None:
    details = {Pressure.MEMORY: "memory.available is 1 of 2", Pressure.DISK: "nodefs.available cannot be read"}
    memory, disk, pid = pressure_verdicts([Pressure.MEMORY], [Pressure.DISK], details)
    assert memory.message == "kubelet has insufficient memory available: memory.available is 1 of 2"
    assert disk.message == "kubelet cannot tell: nodefs.available cannot be read"
    assert pid.message == "kubelet has sufficient PID available"


def test_con_1_only_a_change_is_a_transition() -> None:
    first = told()
    assert len(first.events) == 3, "a new record starts from Unknown"
    second = told(before=first.conditions, now=2.0)
    assert second.events == ()
    assert {(c.last_heartbeat_at, c.last_transition_at) for c in second.conditions} == {(2.0, 1.0)}
    third = told([Pressure.DISK], before=second.conditions, now=3.0)
    assert third.events == ("NodeHasDiskPressure",)
    assert [(c.status, c.last_transition_at) for c in third.conditions] == [
        ("False", 1.0),
        ("True", 3.0),
        ("False", 1.0),
    ]


def test_con_1_the_message_is_that_of_the_transition() -> None:
    first = report(pressure_verdicts([Pressure.MEMORY], details={Pressure.MEMORY: "95Mi"}), (), 1.0)
    second = report(pressure_verdicts([Pressure.MEMORY], details={Pressure.MEMORY: "90Mi"}), first.conditions, 2.0)
    assert second.conditions[0].message == "kubelet has insufficient memory available: 95Mi"


def test_what_cannot_be_measured_is_unknown_unless_it_was_seen() -> None:
    change = told([Pressure.MEMORY], [Pressure.MEMORY, Pressure.PID])
    assert [condition.status for condition in change.conditions] == ["True", "False", "Unknown"]
    assert change.conditions[2].reason == "SignalUnknown"
    assert len(change.events) == 2


@given(SUBSETS, SUBSETS)
def test_unknown_never_makes_a_condition_true(seen: set[Pressure], unknown: set[Pressure]) -> None:
    for verdict in pressure_verdicts(seen, unknown):
        assert (verdict.status == "True") == (verdict.type in seen)
        assert (verdict.status == "Unknown") == (verdict.type in unknown - seen)


@given(st.lists(st.tuples(SUBSETS, SUBSETS), min_size=1, max_size=8))
def test_transitions_are_where_the_status_changes(passes: list[tuple[set[Pressure], set[Pressure]]]) -> None:
    before: tuple[NodeCondition, ...] = ()
    for number, (seen, unknown) in enumerate(passes, start=1):
        change = report(pressure_verdicts(seen, unknown), before, float(number))
        for now in change.conditions:
            old = next((one for one in before if one.type == now.type), None)
            assert now.last_heartbeat_at == number
            assert now.last_transition_at <= number
            if old is not None and old.status == now.status:
                assert (now.last_transition_at, now.reason, now.message) == (
                    old.last_transition_at,
                    old.reason,
                    old.message,
                )
            else:
                assert now.last_transition_at == number
        assert len(change.events) <= len(change.conditions)
        before = change.conditions


def test_ready_says_the_latest_reason() -> None:
    first = report([ready_verdict()], (), 1.0)
    assert (first.conditions[0].reason, first.conditions[0].message) == (
        "KubeletReady",
        "kubelet is posting ready status",
    )
    assert first.events == ("NodeReady",)
    second = report([ready_verdict(["one"])], first.conditions, 2.0)
    third = report([ready_verdict(["one", "two"])], second.conditions, 3.0)
    assert second.events == ("NodeNotReady",)
    assert third.events == ()
    (ready,) = third.conditions
    assert (ready.status, ready.reason, ready.message) == ("False", "KubeletNotReady", "[one, two]")
    assert (ready.last_heartbeat_at, ready.last_transition_at) == (3.0, 2.0)


def test_a_verdict_without_an_event_changes_in_silence() -> None:
    verdict = Verdict(type="IOPressure", status="True", reason="IOContended", message="")
    assert report([verdict], (), 1.0).events == ()


def test_events_are_in_the_kubelets_words() -> None:
    (event,) = told_of("n1", ["NodeHasDiskPressure"])
    assert (event.type, event.reason) == ("Normal", "NodeHasDiskPressure")
    assert event.message == "Node n1 status is now: NodeHasDiskPressure"


@pytest.mark.parametrize(
    ("heard_at", "now", "reason"),
    [
        pytest.param(100.0, 150.0, None, id="CON-3 fifty seconds are borne"),
        pytest.param(100.0, 150.1, "NodeStatusUnknown", id="CON-3 then nothing is believed any more"),
        pytest.param(None, 150.0, "NodeStatusNeverUpdated", id="nobody ever said anything"),
    ],
)
def test_silence(heard_at: float | None, now: float, reason: str | None) -> None:
    said = (condition("MemoryPressure", "True"), condition("Ready", "True"))
    found = silenced(said, heard_at=heard_at, now=now)
    if reason is None:
        assert found == said
        return
    assert {(one.status, one.reason, one.last_transition_at) for one in found} == {("Unknown", reason, now)}
    assert {one.last_heartbeat_at for one in found} == {1.0}, "what was heard last"


@pytest.mark.parametrize(
    ("type_", "status", "taints"),
    [
        ("MemoryPressure", "True", ["memory-pressure:NoSchedule"]),
        ("DiskPressure", "True", ["disk-pressure:NoSchedule"]),
        ("PIDPressure", "True", ["pid-pressure:NoSchedule"]),
        ("NetworkUnavailable", "True", ["network-unavailable:NoSchedule"]),
        ("MemoryPressure", "Unknown", []),
        ("DiskPressure", "False", []),
        ("CPUPressure", "True", []),
        ("OutOfDisk", "True", []),
        ("Ready", "True", []),
        ("Ready", "False", ["not-ready:NoSchedule", "not-ready:NoExecute"]),
        ("Ready", "Unknown", ["unreachable:NoSchedule", "unreachable:NoExecute"]),
    ],
)
def test_section_11_2_taints(type_: str, status: str, taints: list[str]) -> None:
    wanted = [text.partition(":") for text in taints]
    assert condition_taints([condition(type_, status)]) == tuple(
        Taint(key=f"node.kubernetes.io/{key}", effect=effect) for key, _, effect in wanted
    )


def test_an_unschedulable_node_has_its_taint() -> None:
    assert condition_taints([], unschedulable=True) == (
        Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule"),
    )


@given(SUBSETS)
def test_tnt_2_pressure_alone_removes_no_running_pod(seen: set[Pressure]) -> None:
    assert {taint.effect for taint in condition_taints(told(sorted(seen)).conditions)} <= {"NoSchedule"}


def test_of_several_agents_the_one_that_sees_pressure_is_believed() -> None:
    calm = [condition("MemoryPressure", "False", since=1, heartbeat=9), condition("DiskPressure", "Unknown")]
    tight = [condition("MemoryPressure", "True", since=5, heartbeat=6), condition("DiskPressure", "False", since=3)]
    late = [condition("MemoryPressure", "True", since=7, heartbeat=7)]
    memory, disk = merged([calm, tight, late])
    assert (memory.status, memory.last_transition_at, memory.last_heartbeat_at) == ("True", 5, 9)
    assert disk.status == "False"
