"""Objects that a run through the agent creates, and what it makes of those that come back. Pure."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import Any

from nodeguard.model.configdata import ConfigData
from nodeguard.model.instant import parse_rfc3339
from nodeguard.model.meta import Event
from nodeguard.model.objectref import SECRET, ObjectRef
from nodeguard.model.pod import PriorityClass

EVICTED_EXIT_CODE, FAILED_EXIT_CODE, REJECTED_EXIT_CODE = 11, 1, 10

Object = dict[str, Any]


def exit_code(objects: Sequence[Mapping[str, Any]]) -> int:
    """As ``run`` without an agent ends: 11 for an eviction, else the first failed container's own code."""
    statuses = [item.get("status") or {} for item in objects]
    if any(status.get("reason") == "Evicted" for status in statuses):
        return EVICTED_EXIT_CODE
    failed = [status for status in statuses if status.get("phase") != "Succeeded"]
    if not failed:
        return 0
    ends = [
        end
        for status in failed
        for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
        if (end := _termination(one)) is not None and end.get("exitCode")
    ]
    if not ends:
        return REJECTED_EXIT_CODE if any(_was_rejected(status) for status in failed) else FAILED_EXIT_CODE
    return int(min(ends, key=lambda end: str(end.get("finishedAt", "")))["exitCode"])


def _termination(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = (status.get("state") or {}).get("terminated") or (status.get("lastState") or {}).get("terminated")
    return found if isinstance(found, dict) else None


def _was_rejected(status: Mapping[str, Any]) -> bool:
    """Failed before anything of it was made; the reason says why."""
    return status.get("phase") == "Failed" and bool(status.get("reason")) and not status.get("containerStatuses")


def class_object(priority_class: PriorityClass) -> Object:
    """The scheduling.k8s.io/v1 object."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": priority_class.meta.name},
        "value": priority_class.value,
        "globalDefault": priority_class.global_default,
        "preemptionPolicy": priority_class.preemption_policy,
        "description": priority_class.description,
    }


def config_object(namespace: str, ref: ObjectRef, data: ConfigData) -> Object:
    """The v1 ConfigMap or Secret."""
    plain = {key: value.decode() for key, value in data.data.items() if ref.kind != SECRET and key not in data.binary}
    coded = {key: b2a_base64(value, newline=False).decode() for key, value in data.data.items() if key not in plain}
    contents = {"data": coded} if ref.kind == SECRET else {"data": plain, "binaryData": coded}
    return {
        "apiVersion": "v1",
        "kind": ref.kind,
        "metadata": {"namespace": namespace, "name": ref.name},
        **{key: value for key, value in contents.items() if value},
    }


def event_of(item: Mapping[str, Any]) -> Event:
    """What the terminal shows, of a v1 Event."""
    involved = item.get("involvedObject") or {}
    path = str(involved.get("fieldPath", ""))
    is_repeated = int(item.get("count") or 1) > 1
    at = item.get("lastTimestamp") if is_repeated else item.get("eventTime") or item.get("lastTimestamp")
    return Event(
        at=parse_rfc3339(str(at or "")) or 0.0,
        type=str(item.get("type", "")),
        reason=str(item.get("reason", "")),
        message=str(item.get("message", "")),
        pod=f"{involved.get('namespace', '')}/{involved.get('name', '')}",
        uid=str(involved.get("uid", "")),
        container=path.partition("{")[2].rstrip("}") or None,
        annotations=item["metadata"].get("annotations") or {},
    )
