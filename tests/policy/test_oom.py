from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podbuilder import GIB, container, init, pod, resources, sidecar

from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import ContainerKind, Pod
from nodeguard.policy.oom import oom_score_adj, spare_bytes, without_negative_scores

BOTH = "cpu=1 memory=1Gi"
NODE = "system-node-critical"


def score(subject: Pod, name: str = "app", memory: int = 8 * GIB) -> int:
    containers = (*subject.all_containers, *subject.ephemeral_containers)
    return oom_score_adj(subject, next(c for c in containers if c.name == name), memory)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(pod(container(requests=BOTH, limits=BOTH)), -997, id="Guaranteed"),
        pytest.param(pod(container()), 1000, id="BestEffort"),
        pytest.param(pod(container(requests="cpu=1")), 999, id="Burstable without a memory request"),
        pytest.param(pod(container(requests="memory=1")), 999, id="a request too small to count"),
        pytest.param(pod(container(requests="memory=128Mi")), 985, id="1000 - 1000*128Mi/8Gi, the quotient truncated"),
        pytest.param(pod(container(requests="memory=4Gi")), 500, id="half of the node"),
        pytest.param(pod(container(requests="memory=8180Mi")), 3, id="2 becomes 3"),
        pytest.param(pod(container(requests="memory=16Gi")), 3, id="more than the node has"),
        pytest.param(
            pod(container(), priority=2_000_001_000, priority_class_name=NODE),
            -997,
            id="node-critical, though BestEffort",
        ),
        pytest.param(
            pod(container(), priority=2_000_000_000, priority_class_name="system-cluster-critical"),
            1000,
            id="cluster-critical has no effect",
        ),
        pytest.param(pod(container(), priority=1, priority_class_name=NODE), 1000, id="the name without the priority"),
        pytest.param(
            pod(
                container(),
                priority_class_name=NODE,
                meta=ObjectMeta(name="p", annotations={"kubernetes.io/config.source": "file"}),
            ),
            -997,
            id="a static pod is critical",
        ),
        pytest.param(
            pod(container(requests="memory=1Gi"), resources=resources("memory=3Gi")),
            625,
            id="what the pod requests beyond its containers is shared among them",
        ),
        pytest.param(
            pod(container(requests="memory=1Gi"), init(requests="memory=2Gi"), resources=resources("memory=4Gi")),
            1000 - 1000 * 2 // 8,
            id="init containers count as sharers, and as what the containers request",
        ),
        pytest.param(
            pod(container(requests="memory=1Gi"), overhead="memory=1Gi", resources=resources("memory=1Gi")),
            875,
            id="overhead is not shared",
        ),
        pytest.param(
            pod(container(requests="memory=1Gi"), resources=resources("cpu=1")), 875, id="a pod level without memory"
        ),
    ],
)
def test_score_of_the_app_container(subject: Pod, expected: int) -> None:
    assert score(subject) == expected


def test_a_sidecar_is_as_safe_as_the_least_safe_app_container() -> None:
    subject = pod(
        sidecar("small", "memory=100Mi"),
        sidecar("large", "memory=6Gi"),
        container("a", "memory=4Gi"),
        container("b", "memory=2Gi"),
    )
    assert [score(subject, name) for name in ("small", "large", "a", "b")] == [750, 250, 500, 750]


def test_a_sidecar_beside_an_app_container_without_request_keeps_its_own() -> None:
    subject = pod(sidecar("s", "memory=2Gi"), sidecar("t", "cpu=1"), container("a", "memory=4Gi"), container("b"))
    assert [score(subject, name) for name in ("s", "t", "b")] == [750, 999, 999]


def test_a_plain_init_container_uses_its_own_request() -> None:
    assert score(pod(init("i", "memory=1Gi"), container("a", "memory=4Gi")), "i") == 875


def test_an_ephemeral_container_counts_as_requesting_nothing() -> None:
    subject = pod(container("a", "memory=4Gi"), container("debug", kind=ContainerKind.EPHEMERAL))
    assert score(subject, "debug") == 999


def test_spare_is_truncated_per_container() -> None:
    assert spare_bytes(pod(container("a"), container("b"), container("c"), resources=resources("memory=100"))) == 33


def test_an_unknown_node_memory_gives_the_least_safe_burstable_score() -> None:
    assert score(pod(container(requests="memory=1Gi")), memory=0) == 999


@given(st.integers(0, 16 * GIB), st.integers(0, 16 * GIB), st.integers(1, 16 * GIB))
def test_a_larger_request_is_never_less_safe(one: int, other: int, memory: int) -> None:
    small, large = sorted((one, other))
    scores = [score(pod(container(requests=f"cpu=1 memory={n}")), memory=memory) for n in (small, large)]
    assert 3 <= scores[1] <= scores[0] <= 999


@given(st.integers(0, 16 * GIB))
def test_without_negative_scores_the_classes_keep_their_order(request_bytes: int) -> None:
    guaranteed, burstable, best_effort = (
        without_negative_scores(score(subject))
        for subject in (
            pod(container(requests=BOTH, limits=BOTH)),
            pod(container(requests=f"cpu=1 memory={request_bytes}")),
            pod(container()),
        )
    )
    assert 0 == guaranteed < burstable < best_effort == 1000
