"""Waiting until an object is as somebody wants it to be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from nodeguard.client.client import Client
from nodeguard.client.follow import LISTED, follow
from nodeguard.client.kind import Kind
from nodeguard.errors import TimedOut

Condition = Callable[[Mapping[str, Any] | None], bool]
"""Whether the object, None while there is none, is as wanted."""


def wait_for(
    client: Client,
    kind: Kind,
    namespace: str | None,
    name: str,
    condition: Condition,
    timeout_seconds: float | None,
    *,
    patience_seconds: float = 0.0,
) -> Mapping[str, Any] | None:
    """The object once ``condition`` holds; None when it holds of one that is gone.

    Raises:
        TimedOut: it did not within ``timeout_seconds``; None waits without end.
    """
    until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    query = {"fieldSelector": f"metadata.name={name}"}
    for type_, found in follow(client, kind, namespace, query, until=until, patience_seconds=patience_seconds):
        items = found["items"] if type_ == LISTED else [found] if type_ != "DELETED" else []
        item = next(iter(items), None)
        if condition(item):
            return item
    raise TimedOut(f"timed out waiting for the condition on {kind.plural}/{name}")


def wait_until_gone(
    client: Client, kind: Kind, namespace: str | None, name: str, uid: str, timeout_seconds: float | None
) -> None:
    """Return when the object with this uid is gone; another of that name does not matter. Raises as ``wait_for``."""
    wait_for(
        client,
        kind,
        namespace,
        name,
        lambda item: item is None or item["metadata"].get("uid") != uid,
        timeout_seconds,
    )
