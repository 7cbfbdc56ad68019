"""The v1 Event object, as ``kubectl get events -o json`` prints one.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go, Event; client-go, tools/record/event.go, makeEvent.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.instant import rfc3339, rfc3339_micro
from nodeguard.model.meta import Event

COMPONENT = "nodeguard"


def event_object(event: Event) -> dict[str, Any]:
    """The v1 Event."""
    namespace, _, name = event.pod.rpartition("/")
    involved = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name, "uid": event.uid}
    if event.container:
        involved["fieldPath"] = f"spec.containers{{{event.container}}}"
    if not event.pod:
        involved = {"apiVersion": "v1", "kind": "Node", "name": event.node, "uid": event.node}
    metadata: dict[str, Any] = {"name": event_name(event), "namespace": namespace or "default"}
    metadata["creationTimestamp"] = rfc3339(event.at)
    if event.annotations:
        metadata["annotations"] = dict(event.annotations)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": metadata,
        "involvedObject": involved,
        "reason": event.reason,
        "message": event.message,
        "source": {"component": COMPONENT, **({"host": event.node} if event.node else {})},
        "firstTimestamp": rfc3339(event.at),
        "lastTimestamp": rfc3339(event.at),
        "eventTime": rfc3339_micro(event.at),
        "count": 1,
        "type": event.type,
    }


def event_name(event: Event) -> str:
    """Its ``metadata.name``: the object's name and the instant."""
    return f"{event.pod.rpartition('/')[2] or event.node}.{round(event.at * 1e9):x}"
