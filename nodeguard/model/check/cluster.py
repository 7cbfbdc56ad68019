"""Nodes, events, and what else has no rules but its metadata's.

Source: kubernetes, pkg/apis/core/validation/validation.go, ValidateNode, validateNodeTaints;
pkg/apis/core/validation/events.go, legacyValidateEvent; pkg/apis/coordination/validation/validation.go.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.check.meta import check_meta
from nodeguard.model.check.report import Report, shown
from nodeguard.model.document import Path
from nodeguard.model.finding import Fault
from nodeguard.model.syntax import dns_label

_NAMESPACES_OF_THE_CLUSTER = ("", "default", "kube-system")


def check_plain(report: Report, obj: dict[str, Any], path: Path) -> None:
    """Metadata, and nothing else."""
    check_meta(report, obj.get("metadata", {}), (*path, "metadata"))


def check_namespace(report: Report, namespace: dict[str, Any], path: Path) -> None:
    """The rules of a ``v1 Namespace``, its shape checked: its name is part of other names."""
    check_plain(report, namespace, path)
    name = namespace.get("metadata", {}).get("name", "")
    wrong = dns_label(name) if name else None
    if wrong is not None:
        report.error((*path, "metadata", "name"), f"found {shown(name)}; {wrong}")


def check_node(report: Report, node: dict[str, Any], path: Path) -> None:
    """The rules of a ``v1 Node``, its shape checked: each taint once."""
    check_plain(report, node, path)
    seen: set[tuple[Any, Any]] = set()
    for position, taint in enumerate(node.get("spec", {}).get("taints", ())):
        identity = (taint.get("key"), taint.get("effect"))
        if identity in seen:
            place = (*path, "spec", "taints", position)
            report.error(place, f"a second taint {taint.get('key')} with effect {taint.get('effect')}", Fault.DUPLICATE)
        seen.add(identity)


def check_event(report: Report, event: dict[str, Any], path: Path) -> None:
    """The rules of an Event of either group, its shape checked: it is in the namespace of what it is about."""
    check_plain(report, event, path)
    key = "involvedObject" if "involvedObject" in event else "regarding"
    namespace, own = event.get(key, {}).get("namespace", ""), event.get("metadata", {}).get("namespace", "")
    if namespace != own and (namespace or own not in _NAMESPACES_OF_THE_CLUSTER):
        report.error((*path, key, "namespace"), f"found {shown(namespace)}; does not match event.namespace")
