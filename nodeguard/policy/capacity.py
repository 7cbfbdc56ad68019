"""What a node has, and what of it pods may be given.

Source: kubelet, pkg/kubelet/cm/node_container_manager_linux.go, pkg/kubelet/nodestatus/setters.go,
pkg/kubelet/cadvisor/util.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeguard.model.node import NodeCapacity
from nodeguard.model.pod import ResourceList
from nodeguard.model.quantity import BINARY_SI, ZERO, Quantity
from nodeguard.policy.effective import HUGEPAGES, amount

RESERVABLE = ("cpu", "memory", "ephemeral-storage", "pid")
EVICTION_SIGNALS = {"memory": "memory.available", "ephemeral-storage": "nodefs.available"}
"""Resource → the hard eviction signal whose threshold is not for pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservations:
    """Kept from pods: ``systemReserved`` and ``kubeReserved``."""

    system: ResourceList = field(default_factory=dict)
    kube: ResourceList = field(default_factory=dict)

    def of(self, resource: str) -> Quantity:
        """Both reservations of one resource together."""
        return amount(self.system, resource) + amount(self.kube, resource)


NOTHING_RESERVED = Reservations()


def capacity_resources(capacity: NodeCapacity) -> dict[str, Quantity]:
    """``status.capacity`` of the node."""
    return {
        "cpu": Quantity.from_milli(capacity.cpu_millicpu),
        "memory": Quantity.from_int(capacity.memory_bytes, BINARY_SI),
        "ephemeral-storage": Quantity.from_int(capacity.ephemeral_storage_bytes, BINARY_SI),
        "pods": Quantity.from_int(capacity.pods),
        **{HUGEPAGES + size: Quantity.from_int(total, BINARY_SI) for size, total in capacity.hugepages_bytes.items()},
    }


def enforceable(capacity: NodeCapacity, reserved: Reservations) -> dict[str, Quantity]:
    """What all pods together may take before the root cgroup stops them: eviction thresholds are not subtracted."""
    return {
        name: _at_least_zero(total - reserved.of(name) if name in RESERVABLE else total)
        for name, total in capacity_resources(capacity).items()
    }


def allocatable(
    capacity: NodeCapacity,
    reserved: Reservations = NOTHING_RESERVED,
    hard_eviction: Mapping[str, Quantity | float] | None = None,
) -> dict[str, Quantity]:
    """``status.allocatable``: what admission counts against.

    ``hard_eviction`` maps signals to a quantity or to a ratio of the capacity, as single precision gives it; other
    signals than ``memory.available`` and ``nodefs.available`` hold nothing back. Huge pages are not memory.
    """
    return allocatable_of(capacity_resources(capacity), reserved, hard_eviction)


def allocatable_of(
    total: ResourceList,
    reserved: Reservations = NOTHING_RESERVED,
    hard_eviction: Mapping[str, Quantity | float] | None = None,
) -> dict[str, Quantity]:
    """``allocatable`` of a node with this ``status.capacity``."""
    left = {}
    for name, quantity in total.items():
        kept = reserved.of(name) if name in RESERVABLE else ZERO
        threshold = (hard_eviction or {}).get(EVICTION_SIGNALS.get(name, ""), ZERO)
        if not isinstance(threshold, Quantity):
            threshold = Quantity.from_int(int(quantity.value() * threshold), BINARY_SI)
        left[name] = _at_least_zero(quantity - kept - threshold)
    for name, quantity in total.items():
        if name.startswith(HUGEPAGES) and "memory" in left:
            left["memory"] = _at_least_zero(left["memory"] - quantity)
    return left


def reservation_faults(capacity: NodeCapacity, reserved: Reservations) -> tuple[str, ...]:
    """Every reason for the kubelet not to start with these reservations."""
    faults = []
    for setting, resources in (("systemReserved", reserved.system), ("kubeReserved", reserved.kube)):
        for name, quantity in resources.items():
            if name not in RESERVABLE:
                faults.append(f"{setting}[{name}]: cannot be reserved; {', '.join(RESERVABLE)} can")
            elif quantity < ZERO:
                faults.append(f"{setting}[{name}]: {quantity} is negative")
    total = {**capacity_resources(capacity), "pid": Quantity.from_int(capacity.pids)}
    for name in RESERVABLE:
        kept = reserved.of(name)
        if kept > total[name]:
            faults.append(f"{name}: {kept} are reserved, the node has {total[name]}")
    return tuple(faults)


def _at_least_zero(quantity: Quantity) -> Quantity:
    return max(quantity, Quantity(0, quantity.format))
