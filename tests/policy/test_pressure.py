"""Pressure as conditions and taints: CON-1, CON-2, section 11.2."""

from __future__ import annotations

import pytest

from nodeguard.model.placement import Taint
from nodeguard.model.signal import Pressure
from nodeguard.policy.pressure import pressure_taints, report

TABLE = {
    ("MemoryPressure", "True"): ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ("MemoryPressure", "False"): ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "True"): ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ("DiskPressure", "False"): ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "True"): ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ("PIDPressure", "False"): ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}


@pytest.mark.parametrize(("kind", "status"), TABLE, ids=[f"CON-2 {kind} {status}" for kind, status in TABLE])
def test_texts_and_events(kind: str, status: str) -> None:
    seen = [Pressure(kind)] if status == "True" else []
    change = report(seen, (), (), 5.0)
    (condition,) = (one for one in change.conditions if one.type == kind)
    assert (condition.status, condition.reason, condition.message) == (status, *TABLE[kind, status])
    assert condition.reason.replace("Kubelet", "Node") in change.events


def test_con_1_only_a_change_is_a_transition() -> None:
    first = report((), (), (), 1.0)
    assert len(first.events) == 3, "a new record starts from Unknown"
    second = report((), (), first.conditions, 2.0)
    assert second.events == ()
    assert {(c.last_heartbeat_at, c.last_transition_at) for c in second.conditions} == {(2.0, 1.0)}
    third = report([Pressure.DISK], (), second.conditions, 3.0)
    assert third.events == ("NodeHasDiskPressure",)
    assert [(c.status, c.last_transition_at) for c in third.conditions] == [
        ("False", 1.0),
        ("True", 3.0),
        ("False", 1.0),
    ]


def test_what_cannot_be_measured_is_unknown_unless_it_was_seen() -> None:
    change = report([Pressure.MEMORY], [Pressure.MEMORY, Pressure.PID], (), 1.0)
    assert [condition.status for condition in change.conditions] == ["True", "False", "Unknown"]
    assert change.conditions[2].reason == "SignalUnknown"
    assert len(change.events) == 2


def test_taints_keep_new_pods_away() -> None:
    assert pressure_taints([]) == ()
    assert pressure_taints([Pressure.PID, Pressure.MEMORY, Pressure.DISK]) == tuple(
        Taint(key=f"node.kubernetes.io/{name}-pressure", effect="NoSchedule") for name in ("memory", "disk", "pid")
    )
