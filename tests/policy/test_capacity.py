from __future__ import annotations

import pytest
from podbuilder import GIB, MIB, amounts

from nodeguard.model.node import NodeCapacity
from nodeguard.model.quantity import Quantity
from nodeguard.policy.capacity import Reservations, allocatable, capacity_resources, enforceable, reservation_faults

NODE = NodeCapacity(cpu_millicpu=4000, memory_bytes=8 * GIB, pids=1000, ephemeral_storage_bytes=100 * GIB)
RESERVED = Reservations(
    system=amounts("cpu=100m memory=256Mi ephemeral-storage=1Gi"), kube=amounts("cpu=200m memory=256Mi pid=100")
)


def test_capacity() -> None:
    node = NodeCapacity(cpu_millicpu=4000, memory_bytes=8 * GIB, pods=5, hugepages_bytes={"2Mi": 4 * MIB})
    assert {name: str(quantity) for name, quantity in capacity_resources(node).items()} == {
        "cpu": "4",
        "memory": "8Gi",
        "ephemeral-storage": "0",
        "pods": "5",
        "hugepages-2Mi": "4Mi",
    }


def test_allocatable_is_below_the_ceiling_by_the_threshold() -> None:
    hard = {"memory.available": Quantity.parse("100Mi"), "nodefs.available": Quantity.parse("10Gi")}
    left, ceiling = allocatable(NODE, RESERVED, hard), enforceable(NODE, RESERVED)
    assert left == amounts("cpu=3700m memory=7580Mi ephemeral-storage=89Gi pods=110")
    assert ceiling == amounts("cpu=3700m memory=7680Mi ephemeral-storage=99Gi pods=110")


def test_without_reservations_and_thresholds_all_is_allocatable() -> None:
    assert allocatable(NODE) == enforceable(NODE, Reservations()) == capacity_resources(NODE)


def test_other_signals_hold_nothing_back() -> None:
    others = {"imagefs.available": Quantity.parse("10Gi"), "nodefs.inodesFree": 0.5, "pid.available": 0.5}
    assert allocatable(NODE, hard_eviction=others) == capacity_resources(NODE)


def test_a_ratio_is_that_of_the_capacity_truncated() -> None:
    node = NodeCapacity(cpu_millicpu=1000, memory_bytes=1001)
    assert (
        allocatable(node, Reservations(kube=amounts("memory=500")), {"memory.available": 0.25})["memory"].value() == 251
    )
    single_precision = 0.10000000149011612
    left = allocatable(
        NodeCapacity(cpu_millicpu=1, memory_bytes=10 * GIB), hard_eviction={"memory.available": single_precision}
    )
    assert left["memory"].value() == 10 * GIB - 1_073_741_840


def test_nothing_falls_below_zero() -> None:
    everything = Reservations(system=amounts("cpu=9 memory=9Gi ephemeral-storage=1Ti"))
    left = allocatable(NODE, everything)
    assert (left["cpu"].nano, left["memory"].nano, left["ephemeral-storage"].nano) == (0, 0, 0)
    assert enforceable(NODE, everything)["memory"].nano == 0


def test_huge_pages_are_taken_from_allocatable_memory_whole() -> None:
    node = NodeCapacity(cpu_millicpu=1000, memory_bytes=GIB, hugepages_bytes={"2Mi": 100 * MIB, "1Gi": 0})
    left = allocatable(node, Reservations(kube=amounts("memory=24Mi")), {"memory.available": Quantity.parse("100Mi")})
    assert left["memory"] == Quantity.parse("800Mi")
    assert left["hugepages-2Mi"] == Quantity.parse("100Mi")
    small = NodeCapacity(cpu_millicpu=1000, memory_bytes=GIB, hugepages_bytes={"1Gi": 2 * GIB})
    assert allocatable(small)["memory"].nano == 0


@pytest.mark.parametrize(
    ("reserved", "faults"),
    [
        pytest.param(RESERVED, (), id="fits"),
        pytest.param(Reservations(system=amounts("memory=8Gi cpu=4")), (), id="all of it"),
        pytest.param(
            Reservations(system=amounts("memory=5Gi"), kube=amounts("memory=5Gi pid=2000")),
            ("memory: 10Gi are reserved, the node has 8Gi", "pid: 2k are reserved, the node has 1k"),
            id="more than the node has, together",
        ),
        pytest.param(
            Reservations(system=amounts("pods=1"), kube=amounts("cpu=-1")),
            (
                "systemReserved[pods]: cannot be reserved; cpu, memory, ephemeral-storage, pid can",
                "kubeReserved[cpu]: -1 is negative",
            ),
            id="what cannot be reserved",
        ),
    ],
)
def test_reservations_the_kubelet_would_refuse(reserved: Reservations, faults: tuple[str, ...]) -> None:
    assert reservation_faults(NODE, reserved) == faults
