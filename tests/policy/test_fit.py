from __future__ import annotations

import pytest
from nodebuilder import node, placed
from podbuilder import GIB, MIB, container, init, pod, resources, sidecar

from nodeguard.model.pod import Pod
from nodeguard.policy.fit import Claim, Shortage, claim, without_unknown_extended
from nodeguard.policy.room import Room

SMALL = "cpu=10m memory=20 pods=32"


def shortages(allocatable: str, others: list[Pod], newcomer: Pod | Claim) -> list[Shortage]:
    room = Room(node(allocatable), newcomer if isinstance(newcomer, Claim) else claim(newcomer))
    for other in others:
        room.add(room.meet(claim(other)))
    found = room.shortages()
    assert room.fits() is not bool(found)
    return list(found)


def short(resource: str, requested: int, used: int, capacity: int) -> Shortage:
    return Shortage(resource=resource, requested=requested, used=used, capacity=capacity)


@pytest.mark.parametrize(
    ("subject", "requests"),
    [
        pytest.param(placed("p"), {}, id="nothing"),
        pytest.param(placed("p", "cpu=0.5 memory=1Gi"), {"cpu": 500, "memory": GIB}, id="millicpu and bytes"),
        pytest.param(placed("p", "cpu=100n memory=100m"), {"cpu": 1, "memory": 1}, id="rounded up"),
        pytest.param(placed("p", "cpu=0 x.io/y=0"), {}, id="zero is not requested"),
        pytest.param(placed("p", limits="cpu=1"), {}, id="limits do not count"),
        pytest.param(
            pod(init(requests="cpu=2 memory=1Mi"), sidecar(requests="cpu=1"), container(requests="cpu=500m")),
            {"cpu": 2000, "memory": MIB},
            id="the most demanding phase",
        ),
        pytest.param(
            pod(container(requests="cpu=1 memory=1Gi"), resources=resources("cpu=3"), overhead="cpu=250m"),
            {"cpu": 3250, "memory": GIB},
            id="pod-level requests, and overhead",
        ),
        pytest.param(pod(container(), overhead="memory=1Mi"), {"memory": MIB}, id="overhead alone"),
        pytest.param(placed("p", "storage=1 requests.x.io/y=1"), {}, id="names that no node counts"),
    ],
)
def test_claim(subject: Pod, requests: dict[str, int]) -> None:
    assert dict(claim(subject).requests) == requests


def test_requests_come_in_the_order_of_shortages() -> None:
    text = (
        "z.io/z=1 hugepages-2Mi=2Mi ephemeral-storage=1 attachable-volumes-x=1 memory=1 example.kubernetes.io/a=1 cpu=1"
    )
    assert list(claim(placed("p", text)).requests) == [
        *("cpu", "memory", "ephemeral-storage"),
        *("attachable-volumes-x", "example.kubernetes.io/a", "hugepages-2Mi", "z.io/z"),
    ]


@pytest.mark.parametrize(
    ("allocatable", "others", "newcomer", "expected"),
    [
        pytest.param(SMALL, ["cpu=9m memory=19"], "", [], id="who requests nothing always fits"),
        pytest.param(
            SMALL,
            ["cpu=5m memory=19"],
            "cpu=8m memory=10",
            [short("cpu", 8, 5, 10), short("memory", 10, 19, 20)],
            id="both are told",
        ),
        pytest.param(SMALL, ["cpu=5m memory=19"], "cpu=5m memory=1", [], id="an exact fit fits"),
        pytest.param(SMALL, ["cpu=50m"], "memory=1", [], id="overcommitted cpu is nothing to who wants memory"),
        pytest.param(SMALL, ["cpu=50m"], "cpu=1m", [short("cpu", 1, 50, 10)], id="more used than there is"),
        pytest.param(
            "cpu=1 pods=1", ["", ""], "cpu=2", [short("pods", 1, 2, 1), short("cpu", 2000, 0, 1000)], id="pods"
        ),
        pytest.param("cpu=1 pods=2", [""], "", [], id="the last place"),
        pytest.param("cpu=1", [], "", [short("pods", 1, 0, 0)], id="no pods allowed at all"),
        pytest.param(
            "pods=9 ephemeral-storage=1Ki hugepages-2Mi=4Mi",
            ["ephemeral-storage=1000 hugepages-2Mi=2Mi"],
            "ephemeral-storage=25 hugepages-2Mi=4Mi x.io/gpu=1",
            [
                short("ephemeral-storage", 25, 1000, 1024),
                short("hugepages-2Mi", 4 * MIB, 2 * MIB, 4 * MIB),
                short("x.io/gpu", 1, 0, 0),
            ],
            id="other resources",
        ),
        pytest.param(
            "cpu=3m pods=9", ["cpu=100n", "cpu=100n"], "cpu=2m", [short("cpu", 2, 2, 3)], id="each is rounded"
        ),
    ],
)
def test_shortages(allocatable: str, others: list[str], newcomer: str, expected: list[Shortage]) -> None:
    running = [placed(f"o{i}", text) for i, text in enumerate(others)]
    assert shortages(allocatable, running, placed("p", newcomer)) == expected


def test_what_is_missing_and_what_is_hopeless() -> None:
    assert short("cpu", 8, 5, 10).missing == 3
    assert not short("cpu", 10, 5, 10).is_hopeless
    assert short("cpu", 11, 0, 10).is_hopeless
    assert not short("pods", 1, 0, 0).is_hopeless


def test_the_kubelet_drops_extended_resources_that_the_node_does_not_list() -> None:
    here = node("cpu=1 pods=1 x.io/none=0")
    wanted = claim(placed("p", "cpu=2 x.io/gpu=1 x.io/none=1 hugepages-1Gi=1Gi example.kubernetes.io/n=1"))
    assert dict(without_unknown_extended(wanted, here).requests) == {
        "cpu": 2000,
        "example.kubernetes.io/n": 1,
        "hugepages-1Gi": GIB,
        "x.io/none": 1,
    }
