from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodebuilder import guaranteed, placed
from podbuilder import MIB, container, init, pod, resources, sidecar

from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import Pod, QOSClass
from nodeguard.policy.kubelet_preemption import choose_victims, may_preempt, preemption_request

CLUSTER = placed("cluster", "cpu=100m memory=100Mi", priority=2_000_000_000)
NODE = placed("node", "cpu=100m memory=100Mi", priority=2_000_000_100)
BE = placed("be")
BU = placed("bu", "cpu=100m memory=100Mi")
BIG_BU = placed("big-bu", "cpu=300m memory=300Mi")
GU = guaranteed("gu", "cpu=100m memory=100Mi")
BIG_GU = guaranteed("big-gu", "cpu=300m memory=300Mi")


def needs(cpu: int = 0, memory_mib: int = 0, pods: int = 0) -> dict[str, int]:
    found = {"pods": pods, "cpu": cpu, "memory": memory_mib * MIB}
    return {name: need for name, need in found.items() if need}


def names(pods: tuple[Pod, ...]) -> list[str]:
    return [victim.meta.name for victim in pods]


@pytest.mark.parametrize(
    ("newcomer", "active", "missing", "victims"),
    [
        pytest.param(CLUSTER, [], needs(), [], id="nothing is needed"),
        pytest.param(CLUSTER, [BU], needs(100, 100, 1), ["bu"], id="one pod is just what is needed"),
        pytest.param(CLUSTER, [BU, BE], needs(pods=1), ["be"], id="BestEffort before Burstable"),
        pytest.param(CLUSTER, [BU, GU], needs(pods=1), ["bu"], id="Burstable before Guaranteed"),
        pytest.param(CLUSTER, [BE, BIG_BU, BU], needs(100, 100), ["bu"], id="the small one, if it does"),
        pytest.param(CLUSTER, [BE, BU, BIG_BU], needs(150, 150), ["big-bu"], id="the big one if need be"),
        pytest.param(CLUSTER, [BE, BU, BIG_BU, GU, BIG_GU], needs(350, 350), ["big-bu", "bu"], id="several"),
        pytest.param(
            CLUSTER,
            [BE, BU, BIG_BU, GU, BIG_GU],
            needs(0, 550),
            ["big-bu", "big-gu"],
            id="a Guaranteed one when it must be, and then no Burstable one too many",
        ),
        pytest.param(NODE, [CLUSTER], needs(100), ["cluster"], id="a critical one for one of higher priority"),
        pytest.param(CLUSTER, [BE, GU, placed("be2")], needs(pods=2), ["be2", "be"], id="of equals the later one"),
        pytest.param(
            CLUSTER,
            [placed(name) for name in "abcd"],
            needs(pods=3),
            ["d", "c", "b"],
            id="BestEffort pods go from the end of the list",
        ),
        pytest.param(
            CLUSTER,
            [placed("a", "cpu=1m"), placed("b", "cpu=9m"), placed("c", "cpu=1m"), placed("d", "cpu=1m")],
            needs(11),
            ["b", "c", "d"],
            id="the last one moves to the place of the one that was taken",
        ),
        pytest.param(
            CLUSTER,
            [placed("a", "cpu=100m memory=2"), placed("b", "cpu=200m memory=1")],
            needs(100),
            ["b"],
            id="of equally close ones the one with the smaller memory request",
        ),
        pytest.param(
            CLUSTER,
            [placed("a", "cpu=100m memory=1"), placed("b", "cpu=200m memory=1")],
            needs(100),
            ["a"],
            id="then the one with the smaller cpu request",
        ),
        pytest.param(
            CLUSTER,
            [placed("low", "cpu=200m", priority=-9), placed("high", "cpu=100m", priority=9)],
            needs(100),
            ["high"],
            id="priority does not order victims",
        ),
        pytest.param(
            CLUSTER,
            [placed("a", "cpu=40m memory=200Mi"), placed("b", "cpu=80m memory=100Mi"), placed("c", "cpu=60m")],
            needs(100, 200),
            ["b", "a"],
            id="every resource weighs the same: 0.04 + 0.25 is closer than 0.36",
        ),
    ],
)  # fmt: skip
def test_choose_victims(newcomer: Pod, active: list[Pod], missing: dict[str, int], victims: list[str]) -> None:
    choice = choose_victims(newcomer, active, missing)
    assert (names(choice.victims), dict(choice.unmet)) == (victims, {})


@pytest.mark.parametrize(
    ("newcomer", "active", "missing", "unmet"),
    [
        pytest.param(CLUSTER, [CLUSTER], needs(pods=1), {"pods": 1}, id="no critical pod for one of equal priority"),
        pytest.param(CLUSTER, [BE], needs(0, 1), {"memory": MIB}, id="BestEffort pods free nothing but their place"),
        pytest.param(CLUSTER, [], needs(pods=1), {"pods": 1}, id="nobody there"),
        pytest.param(CLUSTER, [NODE], needs(100), {"cpu": 100}, id="no critical pod of higher priority"),
        pytest.param(
            CLUSTER, [BU], needs(200, 50, 2), {"pods": 1, "cpu": 100}, id="what all of them together leave is told"
        ),
    ],
)
def test_needs_that_cannot_be_met(
    newcomer: Pod, active: list[Pod], missing: dict[str, int], unmet: dict[str, int]
) -> None:
    choice = choose_victims(newcomer, active, missing)
    assert (choice.victims, dict(choice.unmet)) == ((), unmet)


@pytest.mark.parametrize(
    ("newcomer", "victim", "expected"),
    [
        pytest.param(CLUSTER, BU, True, id="critical over any other"),
        pytest.param(placed("s", annotations={"kubernetes.io/config.source": "file"}), placed("p", priority=9), True,
                     id="a static pod over one of higher priority"),
        pytest.param(CLUSTER, placed("s", annotations={"kubernetes.io/config.source": "file"}), True,
                     id="over a static pod by priority"),
        pytest.param(CLUSTER, placed("s", annotations={"kubernetes.io/config.source": "file"}, priority=None), False,
                     id="not over a static pod without priority"),
        pytest.param(placed("a", priority=2), placed("b", priority=1), True, id="by priority"),
        pytest.param(placed("a", priority=1), placed("b", priority=1), False, id="not at equal priority"),
        pytest.param(placed("a", priority=None), placed("b", priority=-1), False, id="not without priority"),
    ],
)  # fmt: skip
def test_may_preempt(newcomer: Pod, victim: Pod, expected: bool) -> None:
    assert may_preempt(newcomer, victim) is expected


@pytest.mark.parametrize(
    ("subject", "resource", "expected"),
    [
        pytest.param(BE, "pods", 1, id="every pod is one"),
        pytest.param(BU, "cpu", 100, id="millicpu"),
        pytest.param(BE, "memory", 0, id="nothing"),
        pytest.param(pod(init(requests="cpu=3"), sidecar(requests="cpu=1"), container(requests="cpu=1")), "cpu", 3000,
                     id="the most demanding phase"),
        pytest.param(pod(container(requests="cpu=1"), overhead="cpu=250m"), "cpu", 1250, id="with overhead"),
        pytest.param(pod(container(), overhead="cpu=250m"), "cpu", 0, id="overhead alone is nothing"),
        pytest.param(pod(container(requests="cpu=2 memory=1Mi"), resources=resources("cpu=1")), "cpu", 1000,
                     id="the pod level"),
        pytest.param(pod(container(requests="cpu=2 memory=1Mi"), resources=resources("cpu=1")), "memory", 0,
                     id="the pod level alone, even for what it lacks"),
        pytest.param(pod(container(requests="cpu=2"), resources=resources()), "cpu", 2000, id="an empty stanza"),
    ],
)  # fmt: skip
def test_preemption_request(subject: Pod, resource: str, expected: int) -> None:
    assert preemption_request(subject, resource) == expected


pods_strategy = st.lists(
    st.builds(
        lambda cpu, memory, qos, priority: (cpu, memory, qos, priority),
        st.integers(0, 40),
        st.integers(0, 40),
        st.sampled_from(QOSClass),
        st.sampled_from([0, 1, 2_000_000_000, 2_000_001_000]),
    ),
    max_size=9,
)


@given(pods_strategy, st.dictionaries(st.sampled_from(["pods", "cpu", "memory"]), st.integers(1, 60), min_size=1))
def test_victims_meet_the_needs_and_are_allowed(
    drawn: list[tuple[int, int, QOSClass, int]], missing: dict[str, int]
) -> None:
    active = [
        pod(container(requests=f"cpu={c}m memory={m}"), meta=ObjectMeta(name=f"p{i}"), qos_class=q, priority=p)
        for i, (c, m, q, p) in enumerate(drawn)
    ]
    choice = choose_victims(CLUSTER, active, missing)
    assert all(may_preempt(CLUSTER, victim) for victim in choice.victims)
    if choice.unmet:
        assert not choice.victims
    for name, need in missing.items():
        freed = sum(preemption_request(victim, name) for victim in choice.victims)
        assert freed >= need or choice.unmet
    order = [list(QOSClass).index(victim.qos_class or QOSClass.BEST_EFFORT) for victim in choice.victims]
    assert order == sorted(order, reverse=True)
