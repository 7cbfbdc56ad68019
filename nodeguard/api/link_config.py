"""ConfigMaps and Secrets for the agent: those that pods of this node refer to, before the pod and at each change."""

from __future__ import annotations

from collections import defaultdict

from nodeguard.api.admit_meta import Object
from nodeguard.api.context import Context
from nodeguard.api.store.entry import Change, ChangeType, Key
from nodeguard.model.link import ConfigMessage
from nodeguard.model.objectref import object_refs

_RESOURCES = {"ConfigMap": "configmaps", "Secret": "secrets"}
_KINDS = {resource: kind for kind, resource in _RESOURCES.items()}


class ConfigFeed:
    """Which pods refer to what; tells the agent what they need."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._users: defaultdict[Key, set[str]] = defaultdict(set)
        self._used: dict[str, frozenset[Key]] = {}

    def want(self, pod: Object) -> None:
        """Tell the agent what the pod refers to, unless it knows already."""
        uid, namespace = pod["metadata"]["uid"], pod["metadata"]["namespace"]
        used = frozenset(Key(_RESOURCES[ref.kind], namespace, ref.name) for ref in object_refs(pod["spec"]))
        for key in used - self._used.get(uid, frozenset()):
            if not self._users[key]:
                self._tell(key)
            self._users[key].add(uid)
        if used:
            self._used[uid] = used

    def drop(self, uid: str) -> None:
        """The pod is gone."""
        for key in self._used.pop(uid, ()):
            self._users[key].discard(uid)
            if not self._users[key]:
                del self._users[key]

    def changed(self, change: Change) -> None:
        """Tell the agent of a committed change of what a pod refers to."""
        key = change.entry.key
        if key.resource in _KINDS and key in self._users:
            self._tell(key, is_gone=change.type is ChangeType.DELETED)

    def _tell(self, key: Key, *, is_gone: bool = False) -> None:
        entry = None if is_gone else self._context.store.get(key)
        obj = entry.object() if entry is not None else None
        kind = _KINDS[key.resource]
        self._context.link.send(ConfigMessage(kind=kind, namespace=key.namespace, name=key.name, object=obj))
