"""Events: repeats are counted, and none is kept for longer than an hour.

Source: kubernetes, staging/src/k8s.io/client-go/tools/events, tools/record/events_cache.go (what is a repeat);
kube-apiserver's --event-ttl.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid

from nodeguard.api.admit_meta import Object
from nodeguard.api.context import Context
from nodeguard.api.store.entry import Entry, Key
from nodeguard.model.instant import parse_rfc3339, rfc3339

TTL_SECONDS = 3600.0
MAX_EVENTS = 10_000


class EventLog:
    """Takes in events of the agent and of this process itself."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._last: dict[bytes, Key] = {}

    def event(self, told: Object) -> None:
        """Keep an event, or count it to the one that it repeats."""
        told.setdefault("metadata", {})
        regarding = told.get("involvedObject") or {}
        namespace = told["metadata"].get("namespace") or regarding.get("namespace") or "default"
        same = _identity(told, regarding)
        known = self._store.latest(self._last[same]) if same in self._last else None
        if known is not None:
            self._count(known, told)
            return
        now = self._context.now()
        event = self._new(told, namespace, now)
        key = Key("events", namespace, event["metadata"]["name"])
        if self._store.latest(key) is not None:
            event["metadata"]["name"] = f"{key.name}{secrets.token_hex(4)}"
            key = key._replace(name=event["metadata"]["name"])
        self._last[same] = key
        self._store.put(key, event)

    def about_node(self, event_type: str, reason: str, message: str) -> None:
        """Tell something of this process, as an event of the node."""
        name = self._context.node_name
        self.event(
            {
                "involvedObject": {"kind": "Node", "name": name, "uid": name, "apiVersion": "v1"},
                "type": event_type,
                "reason": reason,
                "message": message,
                "source": {"component": "nodeguard-api", "host": name},
            }
        )

    def damaged(self, what: str) -> None:
        """Tell that the objects' file was damaged."""
        self.about_node("Warning", "StoreDamaged", what)

    def prune(self) -> None:
        """Remove what is too old, and the oldest where there are too many."""
        oldest = self._context.now() - TTL_SECONDS
        found = sorted((_last_seen(entry), entry.key, entry) for entry in self._store.entries("events"))
        surplus = len(found) - MAX_EVENTS
        for position, (seen, key, entry) in enumerate(found):
            if seen < oldest or position < surplus:
                self._store.remove(key, entry.object())
        self._last = {same: key for same, key in self._last.items() if self._store.latest(key) is not None}

    def _count(self, known: Entry, told: Object) -> None:
        event = known.object()
        event["count"] = int(event.get("count") or 1) + int(told.get("count") or 1)
        event["lastTimestamp"] = told.get("lastTimestamp") or rfc3339(self._context.now())
        self._store.put(known.key, event)

    def _new(self, told: Object, namespace: str, now: float) -> Object:
        name = (told.get("involvedObject") or {}).get("name") or "event"
        metadata = {
            **told["metadata"],
            "name": told["metadata"].get("name") or f"{name[:200]}.{secrets.token_hex(8)}",
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": rfc3339(now),
        }
        source = told.get("source") or {}
        return {
            "firstTimestamp": rfc3339(now),
            "lastTimestamp": rfc3339(now),
            "count": 1,
            "reportingComponent": source.get("component", ""),
            "reportingInstance": source.get("host", ""),
            **told,
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": metadata,
        }


def _identity(told: Object, regarding: Object) -> bytes:
    """The same for what counts as a repeat; a digest, as there are thousands of them."""
    values = [regarding.get(key) for key in ("kind", "namespace", "name", "uid", "fieldPath")]
    values += [told.get(key) for key in ("type", "reason", "message")]
    return hashlib.blake2b(repr(values).encode(), digest_size=16).digest()


def _last_seen(entry: Entry) -> float:
    event = entry.object()
    for text in (
        (event.get("series") or {}).get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    ):
        if isinstance(text, str) and (seen := parse_rfc3339(text)) is not None:
            return seen
    return 0.0
