"""What an evicted pod is told: TXT-1 to TXT-5 and TXT-10."""

from __future__ import annotations

from typing import Any

import pytest
from evictionbuilder import named
from podbuilder import container, init, pod, resources

from nodeguard.model.eviction import Candidate, Observation
from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import Pod
from nodeguard.model.signal import Signal
from nodeguard.model.stats import ContainerUsage, FsUsage, MemoryUsage, PodUsage
from nodeguard.model.threshold import Threshold, parse_value
from nodeguard.policy.eviction_facts import facts_of
from nodeguard.policy.eviction_message import EvictionMessage, eviction_message

GIB = 1 << 30
MEMORY = "The node was low on resource: memory. Threshold quantity: 2Gi, available: 1536Mi. "
STORAGE = "The node was low on resource: ephemeral-storage. Threshold quantity: 2Gi, available: 1536Mi. "
NOBODY = {"offending_containers": "", "offending_containers_usage": ""}


def told(one: Pod, usage: PodUsage | None, signal: str = "memory.available", limit: str = "2Gi") -> EvictionMessage:
    value = parse_value(limit)
    assert value is not None
    observed = Observation(available=3 * GIB // 2, capacity=8 * GIB)
    return eviction_message(
        Candidate(facts=facts_of(one), order=0, usage=usage), Threshold(signal=Signal(signal), value=value), observed
    )


def of(name: str, working_set: int | None = None, rootfs: int | None = None, logs: int | None = None) -> Any:
    return ContainerUsage(
        name=name,
        memory=MemoryUsage(working_set_bytes=working_set),
        rootfs=FsUsage(used_bytes=rootfs),
        logs=FsUsage(used_bytes=logs),
    )


def usage(*containers: ContainerUsage, memory: int | None = None) -> PodUsage:
    whole = None if memory is None else MemoryUsage(working_set_bytes=memory)
    return PodUsage(name="p", containers=containers, memory=whole)


APPS = pod(container("a", "memory=1Gi ephemeral-storage=1Gi"), container("b"), init("i", "memory=1Mi"))


@pytest.mark.parametrize(
    ("one", "used", "signal", "text"),
    [
        pytest.param(APPS, None, "memory.available", MEMORY, id="TXT-5 without statistics"),
        pytest.param(APPS, usage(of("a", GIB)), "memory.available", MEMORY, id="TXT-4 at its request"),
        pytest.param(
            APPS,
            usage(of("b", 5), of("a", GIB + 1), of("i", 2 << 20), of("stranger", GIB), of("a")),
            "memory.available",
            MEMORY + "Container b was using 5, request is 0, has larger consumption of memory. "
            "Container a was using 1073741825, request is 1Gi, has larger consumption of memory. "
            "Container i was using 2Mi, request is 1Mi, has larger consumption of memory. ",
            id="TXT-4 in the order of the statistics",
        ),
        pytest.param(
            APPS,
            usage(of("a", rootfs=GIB, logs=GIB), of("b", rootfs=1)),
            "nodefs.available",
            STORAGE + "Container a was using 2Gi, request is 1Gi, has larger consumption of ephemeral-storage. ",
            id="TXT-4 layer and logs, when both are reported",
        ),
        pytest.param(
            APPS,
            usage(of("a", GIB * 2)),
            "pid.available",
            "The node was low on resource: pids. Threshold quantity: 2Gi, available: 1610612736. ",
            id="TXT-4 process ids name nobody",
        ),
        pytest.param(
            APPS,
            usage(of("a", GIB * 2)),
            "nodefs.inodesFree",
            "The node was low on resource: inodes. Threshold quantity: 2Gi, available: 1610612736. ",
            id="TXT-4 inodes neither",
        ),
        pytest.param(
            pod(container("a"), resources=resources("memory=4Gi"), meta=ObjectMeta(name="web")),
            usage(of("a", GIB), memory=GIB),
            "allocatableMemory.available",
            MEMORY + "Pod web was using 1Gi, request is 4Gi, has larger consumption of memory. "
            "Container a was using 1Gi, request is 0, has larger consumption of memory. ",
            id="TXT-3 pod-level resources, above or not",
        ),
        pytest.param(
            pod(container("a"), resources=resources("memory=4Gi")),
            usage(),
            "memory.available",
            MEMORY,
            id="TXT-3 not without statistics of its memory",
        ),
        pytest.param(
            pod(container("a"), resources=resources("cpu=4")),
            usage(memory=1),
            "memory.available",
            MEMORY,
            id="TXT-3 not without a memory request",
        ),
    ],
)
def test_text(one: Pod, used: PodUsage | None, signal: str, text: str) -> None:
    assert told(one, used, signal).text == text


def test_a_share_prints_in_powers_of_1024_whatever_it_is_of() -> None:
    message = told(named("p"), None, "nodefs.inodesFree", "12.5%")
    assert message.text == "The node was low on resource: inodes. Threshold quantity: 1Gi, available: 1610612736. "


def test_annotations() -> None:
    assert told(APPS, None).annotations == {}
    assert told(APPS, usage()).annotations == {**NOBODY, "starved_resource": "memory"}
    assert told(APPS, usage(of("b", 5), of("a", 2 * GIB))).annotations == {
        "offending_containers": "b,a",
        "offending_containers_usage": "5,2Gi",
        "starved_resource": "memory",
    }
    whole = pod(container("a"), resources=resources("memory=4Gi"), meta=ObjectMeta(name="web"))
    assert told(whole, usage(memory=GIB)).annotations == {
        "offending_pod": "web",
        "offending_pod_usage": "1Gi",
        **NOBODY,
        "starved_resource": "memory",
    }
