"""Short ways to write pods in tests."""

from __future__ import annotations

from typing import Any

from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import Container, ContainerKind, Pod, ResourceList, ResourceRequirements
from nodeguard.model.quantity import Quantity

MIB = 1 << 20
GIB = 1 << 30


def amounts(text: str) -> ResourceList:
    """``cpu=100m memory=64Mi``."""
    return {name: Quantity.parse(value) for name, _, value in (part.partition("=") for part in text.split())}


def resources(requests: str = "", limits: str = "") -> ResourceRequirements:
    return ResourceRequirements(requests=amounts(requests), limits=amounts(limits))


def container(name: str = "app", requests: str = "", limits: str = "", **fields: Any) -> Container:
    return Container(name=name, resources=resources(requests, limits), **fields)


def init(name: str = "init", requests: str = "", limits: str = "") -> Container:
    return container(name, requests, limits, kind=ContainerKind.INIT)


def sidecar(name: str = "side", requests: str = "", limits: str = "") -> Container:
    return container(name, requests, limits, kind=ContainerKind.SIDECAR)


def pod(*containers: Container, overhead: str = "", **fields: Any) -> Pod:
    """A pod of these containers, sorted into their lists by kind."""
    by_kind = {kind: tuple(c for c in containers if c.kind is kind) for kind in ContainerKind}
    return Pod(
        meta=fields.pop("meta", ObjectMeta(name="p", uid="u")),
        containers=by_kind[ContainerKind.APP],
        init_containers=tuple(c for c in containers if c.kind in (ContainerKind.INIT, ContainerKind.SIDECAR)),
        ephemeral_containers=by_kind[ContainerKind.EPHEMERAL],
        overhead=amounts(overhead),
        **fields,
    )
