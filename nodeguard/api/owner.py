"""What follows from deletions: dependents go with their owners, contents with their namespace.

Source: kubernetes, pkg/controller/garbagecollector/garbagecollector.go (attemptToDeleteItem, orphanDependents,
processDeletingDependentsItem); pkg/controller/namespace/deletion/namespaced_resources_deleter.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from nodeguard.api.builtin import ensure_account
from nodeguard.api.context import Context
from nodeguard.api.forgotten import take_away
from nodeguard.api.resource import RESOURCES, find_kind
from nodeguard.api.rest.remove import FOREGROUND, ORPHAN, DeleteOptions, remove
from nodeguard.api.rest.target import storage_name
from nodeguard.api.rest.write import may_go
from nodeguard.api.status import ApiError
from nodeguard.api.store.entry import Change, ChangeType, Entry, Key, Object

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0

_NAMESPACED = {storage_name(one): one for one in reversed(RESOURCES) if one.storage and one.namespaced}
_STORED = {storage_name(one): one for one in reversed(RESOURCES) if one.storage}


class Collector:
    """Hears of each change and does, in one task, what follows from it."""

    def __init__(self, context: Context) -> None:
        """Begins with all that an earlier process left half done."""
        self._context, self._store = context, context.store
        self._waiting: dict[Key, None] = {}
        """What is to be looked at, in the order in which it came; a key may be of what is gone."""
        self._gone_owners: set[str] = set()
        self._more = asyncio.Event()
        self._store.listeners.append(self._changed)
        for resource in self._store.resources():
            for entry in self._store.entries(resource):
                if entry.owners or _is_deleting(entry):
                    self._look_at(entry.key)

    async def work(self) -> None:
        """Do what follows, for ever."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting or self._gone_owners:
                keys, self._waiting = self._waiting, {}
                uids, self._gone_owners = self._gone_owners, set()
                owned = [entry.key for uid in uids for entry in self._store.dependents(uid)]
                for key in (*owned, *keys):
                    await self._follow_up(key)

    def _changed(self, change: Change) -> None:
        entry = change.entry
        key = entry.key
        if change.type is ChangeType.DELETED:
            if self._store.dependents(entry.uid):
                self._gone_owners.add(entry.uid)
                self._more.set()
            for owner in _owner_keys(entry.object()):
                self._look_at(owner)
            if key.namespace:
                self._look_at(Key("namespaces", "", key.namespace))
            if key.resource == "serviceaccounts" and key.name == "default":
                self._restore_account(key.namespace)
        elif _is_deleting(entry) or (entry.owners and change.type is ChangeType.ADDED):
            self._look_at(key)
        if key.resource == "namespaces" and change.type is ChangeType.ADDED:
            ensure_account(self._store, key.name, self._context.now())

    def _restore_account(self, namespace: str) -> None:
        """Without it no pod could be made; so it comes back, unless the namespace goes, too."""
        entry = self._store.latest(Key("namespaces", "", namespace))
        if entry is not None and not _is_deleting(entry):
            ensure_account(self._store, namespace, self._context.now())

    def _look_at(self, key: Key) -> None:
        if key.resource in _STORED:
            self._waiting[key] = None
            self._more.set()

    async def _follow_up(self, key: Key) -> None:
        entry = self._store.latest(key)
        if entry is None:
            return
        try:
            if entry.owners and await self._let_go(entry):
                return
            if _is_deleting(entry):
                await self._finish(entry)
        except ApiError as e:
            if e.code in (404, 409):  # somebody else was faster, and that change is looked at in its turn
                return
            log.warning("deletion not followed up object=%s error=%s", "/".join(key), e)
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._look_at, key)

    async def _let_go(self, entry: Entry) -> bool:
        """Remove an object none of whose owners is there any longer; True when it was."""
        obj = entry.object()
        references = obj["metadata"]["ownerReferences"]
        absent = [one for one in references if self._is_absent(one, entry.key.namespace)]
        if not absent or _is_deleting(entry):
            return False
        if len(absent) < len(references):
            obj["metadata"]["ownerReferences"] = [one for one in references if one not in absent]
            await self._store.put(entry.key, obj)
            return False
        options = DeleteOptions(uid=entry.uid, policy="Background")
        await remove(self._context, _STORED[entry.key.resource], entry, options)
        return True

    def _is_absent(self, reference: Object, namespace: str) -> bool:
        """Whether the owner is known to be gone; of kinds that are not served, nobody knows."""
        key = _owner_key(reference, namespace)
        if key is None:
            return False
        owner = self._store.latest(key)
        return owner is None or owner.uid != reference["uid"]

    async def _finish(self, entry: Entry) -> None:
        """Do what the object's finalizers wait for."""
        obj = entry.object()
        finalizers = obj["metadata"].get("finalizers") or ()
        if ORPHAN in finalizers:
            for dependent in self._store.dependents(entry.uid):
                await self._disown(dependent, entry.uid)
            await self._without_finalizer(entry.key, ORPHAN)
        elif FOREGROUND in finalizers and not await self._removed_dependents(entry):
            await self._without_finalizer(entry.key, FOREGROUND)
        if entry.key.resource == "namespaces" and not await self._removed_contents(entry.key.name):
            await self._without_finalizer(entry.key, "")

    async def _disown(self, dependent: Entry, uid: str) -> None:
        latest = self._store.latest(dependent.key)
        if latest is None:
            return
        obj = latest.object()
        kept = [one for one in obj["metadata"].get("ownerReferences") or () if one["uid"] != uid]
        if kept:
            obj["metadata"]["ownerReferences"] = kept
        else:
            obj["metadata"].pop("ownerReferences", None)
        await self._store.put(latest.key, obj)

    async def _removed_dependents(self, owner: Entry) -> bool:
        """Begin to remove what the owner waits for; whether there is any of it still."""
        blocking = False
        for dependent in self._store.dependents(owner.uid):
            references = dependent.object()["metadata"]["ownerReferences"]
            blocking |= any(one["uid"] == owner.uid and one.get("blockOwnerDeletion") for one in references)
            if not _is_deleting(dependent):
                policy = "Foreground" if self._store.dependents(dependent.uid) else "Background"
                options = DeleteOptions(uid=dependent.uid, policy=policy)
                await remove(self._context, _STORED[dependent.key.resource], dependent, options)
        return blocking and any(
            one["uid"] == owner.uid and one.get("blockOwnerDeletion")
            for left in self._store.dependents(owner.uid)
            for one in left.object()["metadata"]["ownerReferences"]
        )

    async def _removed_contents(self, namespace: str) -> bool:
        """Begin to remove all that is in a namespace; whether there is any of it still."""
        removals = [
            remove(self._context, resource, entry, DeleteOptions(uid=entry.uid))
            for name, resource in _NAMESPACED.items()
            for entry in self._store.entries(name, namespace)
            if not _is_deleting(entry)
        ]
        for outcome in await asyncio.gather(*removals, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        return any(self._store.entries(name, namespace) for name in _NAMESPACED)

    async def _without_finalizer(self, key: Key, finalizer: str) -> None:
        """Take off a finalizer, or with ``""`` a namespace's own ones; what nothing holds any longer goes."""
        entry = self._store.latest(key)
        if entry is None:
            return
        obj = entry.object()
        if finalizer:
            kept = [one for one in obj["metadata"].get("finalizers") or () if one != finalizer]
            obj["metadata"]["finalizers"] = kept
            if not kept:
                del obj["metadata"]["finalizers"]
        else:
            obj["spec"] = {}
        await (take_away(self._context, key, obj) if may_go(obj) else self._store.put(key, obj, urgent=True))


def _is_deleting(entry: Entry) -> bool:
    return b'"deletionTimestamp"' in entry.body and bool(entry.object()["metadata"].get("deletionTimestamp"))


def _owner_key(reference: Object, namespace: str) -> Key | None:
    resource = find_kind(reference.get("apiVersion", ""), reference.get("kind", ""))
    if resource is None or not resource.storage:
        return None
    return Key(storage_name(resource), namespace if resource.namespaced else "", reference.get("name", ""))


def _owner_keys(obj: Object) -> Iterator[Key]:
    metadata = obj["metadata"]
    for reference in metadata.get("ownerReferences") or ():
        key = _owner_key(reference, metadata.get("namespace", ""))
        if key is not None:
            yield key
