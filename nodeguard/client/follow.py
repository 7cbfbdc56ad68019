"""What there is, and from then on every change: a list, the watch that goes on from it, and both anew when need be."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

from nodeguard.client.client import TABLE, Client
from nodeguard.client.connection import JSON
from nodeguard.client.kind import Kind
from nodeguard.errors import AgentUnreachable, Expired

LISTED = "LISTED"
"""The type of what comes first, and again when changes were missed: the whole list."""
RETRY_SECONDS = 0.2
LATE_SECONDS = 5.0
"""A server may end a watch so much later than it was told to."""

Change = tuple[str, dict[str, Any]]


def follow(
    client: Client,
    kind: Kind,
    namespace: str | None,
    query: Mapping[str, str],
    *,
    accept: str = JSON,
    until: float | None = None,
    patience_seconds: float = 0.0,
) -> Iterator[Change]:
    """``LISTED`` and the list, then ``ADDED``, ``MODIFIED``, ``DELETED`` with the object (or Table), one by one.

    It ends at ``until`` (``time.monotonic``). An agent that goes away is waited for as long as ``patience_seconds``.

    Raises:
        AgentUnreachable: it stayed away.
    """
    lost_at: float | None = None
    while until is None or time.monotonic() < until:
        try:
            listed = client.table(kind, namespace, query) if accept == TABLE else client.list(kind, namespace, query)
            lost_at = None
            yield LISTED, listed
            yield from _changes(client, kind, namespace, query, accept, version_of(listed), until)
        except Expired:
            continue
        except AgentUnreachable:
            now = time.monotonic()
            lost_at = lost_at or now
            if now - lost_at >= patience_seconds:
                raise
            time.sleep(RETRY_SECONDS)


def _changes(
    client: Client,
    kind: Kind,
    namespace: str | None,
    query: Mapping[str, str],
    accept: str,
    version: str,
    until: float | None,
) -> Iterator[Change]:
    """Watch after watch: the server ends one now and then, and the next goes on from there."""
    while until is None or time.monotonic() < until:
        asked = {**query, "resourceVersion": version, "allowWatchBookmarks": "true"}
        silence_seconds = None
        if until is not None:
            seconds = max(1, math.ceil(until - time.monotonic()))
            asked["timeoutSeconds"], silence_seconds = str(seconds), seconds + LATE_SECONDS
        for type_, item in client.watch(kind, namespace, asked, accept=accept, silence_seconds=silence_seconds):
            if type_ != "BOOKMARK":
                yield type_, item
            version = version_of(item) or version
            if until is not None and time.monotonic() >= until:
                return


def version_of(item: Mapping[str, Any]) -> str:
    """The resourceVersion of an object, a list, or a watch's Table, which may have it only in its row."""
    own = str((item.get("metadata") or {}).get("resourceVersion") or "")
    objects = ((row.get("object") or {}).get("metadata") or {} for row in item.get("rows") or ())
    return own or next((str(one["resourceVersion"]) for one in objects if one.get("resourceVersion")), "")
