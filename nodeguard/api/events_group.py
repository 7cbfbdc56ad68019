"""Events in their two groups: v1, as they are stored, and events.k8s.io/v1.

Source: kubernetes, pkg/apis/events/v1/conversion.go.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

_RENAMED = (
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("reportingController", "reportingComponent"),
)
_FIELD_PREFIXES = (("regarding.", "involvedObject."), ("reportingController", "reportingComponent"))


def as_events_group(event: Object) -> Object:
    """A v1 Event as of events.k8s.io/v1.

    ``eventTime`` is required there; an event that came without one has it from when it was first seen, where upstream
    answers with null, at which typed clients fail.
    """
    found = {**_rename(event, {old: new for new, old in _RENAMED}), "apiVersion": "events.k8s.io/v1"}
    first = event.get("firstTimestamp") or event.get("metadata", {}).get("creationTimestamp")
    if not found.get("eventTime") and first:
        found["eventTime"] = first
    return found


def as_core_group(event: Object) -> Object:
    """An event of events.k8s.io/v1 as a v1 Event."""
    return {**_rename(event, dict(_RENAMED)), "apiVersion": "v1"}


def core_field(path: str) -> str:
    """The v1 name of a field that a fieldSelector of events.k8s.io names."""
    for new, old in _FIELD_PREFIXES:
        if path.startswith(new):
            return old + path.removeprefix(new)
    return path


def _rename(event: Object, names: dict[str, str]) -> Object:
    return {names.get(key, key): value for key, value in event.items()}
