"""Where a pod goes: to the one node, as soon as that one takes it. A cordoned node takes none, a tainted one some.

What a pod needs and whether the node has it, the agent judges, as a kubelet does.

Source: kubernetes, pkg/scheduler/framework/plugins/{nodeunschedulable,tainttoleration}; pkg/scheduler/schedule_one.go
(the condition and the event).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nodeguard.api.admit_meta import Object
from nodeguard.api.context import Context
from nodeguard.api.events import EventLog
from nodeguard.api.store.entry import Change, ChangeType, Key
from nodeguard.model.instant import rfc3339
from nodeguard.model.placement import NO_EXECUTE, NO_SCHEDULE, Taint, Toleration
from nodeguard.policy.taint import untolerated

SCHEDULER = "default-scheduler"
_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_NO_HELP = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def place(pod: Object, node_name: str, node: Mapping[str, Any] | None, at: str) -> None:
    """Bind a pod that is bound to no node yet, or write down why it is not; ``at`` is the instant, in RFC 3339."""
    spec = pod["spec"]
    obstacle = "" if spec.get("nodeName") or node is None else _obstacle(pod, node)
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at}
    if obstacle:
        message = f"0/1 nodes are available: 1 {obstacle}. {_NO_HELP}"
        scheduled |= {"status": "False", "reason": "Unschedulable", "message": message}
    else:
        spec["nodeName"] = spec.get("nodeName") or node_name
    status = pod.setdefault("status", {})
    others = [one for one in status.get("conditions") or () if one.get("type") != "PodScheduled"]
    status["conditions"] = [*others, scheduled]


def taints_of(node: Mapping[str, Any]) -> tuple[Taint, ...]:
    """The node's taints."""
    found = (node.get("spec") or {}).get("taints") or ()
    return tuple(Taint(key=one["key"], value=one.get("value") or "", effect=one["effect"]) for one in found)


def tolerations_of(pod: Mapping[str, Any]) -> tuple[Toleration, ...]:
    """The pod's tolerations."""
    return tuple(
        Toleration(
            key=one.get("key") or "",
            operator=one.get("operator") or "Equal",
            value=one.get("value") or "",
            effect=one.get("effect") or "",
            seconds=one.get("tolerationSeconds"),
        )
        for one in pod["spec"].get("tolerations") or ()
    )


def _obstacle(pod: Object, node: Mapping[str, Any]) -> str:
    """What of the node keeps the pod out; empty when nothing does."""
    borne = tolerations_of(pod)
    if (node.get("spec") or {}).get("unschedulable"):
        cordon: Iterable[Taint] = (Taint(key=_UNSCHEDULABLE, effect=NO_SCHEDULE),)
        if untolerated(cordon, borne, (NO_SCHEDULE,)) is not None:
            return "node(s) were unschedulable"
    if untolerated(taints_of(node), borne, (NO_SCHEDULE, NO_EXECUTE)) is not None:
        return "node(s) had untolerated taint(s)"
    return ""


class Placement:
    """Tells of pods that have to wait, and binds them once the node takes them."""

    def __init__(self, context: Context, events: EventLog) -> None:
        self._context, self._events = context, events
        self._waiting: set[Key] = set()
        context.store.listeners.append(self._changed)
        for entry in context.store.entries("pods"):
            if not entry.field("spec.nodeName"):
                self._waiting.add(entry.key)

    def _changed(self, change: Change) -> None:
        key = change.entry.key
        if key.resource == "nodes" and self._waiting:
            self._try_again()
        elif key.resource == "pods":
            self._pod_changed(change)

    def _pod_changed(self, change: Change) -> None:
        key = change.entry.key
        if change.type is ChangeType.DELETED or change.entry.field("spec.nodeName"):
            self._waiting.discard(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._tell_waiting(change.entry.object())
        else:
            self._try_again()  # perhaps it tolerates more than before

    def _try_again(self) -> None:
        node_name = self._context.node_name
        node = self._context.store.latest(Key("nodes", "", node_name))
        for key in sorted(self._waiting):
            entry = self._context.store.latest(key)
            if entry is None or entry.field("spec.nodeName"):
                continue
            pod = entry.object()
            at = rfc3339(self._context.now())
            place(pod, node_name, node.object() if node is not None else None, at)
            if pod["spec"].get("nodeName"):
                self._context.store.put(key, pod)

    def _tell_waiting(self, pod: Object) -> None:
        conditions = (pod.get("status") or {}).get("conditions") or ()
        message = next((one.get("message", "") for one in conditions if one.get("type") == "PodScheduled"), "")
        self._events.event(pod_event(pod, "Warning", "FailedScheduling", message, SCHEDULER))


def pod_event(pod: Object, event_type: str, reason: str, message: str, component: str) -> Object:
    """An event about a pod, as `EventLog` takes it."""
    metadata = pod["metadata"]
    regarding = {"apiVersion": "v1", "kind": "Pod", **{key: metadata[key] for key in ("namespace", "name", "uid")}}
    source = {"component": component}
    return {"involvedObject": regarding, "type": event_type, "reason": reason, "message": message, "source": source}
