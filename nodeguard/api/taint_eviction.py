"""Pods that do not bear a taint with the effect NoExecute have to go; some after a while.

Source: kubernetes, pkg/controller/tainteviction/taint_eviction.go; policy/taint_eviction.py has the rule.
"""

from __future__ import annotations

import asyncio
import logging

from nodeguard.api.admit_pod import MIRROR
from nodeguard.api.context import Context
from nodeguard.api.events import EventLog
from nodeguard.api.placement import pod_event, taints_of, tolerations_of
from nodeguard.api.resource import find_kind
from nodeguard.api.rest.remove import DeleteOptions, remove
from nodeguard.api.status import ApiError
from nodeguard.api.store.entry import Change, ChangeType, Entry, Key
from nodeguard.model.instant import rfc3339
from nodeguard.model.placement import NO_EXECUTE, Taint
from nodeguard.policy.taint_eviction import DISRUPTION_REASON, seconds_until_eviction

log = logging.getLogger(__name__)

_ENDED = ("Succeeded", "Failed")


class TaintEviction:
    """Deletes the pods that the node's taints drive away, each when its time has come."""

    def __init__(self, context: Context, events: EventLog) -> None:
        self._context, self._events = context, events
        self._taints: tuple[Taint, ...] = ()
        self._since = 0.0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        context.store.listeners.append(self._changed)
        for entry in context.store.entries("nodes"):
            self._node_changed(entry)

    def _changed(self, change: Change) -> None:
        resource = change.entry.key.resource
        if resource == "nodes":
            self._node_changed(change.entry)
        elif resource == "pods" and change.type is ChangeType.DELETED:
            self._stay(change.entry.uid)
        elif resource == "pods" and self._taints:
            self._judge(change.entry)

    def _node_changed(self, node: Entry) -> None:
        taints = tuple(taint for taint in taints_of(node.object()) if taint.effect == NO_EXECUTE)
        if taints == self._taints:
            return
        self._taints, self._since = taints, self._context.now()
        for entry in self._context.store.entries("pods"):
            self._judge(entry)

    def _judge(self, entry: Entry) -> None:
        """Set the pod's timer anew."""
        self._stay(entry.uid)
        pod = entry.object()
        is_leaving = pod["metadata"].get("deletionTimestamp") or (pod.get("status") or {}).get("phase") in _ENDED
        if is_leaving or not pod["spec"].get("nodeName") or MIRROR in (pod["metadata"].get("annotations") or {}):
            return
        seconds = seconds_until_eviction(self._taints, tolerations_of(pod))
        if seconds is not None:
            delay = max(0.0, self._since + seconds - self._context.now())
            loop = asyncio.get_running_loop()
            self._timers[entry.uid] = loop.call_later(delay, self._begin, entry.key, entry.uid)

    def _stay(self, uid: str) -> None:
        if (timer := self._timers.pop(uid, None)) is not None:
            timer.cancel()

    def _begin(self, key: Key, uid: str) -> None:
        self._timers.pop(uid, None)
        task = asyncio.ensure_future(self._evict(key, uid))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _evict(self, key: Key, uid: str) -> None:
        store, resource = self._context.store, find_kind("v1", "Pod")
        entry = store.latest(key)
        if entry is None or entry.uid != uid or resource is None:
            return
        pod = entry.object()
        self._events.event(
            pod_event(
                pod,
                "Normal",
                "TaintManagerEviction",
                f"Marking for deletion Pod {key.namespace}/{key.name}",
                "taint-eviction-controller",
            )
        )
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": DISRUPTION_REASON,
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": rfc3339(self._context.now()),
        }
        status = pod.setdefault("status", {})
        others = [one for one in status.get("conditions") or () if one.get("type") != condition["type"]]
        status["conditions"] = [*others, condition]
        try:
            marked = await store.put(key, pod)
            if not self._is_leaving(key, uid):
                await remove(self._context, resource, marked, DeleteOptions())
        except ApiError as e:
            log.warning("pod not evicted pod=%s/%s error=%s", key.namespace, key.name, e.message)

    def _is_leaving(self, key: Key, uid: str) -> bool:
        entry = self._context.store.latest(key)
        return entry is None or entry.uid != uid or bool(entry.object()["metadata"].get("deletionTimestamp"))
