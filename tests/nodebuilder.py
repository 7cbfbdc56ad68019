"""Short ways to write nodes, and pods that stand on them, in tests."""

from __future__ import annotations

from typing import Any

from podbuilder import amounts, container, pod

from nodeguard.model.meta import ObjectMeta
from nodeguard.model.node import NodeView
from nodeguard.model.placement import LabelSelector, Requirement, Taint, Toleration
from nodeguard.model.pod import ContainerPort, GivenStatus, Pod


def node(allocatable: str = "cpu=4 memory=8Gi pods=110", **fields: Any) -> NodeView:
    return NodeView(name="n1", allocatable=amounts(allocatable), **fields)


def placed(
    name: str,
    requests: str = "",
    limits: str = "",
    *,
    priority: int | None = 0,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    started: float | None = None,
    ports: tuple[ContainerPort, ...] = (),
    namespace: str = "default",
    **fields: Any,
) -> Pod:
    """A pod of one container, ``default/<name>`` unless said otherwise."""
    meta = ObjectMeta(name=name, namespace=namespace, labels=labels or {}, annotations=annotations or {})
    given = fields.pop("given", GivenStatus(start_time=started))
    return pod(
        container(requests=requests, limits=limits, ports=ports), meta=meta, priority=priority, given=given, **fields
    )


def guaranteed(name: str, requests: str, **fields: Any) -> Pod:
    return placed(name, requests, requests, **fields)


def taint(text: str) -> Taint:
    """``key=value:Effect``."""
    rest, _, effect = text.rpartition(":")
    key, _, value = rest.partition("=")
    return Taint(key=key, value=value, effect=effect)


def bears(key: str = "", value: str = "", effect: str = "", operator: str = "Equal") -> Toleration:
    return Toleration(key=key, value=value, effect=effect, operator=operator)


def rule(text: str) -> Requirement:
    """``key In a,b`` or ``key Exists``."""
    key, operator, *values = text.split(" ")
    return Requirement(key=key, operator=operator, values=tuple(values[0].split(",")) if values else ())


def selector(*rules: str) -> LabelSelector:
    return LabelSelector(requirements=tuple(map(rule, rules)))
