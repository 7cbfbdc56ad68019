"""Pieces that every description has: labels, instants, events. Lines with tabs; ``tabstop.align`` makes columns. Pure.

Source: kubectl, pkg/describe/describe.go (printLabelsMultiline, printAnnotationsMultiline, DescribeEvents).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nodeguard.agent.text import format_age
from nodeguard.model.instant import parse_rfc3339

NONE = "<none>"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def multiline(title: str, values: Sequence[str]) -> Iterator[str]:
    """``Title:`` and the first value, the others below it."""
    first, *others = values or (NONE,)
    yield f"{title}:\t{first}"
    for value in others:
        yield f"\t{value}"


def metadata_lines(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Labels and annotations."""
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    yield from multiline("Labels", [f"{key}={labels[key]}" for key in sorted(labels)])
    shown = [f"{key}: {annotations[key]}" for key in sorted(annotations) if key != _LAST_APPLIED]
    yield from multiline("Annotations", [" ".join(text.split("\n")) for text in shown])


def instant(text: str | None) -> str:
    """``Sat, 21 Nov 2026 10:00:00 +0000``. Source: Go, time.RFC1123Z."""
    at = parse_rfc3339(text or "")
    return "<unset>" if at is None else time.strftime("%a, %d %b %Y %H:%M:%S %z", time.localtime(at))


def event_lines(events: Sequence[Mapping[str, Any]] | None, now: float) -> Iterator[str]:
    """The events of an object, the newest last; nothing at all for None."""
    if events is None:
        return
    if not events:
        yield f"Events:\t{NONE}"
        return
    yield "Events:"
    yield "  Type\tReason\tAge\tFrom\tMessage"
    yield "  ----\t------\t----\t----\t-------"
    for event in sorted(events, key=last_seen):
        part = (event.get("involvedObject") or {}).get("fieldPath")
        message = (f"{part}: " if part else "") + " ".join(str(event.get("message", "")).split())
        source = event.get("source") or {}
        told_by = source.get("component") or event.get("reportingComponent") or ""
        come_from = ", ".join(filter(None, (told_by, source.get("host"))))
        yield f"  {event.get('type', '')}\t{event.get('reason', '')}\t{event_age(event, now)}\t{come_from}\t{message}"


def event_age(event: Mapping[str, Any], now: float) -> str:
    """``5s``, or ``5s (x3 over 1m)``."""
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    last = format_age(now - last_seen(event))
    first = parse_rfc3339(str(event.get("firstTimestamp") or "")) or last_seen(event)
    return f"{last} (x{count} over {format_age(now - first)})" if count > 1 else last


def last_seen(event: Mapping[str, Any]) -> float:
    """UNIX seconds."""
    series = event.get("series") or {}
    told = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    created = (event.get("metadata") or {}).get("creationTimestamp")
    return next((at for text in (*told, created) if text and (at := parse_rfc3339(text)) is not None), 0.0)
