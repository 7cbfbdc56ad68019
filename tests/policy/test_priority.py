from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podbuilder import container, pod

from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import Pod, PriorityClass
from nodeguard.policy.priority import is_critical, is_node_critical, resolve


def a_class(name: str, value: int = 0, default: bool = False, policy: str = "PreemptLowerPriority") -> PriorityClass:
    return PriorityClass(
        meta=ObjectMeta(name=name, namespace=""), value=value, global_default=default, preemption_policy=policy
    )


def a_pod(name: str = "", priority: int | None = None, policy: str = "", **annotations: str) -> Pod:
    notes = {f"kubernetes.io/config.{key}": value for key, value in annotations.items()}
    meta = ObjectMeta(name="p", annotations=notes)
    return pod(container(), meta=meta, priority_class_name=name, priority=priority, preemption_policy=policy)


HIGH = a_class("high", 1000, policy="Never")
CLASSES = (HIGH, a_class("low", -5), a_class("usual", 7, default=True), a_class("rare", 3, default=True))


@pytest.mark.parametrize(
    ("subject", "classes", "expected"),
    [
        pytest.param(a_pod(), (), (0, "", "PreemptLowerPriority"), id="no class and no default"),
        pytest.param(a_pod(), CLASSES, (3, "rare", "PreemptLowerPriority"), id="the smallest default is written in"),
        pytest.param(a_pod("high"), CLASSES, (1000, "high", "Never"), id="a class"),
        pytest.param(a_pod("low"), CLASSES, (-5, "low", "PreemptLowerPriority"), id="a negative one"),
        pytest.param(a_pod("high", 1000, "Never"), CLASSES, (1000, "high", "Never"), id="what the class says anyway"),
        pytest.param(
            a_pod("", 0, "PreemptLowerPriority"), (), (0, "", "PreemptLowerPriority"), id="what follows anyway"
        ),
        pytest.param(
            a_pod("system-node-critical"),
            (),
            (2_000_001_000, "system-node-critical", "PreemptLowerPriority"),
            id="system",
        ),
        pytest.param(
            a_pod("system-cluster-critical"),
            (),
            (2_000_000_000, "system-cluster-critical", "PreemptLowerPriority"),
            id="the other system class",
        ),
    ],
)
def test_resolve(subject: Pod, classes: tuple[PriorityClass, ...], expected: tuple[int, str, str]) -> None:
    resolution = resolve(subject, classes)
    found = resolution.pod
    assert resolution.errors == ()
    assert (found.priority, found.priority_class_name, found.preemption_policy) == expected


@pytest.mark.parametrize(
    ("subject", "errors", "priority"),
    [
        pytest.param(
            a_pod("none"),
            ["spec.priorityClassName: no PriorityClass with name 'none' was found"],
            0,
            id="unknown class",
        ),
        pytest.param(
            a_pod("high", 1, "PreemptLowerPriority"),
            [
                "spec.priority: 1 contradicts 1000 of PriorityClass 'high'",
                "spec.preemptionPolicy: 'PreemptLowerPriority' contradicts 'Never' of PriorityClass 'high'",
            ],
            1,
            id="all contradictions at once; the manifest's own is kept",
        ),
        pytest.param(
            a_pod("low", policy="Never"),
            ["spec.preemptionPolicy: 'Never' contradicts 'PreemptLowerPriority' of PriorityClass 'low'"],
            -5,
            id="the priority is filled in",
        ),
    ],
)
def test_refused(subject: Pod, errors: list[str], priority: int) -> None:
    resolution = resolve(subject, CLASSES)
    assert [str(error) for error in resolution.errors] == errors
    assert resolution.pod.priority == priority


def test_refused_without_class() -> None:
    resolution = resolve(a_pod(priority=9), ())
    assert [str(e) for e in resolution.errors] == ["spec.priority: 9 contradicts 0 of a pod without PriorityClass"]


@given(st.sampled_from(["", "high", "low", "system-node-critical"]))
def test_resolving_again_changes_nothing(name: str) -> None:
    once = resolve(a_pod(name), CLASSES)
    assert resolve(once.pod, CLASSES) == once


@pytest.mark.parametrize(
    ("subject", "critical", "node_critical"),
    [
        (a_pod(priority=1_999_999_999), False, False),
        (a_pod(priority=2_000_000_000), True, False),
        (a_pod("system-node-critical", 2_000_000_000), True, True),
        (a_pod("system-cluster-critical", 2_000_000_000), True, False),
        (a_pod(source="file"), True, False),
        (a_pod(source="http"), True, False),
        (a_pod(source="api"), False, False),
        (a_pod(mirror="x"), True, False),
        (a_pod("system-node-critical", source="file"), True, True),
        (a_pod("system-node-critical"), False, False),
    ],
)
def test_critical(subject: Pod, critical: bool, node_critical: bool) -> None:
    assert (is_critical(subject), is_node_critical(subject)) == (critical, node_critical)
