"""Pods between the store and the agent: what one side knows, and the other has to.

The agent has the truth about a pod's status, the store about all else. Both may have begun anew.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from nodeguard.api.admit_meta import Object
from nodeguard.api.context import Context
from nodeguard.api.forgotten import FORGOTTEN, is_mirror
from nodeguard.api.link_config import ConfigFeed
from nodeguard.api.rest.write import may_go
from nodeguard.api.status import ApiError
from nodeguard.api.store.entry import Change, ChangeType, Entry, Key
from nodeguard.model.instant import rfc3339
from nodeguard.model.link import Forget, PodMessage, Settled, Sync

log = logging.getLogger(__name__)

_ENDED = ("Succeeded", "Failed")
_MIRROR_SECONDS = 1.0
_RETRY_SECONDS = 2.0


class PodFeed:
    """Tells the agent of pods, and takes in what it tells of them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._configs = ConfigFeed(context)
        self._told: dict[str, int] = {}
        self._gone: set[str] = set()
        self._newest: dict[str, Object] = {}
        """What was told last of pods whose status is not committed yet."""
        self._mirrors_gone_at: dict[str, float] = {}
        self._unshown: dict[Key, Object] = {}
        """Static pods whose names are taken, as they were told last."""
        self._is_synced = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._store.listeners.append(self._changed)

    def synced(self) -> None:
        """The agent has told all its pods: tell it all that should be."""
        mine = [e for e in self._store.entries("pods") if self._is_for_agent(e.object())]
        objects = [entry.object() for entry in mine]
        for obj in objects:
            self._configs.want(obj)
        for forgotten in self._store.entries(FORGOTTEN):
            obj = forgotten.object()
            self._forget(obj["metadata"]["name"], obj["namespace"], obj["name"])
        self._told = {obj["metadata"]["uid"]: _digest(obj) for obj in objects}
        for obj in objects:
            self._context.link.send(PodMessage(object=_for_agent(obj)))
        self._context.link.send(Sync(uids=list(self._told)))
        self._is_synced = True

    def pod(self, told: Object) -> None:
        """Take in a pod as the agent has it."""
        metadata = told["metadata"]
        uid, namespace, name = metadata["uid"], metadata["namespace"], metadata["name"]
        if self._store.latest(Key(FORGOTTEN, "", uid)) is not None:
            self._forget(uid, namespace, name)
            return
        key = Key("pods", namespace, name)
        entry = self._store.latest(key)
        if entry is None:
            self._appeared(key, told)
        elif entry.uid != uid and is_mirror(told):
            self._taken(entry, told)
        elif entry.uid != uid:
            log.warning("pod of another uid pod=%s/%s uid=%s known=%s", namespace, name, uid, entry.uid)
            self._forget(uid, namespace, name)
        else:
            self._status(entry, told)

    def gone(self, uid: str, namespace: str, name: str) -> None:
        """Nothing is left of the pod on the host."""
        forgotten = Key(FORGOTTEN, "", uid)
        if (note := self._store.latest(forgotten)) is not None:
            removal = self._store.remove(forgotten, note.object())
            self._start(self._kept(removal, lambda: self.gone(uid, namespace, name)))
        key = Key("pods", namespace, name)
        if key in self._unshown and self._unshown[key]["metadata"]["uid"] == uid:
            del self._unshown[key]
        entry = self._store.latest(key)
        if entry is None or entry.uid != uid:
            return
        obj = entry.object()
        metadata = obj["metadata"]
        if not metadata.get("deletionTimestamp") and not is_mirror(obj):
            return
        if is_mirror(obj):
            self._mirrors_gone_at[uid] = self._context.now()
        self._gone.add(uid)
        metadata.setdefault("deletionTimestamp", rfc3339(self._context.now()))
        metadata["deletionGracePeriodSeconds"] = 0
        done = self._store.remove(entry.key, obj) if may_go(obj) else self._store.put(entry.key, obj, urgent=True)
        self._start(self._kept(done, lambda: self.gone(uid, namespace, name)))

    def _appeared(self, key: Key, told: Object) -> None:
        """A pod the store does not know: a static one, or the store was lost. It is as it is."""
        wait = self._mirrors_gone_at.pop(told["metadata"]["uid"], 0.0) + _MIRROR_SECONDS - self._context.now()
        if wait > 0:  # whoever waits for the deletion looks first whether a pod with this uid is there
            self._start(self._later(wait, told))
            return
        told["metadata"].setdefault("creationTimestamp", rfc3339(self._context.now()))
        told["metadata"].setdefault("generation", 1)
        told.setdefault("apiVersion", "v1")
        told.setdefault("kind", "Pod")
        self._told[told["metadata"]["uid"]] = _digest(told)
        self._configs.want(told)
        self._start(self._settled(told, self._store.put(key, told)))

    def _taken(self, entry: Entry, told: Object) -> None:
        """A static pod runs, whatever has its name here: it is shown when that one has gone.

        Source: kubelet, pkg/kubelet/pod/mirror_client.go (CreateMirrorPod fails, the pod goes on).
        """
        if entry.key not in self._unshown:
            log.warning("static pod not shown, its name is taken pod=%s/%s", entry.key.namespace, entry.key.name)
        self._unshown[entry.key] = told

    async def _later(self, seconds: float, told: Object) -> None:
        await asyncio.sleep(seconds)
        self.pod(told)

    def _status(self, entry: Entry, told: Object) -> None:
        obj = entry.object()
        status = _merged_status(told.get("status") or {}, obj.get("status") or {})
        if status == obj.get("status"):
            self._start(self._settled(told, self._store.committed(entry.key)))
            return
        obj["status"] = status
        self._start(self._settled(told, self._store.put(entry.key, obj, urgent=True)))

    async def _settled(self, told: Object, committed: Awaitable[object]) -> None:
        """Tell the agent, once a final status is on the disk, that it may let go."""
        uid = told["metadata"]["uid"]
        self._newest[uid] = told

        def again() -> None:
            if self._newest.get(uid) is told:
                self.pod(told)

        if await self._kept(committed, again) and self._newest.get(uid) is told:
            del self._newest[uid]
            if (told.get("status") or {}).get("phase") in _ENDED:
                self._context.link.send(Settled(uid=uid))

    async def _kept(self, committed: Awaitable[object], again: Callable[[], None]) -> bool:
        """Whether it was committed; if not, which the store has logged, it is tried again later."""
        try:
            await committed
        except ApiError:
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, again)
            return False
        return True

    def _changed(self, change: Change) -> None:
        """Tell the agent of a committed change that concerns it."""
        entry = change.entry
        if entry.key.resource != "pods":
            self._configs.changed(change)
            return
        if change.type is ChangeType.DELETED:
            self._deleted(entry)
            return
        obj = entry.object()
        if not self._is_synced or not self._is_for_agent(obj):
            return
        digest = _digest(obj)
        if self._told.get(entry.uid) != digest:
            self._told[entry.uid] = digest
            self._configs.want(obj)
            self._context.link.send(PodMessage(object=_for_agent(obj)))

    def _deleted(self, entry: Entry) -> None:
        self._told.pop(entry.uid, None)
        self._configs.drop(entry.uid)
        was_gone = entry.uid in self._gone
        self._gone.discard(entry.uid)
        returns = is_mirror(entry.object()) and not was_gone
        if returns:
            self._mirrors_gone_at[entry.uid] = self._context.now()
        if (unshown := self._unshown.pop(entry.key, None)) is not None:
            self.pod(unshown)
        if returns or self._store.latest(Key(FORGOTTEN, "", entry.uid)) is not None:
            self._forget(entry.uid, entry.key.namespace, entry.key.name)

    def _forget(self, uid: str, namespace: str, name: str) -> None:
        self._context.link.send(Forget(uid=uid, namespace=namespace, name=name))

    def _is_for_agent(self, obj: Object) -> bool:
        """Whether the agent is to have the pod: it is of this node, and has not ended or is to be removed.

        Of a static pod it says whether its manifest is there still.
        """
        is_over = (obj.get("status") or {}).get("phase") in _ENDED
        is_here = obj["spec"].get("nodeName") == self._context.node_name
        return is_here and (not is_over or bool(obj["metadata"].get("deletionTimestamp")) or is_mirror(obj))

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _for_agent(pod: Object) -> Object:
    """The pod without what is of no use to the agent: a third of its bytes."""
    return {**pod, "metadata": {key: value for key, value in pod["metadata"].items() if key != "managedFields"}}


def _merged_status(told: Object, known: Object) -> Object:
    """The agent's status with what only the API has: conditions of others, and the class, which never changes."""
    conditions = list(told.get("conditions") or ())
    types = {condition.get("type") for condition in conditions}
    conditions += [one for one in known.get("conditions") or () if one.get("type") not in types]
    merged = {**told, "conditions": conditions}
    if known.get("qosClass"):
        merged["qosClass"] = known["qosClass"]
    return merged


def _digest(obj: Object) -> int:
    """Changes when what the agent must know of the pod does."""
    metadata = {key: v for key, v in obj["metadata"].items() if key not in ("resourceVersion", "managedFields")}
    return hash(json.dumps([metadata, obj["spec"]], sort_keys=True))
