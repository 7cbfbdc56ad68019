"""One stored object: its JSON as it is sent, and beside it the little that lists and watches select by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

Object = dict[str, Any]


class Key(NamedTuple):
    """Where an object is: ``resource`` such as ``pods`` or ``leases.coordination.k8s.io``; sorts as lists do."""

    resource: str
    namespace: str
    name: str


FIELDS: Mapping[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
}
"""What a fieldSelector may name beside metadata.name and metadata.namespace.

Source: kubernetes, pkg/apis/core/v1/conversion.go (AddFieldLabelConversionsFor…); pkg/registry/core/*/strategy.go.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as of ``revision``; ``fields`` has the values of ``FIELDS``, in their order."""

    key: Key
    uid: str
    revision: int
    body: bytes
    labels: Mapping[str, str]
    fields: tuple[str, ...]
    owners: tuple[str, ...]

    def object(self) -> Object:
        """The object, decoded anew: it may be changed."""
        decoded: Object = json.loads(self.body)
        return decoded

    def field(self, path: str) -> str:
        """The value a fieldSelector compares; ``""`` when it is not there.

        Raises:
            KeyError: objects of this resource cannot be selected by it.
        """
        if path == "metadata.name":
            return self.key.name
        if path == "metadata.namespace":
            return self.key.namespace
        try:
            return self.fields[FIELDS.get(self.key.resource, ()).index(path)]
        except ValueError:
            raise KeyError(path) from None


class ChangeType(StrEnum):
    """The types of a watch's events that are about an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object. ``entry`` is what it became, or what it was last when it was deleted."""

    type: ChangeType
    entry: Entry
    previous: Entry | None


def make_entry(key: Key, obj: Object, revision: int) -> Entry:
    """The object as an entry; ``metadata.resourceVersion`` of ``obj`` becomes this revision.

    Raises:
        ValueError: it holds what JSON or UTF-8 cannot.
    """
    metadata = obj["metadata"]
    metadata["resourceVersion"] = str(revision)
    body = json.dumps(obj, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    return _entry(key, obj, revision, body)


def read_entry(key: Key, body: bytes) -> Entry:
    """An entry from its stored JSON.

    Raises:
        ValueError, KeyError, TypeError: it is no object of ours.
    """
    obj = json.loads(body)
    return _entry(key, obj, int(obj["metadata"]["resourceVersion"]), body)


def _entry(key: Key, obj: Object, revision: int, body: bytes) -> Entry:
    metadata = obj["metadata"]
    return Entry(
        key=key,
        uid=metadata.get("uid", ""),
        revision=revision,
        body=body,
        labels=metadata.get("labels") or {},
        fields=tuple(_field(obj, path) for path in FIELDS.get(key.resource, ())),
        owners=tuple(owner["uid"] for owner in metadata.get("ownerReferences") or ()),
    )


def _field(obj: Object, path: str) -> str:
    value: Any = obj
    if path == "source":
        path = "reportingComponent" if obj.get("reportingComponent") else "source.component"
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if path in ("spec.unschedulable", "spec.hostNetwork"):
        return "true" if value else "false"
    return str(value) if value is not None else ""
