"""Whether a pod's requests fit into what a node has left.

Amounts are whole numbers: millicpu for ``cpu``, bytes or pieces for everything else, rounded up per pod.

Source: kubernetes, pkg/scheduler/framework/plugins/noderesources/fit.go; pkg/scheduler/framework/types.go (Resource);
pkg/scheduler/util/utils.go, IsScalarResourceName; pkg/kubelet/lifecycle/predicate.go, removeMissingExtendedResources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nodeguard.model.node import NodeView
from nodeguard.model.pod import Pod
from nodeguard.model.quantity import Quantity
from nodeguard.policy.effective import HUGEPAGES, effective_requests
from nodeguard.policy.port import HostPort, host_ports

PODS = "pods"
_FIRST = ("cpu", "memory", "ephemeral-storage")
"""The order in which shortages are told; other resources follow by name, where upstream's order is random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A pod and what it takes of a node, computed once; ``requests`` are in the order of shortages."""

    pod: Pod
    requests: Mapping[str, int]
    ports: tuple[HostPort, ...]

    @property
    def priority(self) -> int:
        """``spec.priority``, 0 when absent."""
        return self.pod.priority or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A resource of which a pod asks more than is left."""

    resource: str
    requested: int
    used: int
    capacity: int

    @property
    def missing(self) -> int:
        """What others would have to give up."""
        return self.requested - (self.capacity - self.used)

    @property
    def is_hopeless(self) -> bool:
        """Not even the empty node has enough; the number of pods is never looked at this way."""
        return self.resource != PODS and self.requested > self.capacity


def claim(pod: Pod) -> Claim:
    """What the pod takes: effective requests that are not zero, and host ports."""
    requests = {name: to_int(name, quantity) for name, quantity in effective_requests(pod).items() if _counts(name)}
    ordered = sorted(requests, key=lambda name: (name not in _FIRST, _FIRST.index(name) if name in _FIRST else 0, name))
    return Claim(pod=pod, requests={n: requests[n] for n in ordered if requests[n]}, ports=host_ports(pod))


def without_unknown_extended(wanted: Claim, node: NodeView) -> Claim:
    """The claim without extended resources that the node does not list: the kubelet drops these."""
    kept = {n: amount for n, amount in wanted.requests.items() if n in node.allocatable or not _is_extended(n)}
    return replace(wanted, requests=kept)


def to_int(name: str, quantity: Quantity) -> int:
    """The amount in the unit that shortages are told in."""
    return quantity.milli_value() if name == "cpu" else quantity.value()


def _is_extended(name: str) -> bool:
    return "/" in name and "kubernetes.io/" not in name and not name.startswith("requests.")


def _counts(name: str) -> bool:
    return (
        name in _FIRST
        or name.startswith((HUGEPAGES, "attachable-volumes-"))
        or "kubernetes.io/" in name
        or _is_extended(name)
    )
