"""Where values come from: fields of the pod, requests and limits of a container.

Source: kubernetes, pkg/apis/core/validation/validation.go, validateObjectFieldSelector,
validateContainerResourceFieldSelector.
"""

from __future__ import annotations

import re
from typing import Any

from nodeguard.model.check.report import Report, guess, shown
from nodeguard.model.check.resource import page_size
from nodeguard.model.default import HUGEPAGES
from nodeguard.model.document import Path
from nodeguard.model.finding import Fault
from nodeguard.model.syntax import annotation_key, dns_subdomain, qualified_name

_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['(.*)'\]", re.DOTALL)
_NAMES = ("metadata.name", "metadata.namespace", "metadata.uid")
ENV_FIELDS = (
    *_NAMES,
    *("spec.nodeName", "spec.serviceAccountName"),
    *("status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
)
FILE_FIELDS = (*_NAMES, "metadata.labels", "metadata.annotations")
_KEYED = ("metadata.labels['<key>']", "metadata.annotations['<key>']")
_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_BYTE_UNITS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def check_one_source(
    report: Report, sources: dict[str, Any], names: tuple[str, ...], path: Path, *, or_none: bool = False
) -> None:
    """Exactly one of ``names`` is set in ``sources``."""
    given = [name for name in names if name in sources]
    if len(given) > 1:
        report.error((*path, given[1]), f"only one of {', '.join(given)} is allowed", Fault.FORBIDDEN)
    elif not given and not or_none:
        report.error(path, f"one of {', '.join(names)} is required", Fault.REQUIRED)


def check_object_name(report: Report, reference: dict[str, Any], key: str, path: Path) -> None:
    """A ConfigMap or Secret is named, by what can be its name."""
    name = reference.get(key)
    if not name:
        report.missing((*path, key), "required, but missing")
        return
    wrong = dns_subdomain(name)
    if wrong is not None:
        report.error((*path, key), f"found {shown(name)}; {wrong}")


def check_field_ref(report: Report, field_ref: dict[str, Any], allowed: tuple[str, ...], path: Path) -> None:
    """``fieldRef`` names a field that is known in this place."""
    field_path = field_ref.get("fieldPath")
    if field_path is None or field_path in allowed:
        return
    place = (*path, "fieldPath")
    subscript = _SUBSCRIPT.fullmatch(field_path)
    if subscript is None:
        needs_key = field_path in ("metadata.labels", "metadata.annotations")
        meant = f"{field_path}['<key>']" if needs_key else guess(field_path, allowed)
        hint = f"; did you mean {meant}?" if meant else ""
        report.error(place, f"found {shown(field_path)}; allowed are {', '.join((*allowed, *_KEYED))}{hint}")
        return
    rule = qualified_name if subscript[1] == "metadata.labels" else annotation_key
    wrong = rule(subscript[2])
    if wrong is not None:
        report.error(place, f"key {shown(subscript[2])}: {wrong}")


def check_resource_ref(report: Report, reference: dict[str, Any], containers: frozenset[str], path: Path) -> None:
    """``resourceFieldRef`` names a request or limit, and a divisor that fits."""
    container = reference.get("containerName")
    if container and container not in containers:
        report.error((*path, "containerName"), f"there is no container {shown(container)} in this pod")
    resource = reference.get("resource")
    if resource is None:
        return
    kind, _, name = resource.partition(".")
    known = name in _RESOURCES or (name.startswith(HUGEPAGES) and page_size(name) is not None)
    if kind not in ("limits", "requests") or not known:
        words = ", ".join(f"{kind}.{name}" for kind in ("limits", "requests") for name in _RESOURCES)
        report.error((*path, "resource"), f"found {shown(resource)}; allowed are {words}, and hugepages-<size> alike")
        return
    divisor = reference.get("divisor")
    if divisor is None or divisor.is_zero():
        return
    units = ("1", "1m") if name == "cpu" else _BYTE_UNITS
    if str(divisor) not in (*units, "1024"):
        report.error((*path, "divisor"), f"found {divisor}; allowed are {', '.join(units)}")
