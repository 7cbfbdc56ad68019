"""Objects that every cluster has from its first moment: namespaces, their accounts, the system's PriorityClasses."""

from __future__ import annotations

import uuid
from typing import Any

from nodeguard.api.admit_namespace import BUILT_IN, begin_namespace
from nodeguard.api.admit_pod import CLASSES
from nodeguard.api.store.entry import Key
from nodeguard.api.store.store import Store
from nodeguard.model.instant import rfc3339
from nodeguard.policy.priority import SYSTEM_CLASSES

_DESCRIPTIONS = {
    "system-cluster-critical": "Used for system critical pods that must run in the cluster, but can be moved to "
    "another node if necessary.",
    "system-node-critical": "Used for system critical pods that must not be moved from their current node.",
}


def ensure_builtin(store: Store, now: float) -> None:
    """Put what is missing."""
    for name in BUILT_IN:
        key = Key("namespaces", "", name)
        if store.latest(key) is None:
            namespace = _object("v1", "Namespace", name, now)
            begin_namespace(namespace)
            store.put(key, namespace)
        ensure_account(store, name, now)
    for one in SYSTEM_CLASSES:
        key = Key(CLASSES, "", one.meta.name)
        if store.latest(key) is None:
            made = _object("scheduling.k8s.io/v1", "PriorityClass", one.meta.name, now)
            policy, description = one.preemption_policy, _DESCRIPTIONS[one.meta.name]
            made.update(value=one.value, preemptionPolicy=policy, description=description)
            made["metadata"]["generation"] = 1
            store.put(key, made)


def ensure_account(store: Store, namespace: str, now: float) -> None:
    """Put the namespace's default account, if it is missing."""
    key = Key("serviceaccounts", namespace, "default")
    if store.latest(key) is None:
        account = _object("v1", "ServiceAccount", "default", now)
        account["metadata"]["namespace"] = namespace
        store.put(key, account)


def _object(api_version: str, kind: str, name: str, now: float) -> dict[str, Any]:
    metadata = {"name": name, "uid": str(uuid.uuid4()), "creationTimestamp": rfc3339(now)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
