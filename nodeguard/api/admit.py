"""Admission: from what a client sent to what is stored, or every reason to refuse it.

The order is the apiserver's: decode, fill in, mutate, validate.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nodeguard.api.admit_class import check_default
from nodeguard.api.admit_config import fill_secret, immutable_faults
from nodeguard.api.admit_meta import metadata_faults, shape_faults
from nodeguard.api.admit_namespace import begin_namespace
from nodeguard.api.admit_node import with_unschedulable_taint
from nodeguard.api.admit_pod import admit_new_pod, pod_update_faults
from nodeguard.api.check import examine
from nodeguard.api.resource import Resource
from nodeguard.api.status import Cause, bad_request, invalid
from nodeguard.api.store.store import Store

Object = dict[str, Any]

WITH_STATUS = frozenset(("Pod", "Node", "Namespace"))
"""Kinds whose status only the subresource changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """An object that may be stored, and what the client should hear of it."""

    object: Object
    warnings: tuple[str, ...] = ()
    sent: Object | None = None
    """Of a new object, what it was before anything but defaults was filled in: that much its maker owns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where requests are admitted: what is looked up."""

    store: Store
    node_name: str


def admit_new(desk: Desk, resource: Resource, obj: Object, validation: str) -> Admitted:
    """A new object, its metadata begun.

    Raises:
        ApiError: every fault of it.
    """
    checked, warnings = _examine(resource, obj, validation)
    if resource.kind in WITH_STATUS:
        checked.pop("status", None)
    sent = copy.deepcopy(checked)
    begin = _BEGIN.get(resource.kind)
    if begin is not None:
        begin(desk, checked)
    return Admitted(object=checked, warnings=warnings, sent=sent)


def admit_changed(desk: Desk, resource: Resource, new: Object, old: Object, validation: str) -> Admitted:
    """A changed object, its metadata kept.

    Raises:
        ApiError: every fault of it, changes to what never changes among them.
    """
    checked, warnings = _examine(resource, new, validation, old)
    if resource.kind in WITH_STATUS:
        _carry(checked, old, "status")
    if resource.kind == "PriorityClass":
        check_default(desk.store, checked)
    if resource.kind == "Node":
        with_unschedulable_taint(checked.setdefault("spec", {}))
    faults = _CHANGED[resource.kind](checked, old) if resource.kind in _CHANGED else []
    faults += _finalizer_faults(checked, old)
    if faults:
        raise invalid(resource.kind, resource.group, checked["metadata"]["name"], faults)
    if "generation" in old["metadata"] and checked.get("spec") != old.get("spec"):
        checked["metadata"]["generation"] = old["metadata"]["generation"] + 1
    return Admitted(object=checked, warnings=warnings)


def admit_status(resource: Resource, new: Object, old: Object) -> Admitted:
    """An object whose status, labels and annotations alone may change.

    Raises:
        ApiError: 400, the status is malformed.
    """
    kept = {**old, "metadata": {**old["metadata"]}}
    for key in ("labels", "annotations", "managedFields"):
        _carry(kept["metadata"], new["metadata"], key)
    _carry(kept, new, "status")
    found = examine(resource, kept)
    malformed = [text for text in found.malformed if text.startswith("status")]
    if malformed:
        raise bad_request("; ".join(malformed)[:4096])
    _carry(kept, found.object, "status")
    return Admitted(object=kept)


def _examine(
    resource: Resource, obj: Object, validation: str, old: Object | None = None
) -> tuple[Object, tuple[str, ...]]:
    """The object in the form in which it is stored, and warnings of what is new in it.

    Raises:
        ApiError: 400 or 422.
    """
    what = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
    if shape := shape_faults(obj):
        raise bad_request(f"{what}: {'; '.join(shape)}")
    found = examine(resource, obj, old=old)
    if found.malformed:
        raise bad_request(f"{what}: {'; '.join(found.malformed)[:4096]}")
    if found.unknown and validation == "Strict":
        raise bad_request(f"{what}: strict decoding error: {', '.join(found.unknown)[:4096]}")
    causes = list(found.causes)
    said = {cause.field.split("[")[0] for cause in causes}
    causes += [cause for cause in metadata_faults(resource, obj) if cause.field not in said]
    if resource.kind == "Secret":
        causes += fill_secret(found.object)
    if causes:
        raise invalid(resource.kind, resource.group, obj["metadata"].get("name") or "", causes)
    unknown = found.unknown if validation == "Warn" else ()
    return found.object, (*unknown, *found.warnings)


def _carry(to: Object, source: Mapping[str, Any], key: str) -> None:
    if key in source:
        to[key] = source[key]
    else:
        to.pop(key, None)


def _finalizer_faults(new: Object, old: Object) -> list[Cause]:
    """What is being deleted gets no new finalizers."""
    if not old["metadata"].get("deletionTimestamp"):
        return []
    known = set(old["metadata"].get("finalizers") or ())
    added = [name for name in new["metadata"].get("finalizers") or () if name not in known]
    if not added:
        return []
    message = f"Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers {added}"
    return [Cause("FieldValueForbidden", message, "metadata.finalizers")]


def _fixed(*fields: str) -> Callable[[Object, Object], list[Cause]]:
    def faults(new: Object, old: Object) -> list[Cause]:
        return [
            Cause("FieldValueInvalid", f"Invalid value: {json.dumps(new.get(key))[:200]}: field is immutable", key)
            for key in fields
            if new.get(key) != old.get(key)
        ]

    return faults


def _begin_pod(desk: Desk, obj: Object) -> None:
    admit_new_pod(desk.store, desk.node_name, obj)


def _begin_namespace(_: Desk, obj: Object) -> None:
    begin_namespace(obj)


def _begin_class(desk: Desk, obj: Object) -> None:
    check_default(desk.store, obj)


_BEGIN: Mapping[str, Callable[[Desk, Object], None]] = {
    "Namespace": _begin_namespace,
    "Pod": _begin_pod,
    "PriorityClass": _begin_class,
}
_CHANGED: Mapping[str, Callable[[Object, Object], list[Cause]]] = {
    "Pod": pod_update_faults,
    "ConfigMap": immutable_faults,
    "Secret": immutable_faults,
    "PriorityClass": _fixed("value", "preemptionPolicy"),
}
