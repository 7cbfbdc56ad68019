"""Ports on the host, and when two pods want the same one.

Source: kubernetes, pkg/scheduler/util/utils.go, GetHostPorts; staging/src/k8s.io/kube-scheduler/framework,
HostPortInfo.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from nodeguard.model.pod import ContainerKind, Pod

ANY_ADDRESS = "0.0.0.0"
_PORTS_OF = (ContainerKind.APP, ContainerKind.SIDECAR)


class HostPort(NamedTuple):
    """A port that a pod takes on the host."""

    protocol: str
    port: int
    ip: str


def host_ports(pod: Pod) -> tuple[HostPort, ...]:
    """What the pod takes while it runs; plain init containers are gone by then."""
    return tuple(
        HostPort(port.protocol or "TCP", port.host_port, port.host_ip or ANY_ADDRESS)
        for container in pod.all_containers
        if container.kind in _PORTS_OF
        for port in container.ports
        if port.host_port > 0
    )


def collide(wanted: Collection[HostPort], taken: Collection[HostPort]) -> bool:
    """Whether a wanted port is taken: same protocol and number, and the same address or all addresses on one side."""
    return any(_same(one, other) for one in wanted for other in taken)


def _same(one: HostPort, other: HostPort) -> bool:
    return one[:2] == other[:2] and (one.ip == other.ip or ANY_ADDRESS in (one.ip, other.ip))
