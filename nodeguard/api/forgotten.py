"""Pods that are gone from the store while the agent may still have them, as after a forced deletion.

What the agent is told may be lost with either process. So it is written down, in one transaction with the removal, and
kept until the agent says that nothing is left.
"""

from __future__ import annotations

import asyncio

from nodeguard.api.admit_pod import MIRROR
from nodeguard.api.context import Context
from nodeguard.api.store.entry import Entry, Key, Object

FORGOTTEN = "_forgotten"
"""The resource of these notes in the store; no path leads to it."""


def take_away(context: Context, key: Key, obj: Object) -> asyncio.Future[Entry]:
    """Remove an object from the store; of a pod that the agent may have, that is noted. Done when it is committed."""
    if key.resource == "pods" and obj["spec"].get("nodeName") == context.node_name and not is_mirror(obj):
        uid = obj["metadata"]["uid"]
        note = {"metadata": {"name": uid}, "namespace": key.namespace, "name": key.name}
        context.store.put(Key(FORGOTTEN, "", uid), note, urgent=True)
    return context.store.remove(key, obj)


def is_mirror(pod: Object) -> bool:
    """Whether the pod is one of the node's own manifests: it comes back by itself."""
    return MIRROR in (pod["metadata"].get("annotations") or {})
