"""What the commands ask of the API: objects, lists, tables, changes, watches, logs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from nodeguard.client.connection import JSON, REQUEST_SECONDS, Connection, Stream
from nodeguard.client.kind import KINDS, Kind, discovered, find, find_object_kind
from nodeguard.client.status import error_of_event
from nodeguard.errors import NotFound

FIELD_MANAGER = "nodeguard"
"""Who changed a field, in the words of server-side apply."""
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
PAGE = 500
"""Objects asked for at a time, as kubectl does: a page of them fits into memory on either side."""

Object = dict[str, Any]
Query = Mapping[str, str]


class Client:
    """One user of the API. Not for several threads at once; ``another`` gives each its own."""

    def __init__(
        self,
        socket_path: Path,
        *,
        on_warning: Callable[[str], None] | None = None,
        timeout_seconds: float = REQUEST_SECONDS,
    ) -> None:
        """``timeout_seconds`` is for each request that is not a stream."""
        self.socket_path = socket_path
        self._on_warning, self._timeout_seconds = on_warning, timeout_seconds
        self._connection = Connection(socket_path, on_warning=on_warning, timeout_seconds=timeout_seconds)
        self._discovered: list[Kind] | None = None

    def another(self) -> Client:
        """A client with a connection of its own."""
        return Client(self.socket_path, on_warning=self._on_warning, timeout_seconds=self._timeout_seconds)

    def close(self) -> None:
        """Its connection closed."""
        self._connection.close()

    # --- kinds ---

    def kind(self, name: str) -> Kind:
        """The kind that ``po``, ``pods`` or ``leases.coordination.k8s.io`` means.

        Raises:
            NotFound: the API has none of that name.
        """
        found = find(name) or find(name, self.discover())
        if found is None:
            raise NotFound(f'the server doesn\'t have a resource type "{name}"')
        return found

    def kind_of(self, item: Mapping[str, Any]) -> Kind:
        """The kind of an object, by its ``apiVersion`` and ``kind``. Raises as ``kind``."""
        api_version, name = str(item.get("apiVersion", "")), str(item.get("kind", ""))
        found = find_object_kind(api_version, name, KINDS) or find_object_kind(api_version, name, self.discover())
        if found is None:
            raise NotFound(f'no matches for kind "{name}" in version "{api_version}"')
        return found

    def discover(self) -> list[Kind]:
        """Every kind that the API serves, asked once."""
        if self._discovered is None:
            self._discovered = []
            for target in ("/api", "/apis"):
                _, groups = self._connection.request("GET", target, accept=DISCOVERY)
                self._discovered += discovered(groups)
        return self._discovered

    # --- reading ---

    def read(self, target: str, query: Query | None = None, *, accept: str = JSON) -> Any:
        """The answer to a GET. Raises as ``Connection.request``."""
        return self._connection.request("GET", with_query(target, query), accept=accept)[1]

    def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        """One object. Raises NotFound."""
        found: Object = self.read(kind.path(namespace, name))
        return found

    def list(self, kind: Kind, namespace: str | None, query: Query | None = None) -> Object:
        """The whole list, asked for in pages; each item knows its ``apiVersion`` and ``kind``."""
        first: Object = {}
        items: list[Object] = []
        for page in self._pages(kind, namespace, query, JSON):
            first = first or page
            items += page.get("items") or ()
        for item in items:
            item.setdefault("apiVersion", kind.api_version)
            item.setdefault("kind", kind.kind)
        return {**first, "items": items}

    def table(self, kind: Kind, namespace: str | None, query: Query | None = None, *, name: str = "") -> Object:
        """A v1 Table of one object or of all; the server decides on the columns."""
        if name:
            one: Object = self.read(kind.path(namespace, name), query, accept=TABLE)
            return one
        first: Object = {}
        rows: list[Object] = []
        for page in self._pages(kind, namespace, query, TABLE):
            first = first or page
            rows += page.get("rows") or ()
        return {**first, "rows": rows}

    def _pages(self, kind: Kind, namespace: str | None, query: Query | None, accept: str) -> Iterator[Object]:
        asked = {**(query or {}), "limit": str(PAGE)}
        while True:
            page: Object = self.read(kind.path(namespace), asked, accept=accept)
            yield page
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            asked = {**asked, "continue": token}

    def watch(
        self,
        kind: Kind,
        namespace: str | None,
        query: Query | None = None,
        *,
        accept: str = JSON,
        silence_seconds: float | None = None,
    ) -> Iterator[tuple[str, Object]]:
        """Changes as they come, as type (``ADDED``, ``MODIFIED``, ``DELETED``) and object, until the server ends it.

        Raises:
            Expired: the ``resourceVersion`` is too old; list again.
            TimedOut: nothing came for so long, not even the end.
        """
        target, asked = kind.path(namespace), {**(query or {}), "watch": "true"}
        with self.stream(target, asked, accept=accept, timeout_seconds=silence_seconds) as stream:
            for line in stream.lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise error_of_event(event["object"])
                yield event["type"], event["object"]

    def stream(
        self, target: str, query: Query | None = None, *, accept: str = JSON, timeout_seconds: float | None = None
    ) -> Stream:
        """A GET whose answer comes in pieces, on a connection of its own."""
        return self._connection.stream(with_query(target, query), accept=accept, timeout_seconds=timeout_seconds)

    # --- changing ---

    def create(self, kind: Kind, namespace: str | None, item: Object, *, dry_run: bool = False) -> Object:
        """The object as created. Raises Conflict: there is one of that name."""
        query = {"fieldManager": FIELD_MANAGER, **_dry_run(dry_run)}
        return self.send("POST", kind.path(namespace), item, query)[1]

    def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        patch: Any,
        *,
        content_type: str = MERGE_PATCH,
        dry_run: bool = False,
    ) -> Object:
        """The object as patched."""
        query = {"fieldManager": FIELD_MANAGER, **_dry_run(dry_run)}
        return self.send("PATCH", kind.path(namespace, name), patch, query, content_type=content_type)[1]

    def apply(self, kind: Kind, namespace: str | None, item: Object, *, dry_run: bool = False) -> tuple[bool, Object]:
        """Whether it was created, and the object as it is now: server-side apply, in which the file wins."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict", **_dry_run(dry_run)}
        target = kind.path(namespace, item["metadata"]["name"])
        code, found = self.send("PATCH", target, item, query, content_type=APPLY_PATCH)
        return code == 201, found

    def delete(
        self, kind: Kind, namespace: str | None, name: str, options: Object | None = None, *, dry_run: bool = False
    ) -> Object:
        """What the API says of it: the object on its way out, or a Status."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **(options or {})}
        return self.send("DELETE", kind.path(namespace, name), body, _dry_run(dry_run))[1]

    def send(
        self,
        method: str,
        target: str,
        value: Any,
        query: Query | None = None,
        *,
        content_type: str = JSON,
    ) -> tuple[int, Object]:
        """The answer's code and value, for a request with a body. Raises as ``Connection.request``."""
        return self._connection.request(
            method,
            with_query(target, query),
            body=json.dumps(value, ensure_ascii=False).encode(),
            content_type=content_type,
        )


def with_query(target: str, query: Query | None) -> str:
    """The target of a request. Pure."""
    return f"{target}?{urlencode(query)}" if query else target


def _dry_run(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}
