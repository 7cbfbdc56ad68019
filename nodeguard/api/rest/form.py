"""The form in which a client wants objects: whole, as rows of a table, or their metadata alone.

Source: kubernetes, staging/src/k8s.io/apiserver/pkg/endpoints/handlers/negotiation/negotiate.go; response.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from nodeguard.api.accept import parse_accept
from nodeguard.api.events_group import as_events_group
from nodeguard.api.resource import Resource
from nodeguard.api.rest.respond import encode, list_body
from nodeguard.api.status import bad_request, not_acceptable
from nodeguard.api.store.entry import Entry
from nodeguard.api.table.table import Include, table

WHOLE, TABLE, METADATA = "", "Table", "PartialObjectMetadata"
_SERVED = ("application/json",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How objects of one resource are shown."""

    resource: Resource
    style: str
    version: str = "v1"
    include: Include = "Metadata"

    def one(self, entry: Entry, now: float) -> bytes:
        """A single object."""
        return self._one(self._body(entry), entry, now)

    def object(self, obj: dict[str, Any], now: float) -> bytes:
        """A single object that is not in the store, such as the outcome of a dry run."""
        if self.style == WHOLE:
            return encode(obj)
        if self.style == TABLE:
            return encode(self._table([obj], now, {"resourceVersion": _revision(obj)}))
        return encode(self._metadata(obj))

    def many(self, entries: Iterable[Entry], now: float, metadata: Mapping[str, Any]) -> bytes:
        """A list."""
        if self.style == WHOLE:
            bodies = (self._body(entry) for entry in entries)
            return list_body(self.resource.list_kind, self.resource.group_version, metadata, bodies)
        return self.objects([self._decoded(entry) for entry in entries], now, metadata)

    def objects(self, objects: Sequence[dict[str, Any]], now: float, metadata: Mapping[str, Any]) -> bytes:
        """A list of objects that are not in the store."""
        if self.style == TABLE:
            return encode(self._table(objects, now, metadata))
        if self.style == METADATA:
            plain = [encode(self._metadata(obj)) for obj in objects]
            return list_body("PartialObjectMetadataList", f"meta.k8s.io/{self.version}", metadata, plain)
        bodies = map(encode, objects)
        return list_body(self.resource.list_kind, self.resource.group_version, metadata, bodies)

    def event(self, change_type: str, entry: Entry, now: float, *, is_first: bool) -> bytes:
        """One line of a watch."""
        if self.style == TABLE:
            meta = {"resourceVersion": str(entry.revision)}
            body = encode(self._table([self._decoded(entry)], now, meta, headers=is_first))
        else:
            body = self._one(self._body(entry), entry, now)
        return b'{"type":"' + change_type.encode() + b'","object":' + body + b"}\n"

    def bookmark(self, revision: int, now: float, *, is_end_of_initial: bool, is_first: bool) -> bytes:
        """The line of a watch that tells how far it has come."""
        metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if is_end_of_initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj: dict[str, Any] = {
            "kind": self.resource.kind,
            "apiVersion": self.resource.group_version,
            "metadata": metadata,
        }
        if self.style == TABLE:
            row: dict[str, Any] = {"cells": [], "object": obj if self.include == "Object" else self._metadata(obj)}
            shown = self._table([], now, {"resourceVersion": str(revision)}, headers=is_first)
            obj = {**shown, "rows": [row]}
        elif self.style == METADATA:
            obj = self._metadata(obj)
        return b'{"type":"BOOKMARK","object":' + encode(obj) + b"}\n"

    def _one(self, body: bytes, entry: Entry, now: float) -> bytes:
        return body if self.style == WHOLE else self.object(self._decoded(entry), now)

    def _body(self, entry: Entry) -> bytes:
        return encode(as_events_group(entry.object())) if self._is_converted else entry.body

    def _decoded(self, entry: Entry) -> dict[str, Any]:
        obj = entry.object()
        return as_events_group(obj) if self._is_converted else obj

    @property
    def _is_converted(self) -> bool:
        return self.resource.group == "events.k8s.io"

    def _table(
        self, objects: Sequence[dict[str, Any]], now: float, meta: Mapping[str, Any], *, headers: bool = True
    ) -> dict[str, Any]:
        return table(
            self.resource, objects, now=now, include=self.include, meta=meta, version=self.version, headers=headers
        )

    def _metadata(self, obj: dict[str, Any]) -> dict[str, Any]:
        api_version = f"meta.k8s.io/{self.version}"
        return {"kind": METADATA, "apiVersion": api_version, "metadata": obj.get("metadata", {})}


def choose_form(resource: Resource, accept: str, include: str, *, is_list: bool = False) -> Form:
    """The first form of the Accept header that is served.

    Raises:
        ApiError: none of them is; or ``includeObject`` is no known word.
    """
    if include not in ("", "Metadata", "Object", "None"):
        raise bad_request(f'includeObject must be one of "None", "Metadata", "Object", found "{include[:40]}"')
    for one in parse_accept(accept):
        group, version, kind = one.kind
        if not one.takes(_SERVED[0]):
            continue
        if not kind:
            return Form(resource=resource, style=WHOLE)
        if group != "meta.k8s.io" or version not in ("v1", "v1beta1"):
            continue
        if kind == TABLE:
            chosen = cast(Include, include or "Metadata")
            return Form(resource=resource, style=TABLE, version=version, include=chosen)
        if kind == (f"{METADATA}List" if is_list else METADATA):
            return Form(resource=resource, style=METADATA, version=version)
    raise not_acceptable(_SERVED)


def _revision(obj: Mapping[str, Any]) -> str:
    return str(obj.get("metadata", {}).get("resourceVersion", ""))
