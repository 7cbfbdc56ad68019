"""An object that a client sent, against the field table that also checks manifests for ``run``.

The apiserver finds faults in two steps: what it cannot decode is a bad request (400), what it decodes and does not
like is invalid (422) with one cause for each fault.

Source: kubernetes, staging/src/k8s.io/apiserver/pkg/endpoints/handlers/create.go (decoding, field validation),
staging/src/k8s.io/apimachinery/pkg/api/errors/errors.go, NewInvalid, NewBadRequest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nodeguard.api.default import default_object
from nodeguard.api.resource import Resource
from nodeguard.api.status import Cause
from nodeguard.model.apitable import API_OBJECTS
from nodeguard.model.check.cluster import check_event, check_namespace, check_node, check_plain
from nodeguard.model.check.config import check_config_map, check_secret
from nodeguard.model.check.pod import check_pod
from nodeguard.model.check.priorityclass import check_priority_class
from nodeguard.model.check.report import Report
from nodeguard.model.check.shape import check_shape
from nodeguard.model.document import Document, Path
from nodeguard.model.finding import Fault, Finding, Severity
from nodeguard.model.quantity import Quantity

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What there is to say of an object.

    ``object`` is it as it is stored: unknown fields and nulls gone, quantities in canonical form, defaults filled in.
    ``malformed`` is what cannot be decoded (400, whatever the field validation). ``unknown`` are texts such as
    ``unknown field "spec.foo"``: with field validation Strict a bad request, with Warn warnings, with Ignore nothing.
    ``causes`` make it invalid (422). ``warnings`` tell of fields without effect here.
    """

    object: Object
    malformed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    warnings: tuple[str, ...] = ()


def examine(resource: Resource, obj: Object, *, old: Object | None = None) -> Examination:
    """Decode an object, fill in its defaults, validate it. ``obj`` itself stays as it is.

    With ``old``, what the object was before, only what is new is warned of.
    """
    known, findings = _check(resource, obj)
    warnings = [f"{one.path}: {one.message}" for one in findings if one.severity is Severity.WARNING]
    if old is not None and warnings:
        before = examine(resource, old).warnings
        warnings = [text for text in warnings if text not in before]
    return Examination(
        object=_plain(known),
        malformed=tuple(f"{one.path}: {one.message}" for one in findings if one.fault is Fault.TYPE),
        unknown=tuple(f'unknown field "{one.path}"' for one in findings if one.fault is Fault.UNKNOWN),
        causes=tuple(_cause(one) for one in findings if _is_invalid(one)),
        warnings=tuple(warnings),
    )


def _check(resource: Resource, obj: Object) -> tuple[Object, list[Finding]]:
    """The object, known fields only, its quantities parsed, its defaults filled in; and what there is to say of it."""
    report = Report(Document(value=obj, source=""))
    whole = {"apiVersion": resource.group_version, "kind": resource.kind, **obj}
    known = check_shape(report, resource.table_name, whole, (), API_OBJECTS)
    default_object(resource, known)
    _CHECKS.get(resource.table_name, check_plain)(report, known, ())
    if resource.kind == "Secret":
        return known, [_without_value(one) for one in report.findings]
    return known, report.findings


def _without_value(finding: Finding) -> Finding:
    """The finding without what was found: it may be the secret."""
    if not finding.path.startswith(("data", "stringData")):
        return finding
    return replace(finding, message=finding.message.partition(", found ")[0])


_CHECKS: Mapping[str, Callable[[Report, Object, Path], None]] = {
    "Pod": check_pod,
    "PriorityClass": check_priority_class,
    "ConfigMap": check_config_map,
    "Secret": check_secret,
    "Namespace": check_namespace,
    "Node": check_node,
    "Event": check_event,
    "events.k8s.io.Event": check_event,
}
_WORDS = {
    Fault.REQUIRED: "Required value",
    Fault.DUPLICATE: "Duplicate value",
    Fault.NOT_SUPPORTED: "Unsupported value",
    Fault.FORBIDDEN: "Forbidden",
    Fault.TOO_LONG: "Too long",
    Fault.TOO_MANY: "Too many",
}


def _is_invalid(finding: Finding) -> bool:
    return finding.severity is not Severity.WARNING and finding.fault not in (Fault.TYPE, Fault.UNKNOWN)


def _cause(finding: Finding) -> Cause:
    words = _WORDS.get(finding.fault, "Invalid value")
    return Cause(finding.fault, f"{words}: {finding.message}", finding.path or "<nil>")


def _plain(value: Any) -> Any:
    """JSON again: quantities as their canonical text."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Quantity) else value
