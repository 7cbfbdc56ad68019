"""How thresholds stand, with their count-downs."""

from __future__ import annotations

import pytest
from evictionbuilder import Node, S, config, seen

from nodeguard.model.eviction import EvictionMemory, EvictionMode
from nodeguard.model.node import MountPlace
from nodeguard.model.signal import Pressure, Signal
from nodeguard.policy.signal_state import SignalState, ThresholdState, condition_ends, in_mode, signal_states, unread

SOFT = config(soft="memory.available<1Gi@90", reclaim="memory.available=500Mi", transition_ns=300 * S)


def state_of(node: Node, figures: str, at: int, unix: float = 1000.0) -> SignalState:
    (state,) = signal_states(node.settings.thresholds, node.memory, seen(figures), {}, now_ns=at * S, now=unix)
    return state


def test_a_soft_threshold_from_its_grace_period_to_its_end() -> None:
    node = Node(SOFT)
    node.look(0, "memory.available=2Gi/8Gi")
    assert state_of(node, "memory.available=2Gi/8Gi", 0).state is ThresholdState.OK

    node.look(10, "memory.available=512Mi/8Gi")
    grace = state_of(node, "memory.available=512Mi/8Gi", 40)
    assert (grace.state, grace.met_since, grace.acts_at) == (ThresholdState.GRACE, 970.0, 1060.0)

    node.look(100, "memory.available=512Mi/8Gi")
    assert state_of(node, "memory.available=512Mi/8Gi", 100).state is ThresholdState.MET

    node.look(110, "memory.available=1100Mi/8Gi")
    reclaiming = state_of(node, "memory.available=1100Mi/8Gi", 110)
    assert reclaiming.state is ThresholdState.RECLAIMING
    assert reclaiming.limit == 1024**3
    assert reclaiming.limit_with_reclaim == 1524 * 1024**2

    node.look(120, "memory.available=2Gi/8Gi")
    assert state_of(node, "memory.available=2Gi/8Gi", 120).state is ThresholdState.OK


def test_a_signal_that_cannot_be_read_is_unknown() -> None:
    state = state_of(Node(SOFT), "", 0)
    assert state.state is ThresholdState.UNKNOWN
    assert (state.available, state.capacity, state.limit) == (None, None, None)


def test_a_file_system_is_named() -> None:
    places = {"imagefs": MountPlace(mount_point="/i", device="/dev/x")}
    thresholds = config("imagefs.available<10% memory.available<1Gi").thresholds
    states = {
        state.signal: state for state in signal_states(thresholds, EvictionMemory(), {}, places, now_ns=0, now=0.0)
    }
    assert states[Signal.IMAGEFS_AVAILABLE].mount_point == "/i"
    assert states[Signal.IMAGEFS_AVAILABLE].device == "/dev/x"
    assert states[Signal.MEMORY_AVAILABLE].mount_point is None


@pytest.mark.parametrize(("at", "ends"), [(10, 1300.0), (110, 1200.0), (310, 1000.0)])
def test_when_a_condition_ends(at: int, ends: float) -> None:
    node = Node(config("memory.available<1Gi", transition_ns=300 * S))
    node.look(10, "memory.available=1Mi/8Gi")
    assert condition_ends(node.memory, 300 * S, now_ns=at * S, now=1000.0) == {Pressure.MEMORY: ends}


def test_what_cannot_be_read_is_named_once() -> None:
    thresholds = config("nodefs.available<10% nodefs.inodesFree<5%", "nodefs.available<20%@60").thresholds
    assert unread(thresholds, seen("nodefs.inodesFree=1/2"), [Pressure.DISK]) == {
        Pressure.DISK: "nodefs.available cannot be read"
    }
    assert unread(thresholds, {}, []) == {}


def test_the_pods_cgroup_is_named_only_when_it_is_the_one() -> None:
    thresholds = config("memory.available<1Gi", enforce=("pods",)).thresholds
    unknown = [Pressure.MEMORY]
    assert unread(thresholds, {}, unknown)[Pressure.MEMORY] == "memory.available cannot be read"
    found = unread(thresholds, seen("memory.available=1Gi/2Gi"), unknown)
    assert found[Pressure.MEMORY] == "allocatableMemory.available cannot be read"


def test_what_is_off_is_not_there_and_what_is_on_trial_is_marked() -> None:
    thresholds = config("memory.available<1Gi nodefs.available<10% pid.available<5%").thresholds
    modes = {Signal.MEMORY_AVAILABLE: EvictionMode.OFF, Signal.PID_AVAILABLE: EvictionMode.OBSERVE}
    in_force = in_mode(thresholds, modes, EvictionMode.ENFORCE, EvictionMode.OBSERVE)
    on_trial = in_mode(thresholds, modes, EvictionMode.OBSERVE)
    states = signal_states(in_force, EvictionMemory(), {}, {}, now_ns=0, now=0.0, on_trial=on_trial)
    assert [(state.signal, state.on_trial) for state in states] == [
        (Signal.NODEFS_AVAILABLE, False),
        (Signal.PID_AVAILABLE, True),
    ]
