"""The node as one sees it from outside, put together from what several processes tell."""

from __future__ import annotations

from dataclasses import replace

from podbuilder import amounts

from nodeguard.agent.node_file import NodeFile
from nodeguard.agent.node_view import put_together
from nodeguard.agent.record import Owner
from nodeguard.model.node import NodeCondition, NodeFacts
from nodeguard.model.signal import Signal
from nodeguard.policy.pod_share import PodShare
from nodeguard.policy.signal_state import SignalState, ThresholdState

FACTS = NodeFacts(name="n1", registered_at=0.0, capacity=amounts("cpu=4"), allocatable=amounts("cpu=4"))


def condition(type_: str, status: str) -> NodeCondition:
    return NodeCondition(
        type=type_, status=status, reason=status, message="", last_heartbeat_at=1.0, last_transition_at=1.0
    )


def state(available: int, threshold: str = "memory.available<1Gi/hard") -> SignalState:
    signal = Signal(threshold.partition("<")[0])
    return SignalState(signal=signal, threshold=threshold, state=ThresholdState.OK, available=available)


def pod(name: str) -> PodShare:
    return PodShare(
        namespace="default",
        name=name,
        uid=name,
        qos_class="BestEffort",
        priority=0,
        requests={},
        limits={},
        started_at=0.0,
    )


def file_of(pid: int, renewed_at: float, status: str, **fields: object) -> NodeFile:
    base = NodeFile(
        owner=Owner(pid=pid, start_time_ticks=pid, boot_id="b"),
        renewed_at=renewed_at,
        facts=FACTS,
        conditions=(condition("MemoryPressure", status), condition("Ready", "True")),
    )
    return replace(base, **fields)  # type: ignore[arg-type]


def test_several_agents_make_one_node() -> None:
    files = (
        file_of(1, 100.0, "False", pods=(pod("b"),), signals=(state(5), state(1, "pid.available<5%/hard"))),
        file_of(2, 105.0, "True", pods=(pod("a"),), signals=(state(4),), ends={"MemoryPressure": 500.0}),
    )
    view = put_together(files, monotonic=106.0, now=1000.0)
    assert {one["type"]: one["status"] for one in view.node["status"]["conditions"]} == {
        "MemoryPressure": "True",
        "Ready": "True",
    }
    assert [taint["key"] for taint in view.node["spec"]["taints"]] == ["node.kubernetes.io/memory-pressure"]
    assert view.agents == (1, 2)
    assert view.renewed_at == 999.0
    assert [(one.signal, one.available) for one in view.signals] == [
        (Signal.MEMORY_AVAILABLE, 4),
        (Signal.PID_AVAILABLE, 1),
    ], "of the same threshold the freshest word, in the order of signals"
    assert [one.name for one in view.pods] == ["a", "b"]
    assert view.ends == {"MemoryPressure": 500.0}


def test_one_that_hangs_does_not_spoil_the_others() -> None:
    files = (file_of(1, 10.0, "True"), file_of(2, 105.0, "False"))
    view = put_together(files, monotonic=106.0, now=1000.0)
    assert {one["type"]: one["status"] for one in view.node["status"]["conditions"]} == {
        "MemoryPressure": "False",
        "Ready": "True",
    }


def test_all_of_them_hang() -> None:
    view = put_together((file_of(1, 10.0, "True"),), monotonic=106.0, now=1000.0)
    assert {one["status"] for one in view.node["status"]["conditions"]} == {"Unknown"}
    assert {taint["key"] for taint in view.node["spec"]["taints"]} == {"node.kubernetes.io/unreachable"}
