"""Who goes first: RNK and REQ rows."""

from __future__ import annotations

from typing import Any

import pytest
from evictionbuilder import (
    DEDICATED,
    INCONSISTENT,
    SINGLE,
    SPLIT,
    candidates,
    disk,
    memory,
    named,
    processes,
)
from podbuilder import container, init, pod, resources, sidecar

from nodeguard.model.eviction import Layout, VictimPolicy
from nodeguard.model.meta import ObjectMeta
from nodeguard.model.quantity import Quantity
from nodeguard.model.signal import Signal
from nodeguard.model.stats import PodUsage
from nodeguard.policy.disk_usage import disk_usage
from nodeguard.policy.effective import lone_request
from nodeguard.policy.eviction_rank import rank, tell

MIB = 1 << 20


def order(pods: list[Any], signal: str, layout: Layout = SINGLE, policy: str = "kubelet") -> str:
    ranking = rank(candidates(*pods), Signal(signal), layout, VictimPolicy(policy))
    return "".join(standing.candidate.pod.meta.name for standing in ranking)


def using(name: str, amount: str | int | None, request: str = "", **fields: Any) -> Any:
    return named(name, f"memory={request}" if request else "", **fields), memory(amount)


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param([using("a", "9Gi"), named("b")], "ba", id="RNK-1 no statistics first"),
        pytest.param([named("a", priority=9), named("b")], "ba", id="RNK-1 without any, by priority"),
        pytest.param(
            [using("a", "9Gi", "10Gi", priority=-5), using("b", "2Mi", "1Mi", priority=5)],
            "ba",
            id="RNK-5 a well-behaved low priority survives a misbehaving high one",
        ),
        pytest.param(
            [using("a", "1Mi", "1Mi"), using("b", "2Mi", "1Mi")], "ba", id="RNK-1 at its request is not above"
        ),
        pytest.param(
            [using("a", "9Mi", "1Mi", priority=1), using("b", "2Mi", "1Mi")], "ba", id="RNK-1 lower priority first"
        ),
        pytest.param([using("a", "3Mi", "2Mi"), using("b", "9Mi", "7Mi")], "ba", id="RNK-1 larger excess first"),
        pytest.param([using("a", "1Mi", "9Mi"), using("b", "1Mi", "3Mi")], "ba", id="RNK-1 within: smaller reserve"),
        pytest.param([using("a", None), using("b", "1Mi")], "ba", id="RNK-6 a missing figure counts as 0"),
        pytest.param([using("a", "1Mi", priority=None), using("b", "1Mi", priority=-1)], "ba", id="RNK-7"),
        pytest.param([using(name, "1Mi") for name in "abcdefghijkl"], "abcdefghijkl", id="RNK-8 twelve ties"),
        pytest.param([using(name, "1Mi") for name in "abcdefghijklm"], "abcdefghijklm", id="RNK-8 thirteen ties"),
        pytest.param([using("a", 1, "500m"), using("b", 1, "1")], "ab", id="fractions of a byte count"),
    ],
)
@pytest.mark.parametrize("signal", ["memory.available", "allocatableMemory.available"])
def test_memory(pods: list[Any], expected: str, signal: str) -> None:
    assert order(pods, signal) == expected


def taking(name: str, used: int | None, request: int = 0, *, inodes: bool = False, **fields: Any) -> Any:
    usage = None if used is None else disk(used, inodes=inodes)
    return named(name, f"ephemeral-storage={request}" if request else "", **fields), usage


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param([taking("a", 9), taking("b", None)], "ba", id="RNK-2 no statistics first"),
        pytest.param([taking("a", 9, 9), taking("b", 2, 1, priority=5)], "ba", id="RNK-2 above its request first"),
        pytest.param([taking("a", 9, priority=1), taking("b", 1)], "ba", id="RNK-2 lower priority"),
        pytest.param([taking("a", 9, 8), taking("b", 5, 1)], "ba", id="RNK-2 larger excess"),
    ],
)
@pytest.mark.parametrize("signal", ["nodefs.available", "imagefs.available", "containerfs.available"])
def test_disk(pods: list[Any], expected: str, signal: str) -> None:
    assert order(pods, signal) == expected


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param(
            [taking("a", 0, inodes=True, priority=-1), taking("b", 1, inodes=True)], "ba", id="RNK-3 any inode in use"
        ),
        pytest.param(
            [taking("a", 9, 100, inodes=True), taking("b", 5, 1, inodes=True)],
            "ba",
            id="ODD-2 bytes requested are subtracted from inodes used",
        ),
        pytest.param([taking("a", 9, inodes=True), taking("b", None)], "ba", id="RNK-3 no statistics first"),
    ],
)
def test_inodes(pods: list[Any], expected: str) -> None:
    assert order(pods, "nodefs.inodesFree") == expected


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param([(named("a"), processes(9)), (named("b"), processes(10))], "ba", id="RNK-4 more processes"),
        pytest.param([(named("a"), processes(9)), named("b", priority=1)], "ab", id="RNK-4 priority before all"),
        pytest.param([(named("a"), processes(9)), named("b")], "ba", id="RNK-4 then no statistics"),
        pytest.param([(named("a"), PodUsage(name="")), (named("b"), processes(1))], "ba", id="RNK-4 missing is 0"),
    ],
)
def test_process_ids(pods: list[Any], expected: str) -> None:
    assert order(pods, "pid.available") == expected


GUARANTEED = {"limits": "cpu=1 memory=1Mi", "requests": "cpu=1 memory=1Mi"}


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param(
            [
                (named("g", **GUARANTEED, priority=-9), memory("9Gi")),
                (named("b", "memory=1Mi", priority=-9), memory("9Gi")),
                (named("e", priority=9), memory(1)),
            ],
            "ebg",
            id="class before everything",
        ),
        pytest.param([using("a", 9, priority=1), using("b", 1)], "ba", id="then priority"),
        pytest.param([using("a", 5, "4"), using("b", 9, "9")], "ba", id="then usage, whatever is requested"),
        pytest.param([using("a", 5), named("b")], "ba", id="of equals no statistics first"),
        pytest.param([using("a", 5), using("b", 5)], "ab", id="then the order of arrival"),
    ],
)
def test_policy_qos(pods: list[Any], expected: str) -> None:
    assert order(pods, "memory.available", policy="qos") == expected


EVERYTHING = disk(1, 10, {"v": 100, "cache": 1000, "other": 10000})
COUNTED = {SINGLE: (111, 111, 111), INCONSISTENT: (111, 111, 111), DEDICATED: (110, 1, 1), SPLIT: (111, 0, 111)}


@pytest.mark.parametrize(
    ("layout", "file_system", "expected"),
    [
        pytest.param(
            layout,
            name,
            amount,
            id=f"6.2 {name} dedicated={layout.dedicated_image_fs} split={layout.split_container_fs}",
        )
        for layout, amounts in COUNTED.items()
        for name, amount in zip(("nodefs", "imagefs", "containerfs"), amounts, strict=True)
    ],
)
def test_what_counts_as_disk_usage(layout: Layout, file_system: str, expected: int) -> None:
    one = named("p", local_volumes=("v", "missing"))
    assert disk_usage(one, EVERYTHING, Signal(f"{file_system}.available"), layout) == expected
    of_inodes = disk(1, 10, {"v": 100, "cache": 1000}, inodes=True)
    assert disk_usage(one, of_inodes, Signal(f"{file_system}.inodesFree"), layout) == expected


def test_split_imagefs_ranks_by_priority_then_smaller_request() -> None:
    pods = [taking("a", 9, 5), taking("b", 1, 2), taking("c", 0, priority=1)]
    assert order(pods, "imagefs.available", SPLIT) == "bac"


@pytest.mark.parametrize(
    ("one", "resource", "expected"),
    [
        pytest.param(pod(container("a", "memory=1"), container("b", "memory=2")), "memory", "3", id="REQ-1 sum"),
        pytest.param(pod(container("a", "memory=1"), sidecar("s", "memory=2")), "memory", "3", id="REQ-1 sidecars"),
        pytest.param(pod(container("a", "memory=1"), init("i", "memory=5")), "memory", "5", id="REQ-2 an init step"),
        pytest.param(
            pod(container("a", "memory=1"), sidecar("s", "memory=2"), init("i", "memory=5")),
            "memory",
            "7",
            id="REQ-2 an init step beside the sidecars before it",
        ),
        pytest.param(
            pod(container("a", "memory=1 ephemeral-storage=9"), resources=resources("memory=4")),
            "memory",
            "4",
            id="REQ-3 pod-level",
        ),
        pytest.param(
            pod(container("a", "memory=1 ephemeral-storage=9"), resources=resources("memory=4")),
            "ephemeral-storage",
            "0",
            id="REQ-3 silences containers entirely",
        ),
        pytest.param(
            pod(container("a", "memory=1"), resources=resources("", "memory=4")), "memory", "0", id="REQ-3 limit only"
        ),
        pytest.param(pod(container("a", "memory=1"), overhead="memory=2"), "memory", "3", id="REQ-4 overhead"),
        pytest.param(pod(container("a"), overhead="memory=2"), "memory", "0", id="REQ-4 not on nothing"),
    ],
)
def test_request_of_a_pod(one: Any, resource: str, expected: str) -> None:
    assert lone_request(one, resource) == Quantity.parse(expected)


@pytest.mark.parametrize(
    ("one", "signal", "policy", "expected"),
    [
        (
            using("a", "2Mi", "3Mi"),
            "memory.available",
            "kubelet",
            "uses 2Mi of memory, within its request 3Mi; priority 0",
        ),
        (named("a", priority=7), "memory.available", "kubelet", "no statistics; priority 7"),
        ((named("a"), processes(3)), "pid.available", "kubelet", "priority 0; 3 processes"),
        (
            using("a", "2Mi", priority=2_000_000_000),
            "memory.available",
            "qos",
            "uses 2Mi of memory, above its request 0; BestEffort, priority 2000000000; critical: never evicted",
        ),
    ],
)
def test_a_place_is_told_in_words(one: Any, signal: str, policy: str, expected: str) -> None:
    ranking = rank(candidates(one), Signal(signal), SINGLE, VictimPolicy(policy))
    (told,) = tell(ranking, Signal(signal), VictimPolicy(policy))
    assert (told.rank, told.why) == (1, expected)


def test_equal_names_are_told_apart() -> None:
    first, second = (pod(container(), meta=ObjectMeta(name="p", uid=uid)) for uid in "ab")
    ranking = rank(
        candidates((first, memory(1)), (second, memory(2))), Signal.MEMORY_AVAILABLE, SINGLE, VictimPolicy.KUBELET
    )
    assert [standing.candidate.pod.meta.uid for standing in ranking] == ["b", "a"]
