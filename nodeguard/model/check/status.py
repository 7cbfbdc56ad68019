"""The few fields of a pod's status that are heeded; all others may hold anything.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go, PodStatus.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.check.report import Report, shown
from nodeguard.model.document import Path
from nodeguard.model.instant import parse_rfc3339
from nodeguard.model.meta import Condition
from nodeguard.model.pod import NO_STATUS, GivenStatus
from nodeguard.model.syntax import timestamp

_PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")


def check_status(report: Report, status: Any, path: Path) -> GivenStatus:
    """What a pod's ``status`` says; faults are reported and left out."""
    if not isinstance(status, dict):
        if status is not None:
            report.error(path, f"expected an object, found {shown(status)}")
        return NO_STATUS
    phase = _text(report, status, path, "phase")
    if phase and phase not in _PHASES:
        report.error((*path, "phase"), f"found {shown(phase)}; allowed are {', '.join(_PHASES)}")
    started = _text(report, status, path, "startTime")
    wrong = timestamp(started) if started else None
    if wrong is not None:
        report.error((*path, "startTime"), f"found {shown(started)}; {wrong}")
    return GivenStatus(
        phase=phase,
        start_time=parse_rfc3339(started),
        nominated_node_name=_text(report, status, path, "nominatedNodeName"),
        conditions=_conditions(report, status.get("conditions"), (*path, "conditions")),
    )


def _conditions(report: Report, items: Any, path: Path) -> tuple[Condition, ...]:
    if not isinstance(items, list):
        if items is not None:
            report.error(path, f"expected a list, found {shown(items)}")
        return ()
    conditions = []
    for position, item in enumerate(items):
        place = (*path, position)
        if not isinstance(item, dict):
            report.error(place, f"expected an object, found {shown(item)}")
            continue
        kind, state, reason = (_text(report, item, place, key) for key in ("type", "status", "reason"))
        conditions.append(Condition(type=kind, status=state, reason=reason))
    return tuple(conditions)


def _text(report: Report, item: dict[str, Any], path: Path, key: str) -> str:
    value = item.get(key)
    if value is None or isinstance(value, str):
        return value or ""
    report.error((*path, key), f"expected a string, found {shown(value)}")
    return ""
