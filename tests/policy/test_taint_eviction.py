"""NoExecute and default tolerations: TNT-1, TNT-2, TNT-3."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodebuilder import bears, guaranteed, placed, taint

from nodeguard.model.placement import NO_EXECUTE, NO_SCHEDULE, Taint, Toleration
from nodeguard.model.pod import Pod
from nodeguard.policy.taint import is_tolerated
from nodeguard.policy.taint_eviction import seconds_until_eviction, with_default_tolerations

PRESSURE = [Taint(key=f"node.kubernetes.io/{name}-pressure", effect=NO_SCHEDULE) for name in ("memory", "disk", "pid")]
NOT_READY = taint("node.kubernetes.io/not-ready:NoExecute")
UNREACHABLE = taint("node.kubernetes.io/unreachable:NoExecute")


def lasting(toleration: Toleration, seconds: int | None) -> Toleration:
    return replace(toleration, seconds=seconds)


A, B = bears("a", operator="Exists"), bears("b", operator="Exists")


@pytest.mark.parametrize(
    ("taints", "tolerations", "seconds"),
    [
        pytest.param([], [], None, id="no taint"),
        pytest.param(["a=:NoSchedule"], [], None, id="TNT-2 NoSchedule removes nobody"),
        pytest.param(["a=:NoExecute"], [], 0.0, id="TNT-1 not tolerated: at once"),
        pytest.param(["a=:NoExecute"], [A], None, id="TNT-1 tolerated without a time: never"),
        pytest.param(["a=:NoExecute"], [lasting(A, 30)], 30.0, id="TNT-1 tolerated for a time"),
        pytest.param(["a=:NoExecute"], [lasting(A, 0)], 0.0, id="TNT-1 no time at all"),
        pytest.param(["a=:NoExecute"], [lasting(A, -5)], 0.0, id="TNT-1 less than no time"),
        pytest.param(["a=:NoExecute", "b=:NoExecute"], [lasting(A, 30), lasting(B, 20)], 20.0, id="TNT-1 the smallest"),
        pytest.param(["a=:NoExecute", "b=:NoExecute"], [lasting(A, 30), B], 30.0, id="without a time sets no limit"),
        pytest.param(["a=:NoExecute", "b=:NoExecute"], [lasting(A, 30)], 0.0, id="one of two is not tolerated"),
        pytest.param(["a=:NoExecute"], [A, lasting(A, 30)], None, id="the first that fits is used"),
        pytest.param(["a=:NoExecute", "b=:NoSchedule"], [lasting(A, 9)], 9.0, id="the other effect does not matter"),
        pytest.param(["a=:NoExecute"], [lasting(bears(operator="Exists"), 7)], 7.0, id="an empty key is every key"),
    ],
)
def test_tnt_1(taints: list[str], tolerations: list[Toleration], seconds: float | None) -> None:
    assert seconds_until_eviction(map(taint, taints), tolerations) == seconds


@given(st.lists(st.sampled_from(PRESSURE)))
def test_tnt_2_pressure_removes_nobody(taints: list[Taint]) -> None:
    assert seconds_until_eviction(taints, ()) is None


def test_tnt_3_five_minutes_beside_a_node_that_is_not_ready() -> None:
    pod = with_default_tolerations(placed("p"))
    assert [(one.key, one.effect, one.seconds) for one in pod.tolerations] == [
        ("node.kubernetes.io/not-ready", NO_EXECUTE, 300),
        ("node.kubernetes.io/unreachable", NO_EXECUTE, 300),
    ]
    assert seconds_until_eviction([NOT_READY], pod.tolerations) == 300.0


@pytest.mark.parametrize(
    "own",
    [
        lasting(bears("node.kubernetes.io/not-ready", effect=NO_EXECUTE, operator="Exists"), 5),
        lasting(bears("node.kubernetes.io/not-ready", operator="Exists"), 5),
        lasting(bears(operator="Exists"), 5),
    ],
)
def test_tnt_3_the_pods_own_word_counts(own: Toleration) -> None:
    pod = with_default_tolerations(placed("p", tolerations=(own,)))
    assert seconds_until_eviction([NOT_READY], pod.tolerations) == 5.0
    assert seconds_until_eviction([UNREACHABLE], pod.tolerations) == (5.0 if own.key == "" else 300.0)


def test_tnt_3_a_toleration_of_another_effect_is_none_of_this_one() -> None:
    own = bears("node.kubernetes.io/not-ready", effect=NO_SCHEDULE, operator="Exists")
    assert len(with_default_tolerations(placed("p", tolerations=(own,))).tolerations) == 3


@pytest.mark.parametrize(
    ("pod", "tolerates"),
    [
        (placed("besteffort"), False),
        (placed("burstable", "cpu=1"), True),
        (guaranteed("guaranteed", "cpu=1 memory=1Gi"), True),
    ],
    ids=["BestEffort", "Burstable", "Guaranteed"],
)
def test_tnt_3_memory_pressure(pod: Pod, tolerates: bool) -> None:
    assert is_tolerated(PRESSURE[0], with_default_tolerations(pod).tolerations) is tolerates
    assert not is_tolerated(PRESSURE[1], with_default_tolerations(pod).tolerations)


def test_tnt_3_a_daemons_pod_stays_whatever_happens() -> None:
    plain = placed("d")
    daemon = replace(plain, meta=replace(plain.meta, controller_kind="DaemonSet"))
    tolerations = with_default_tolerations(daemon).tolerations
    unschedulable = taint("node.kubernetes.io/unschedulable:NoSchedule")
    assert seconds_until_eviction([NOT_READY, UNREACHABLE], tolerations) is None
    assert all(is_tolerated(one, tolerations) for one in (*PRESSURE, unschedulable))
    network = taint("node.kubernetes.io/network-unavailable:NoSchedule")
    assert not is_tolerated(network, tolerations)
    on_host = replace(daemon, host_network=True)
    assert is_tolerated(network, with_default_tolerations(on_host).tolerations)


@given(st.sampled_from(["", "cpu=1"]), st.lists(st.sampled_from([A, B, lasting(A, 3)]), max_size=3))
def test_adding_twice_adds_once(requests: str, own: list[Toleration]) -> None:
    once = with_default_tolerations(placed("p", requests, tolerations=tuple(own)))
    assert with_default_tolerations(once) == once
    assert once.tolerations[: len(own)] == tuple(own)
