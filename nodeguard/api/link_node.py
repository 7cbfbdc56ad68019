"""The Node between the store and the agent: its status is the agent's, taints and labels are also the users'.

Source: kubernetes, pkg/kubelet/kubelet_node_status.go (reconcileNode…, updateDefaultLabels);
pkg/controller/nodelifecycle (taints from conditions and from ``unschedulable``); pkg/kubelet/util/nodelease.go.
"""

from __future__ import annotations

import uuid
from typing import Any

from nodeguard.api.admit_meta import Object
from nodeguard.api.admit_node import SYSTEM_TAINTS, with_unschedulable_taint
from nodeguard.api.context import Context
from nodeguard.api.store.entry import Change, ChangeType, Key
from nodeguard.model.instant import rfc3339, rfc3339_micro
from nodeguard.model.link import NodeMessage

LEASES = "leases.coordination.k8s.io"
LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40


class NodeFeed:
    """Takes in what the agent tells of its node, and tells it what users changed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._told: tuple[Any, ...] = ()
        self._store.listeners.append(self._changed)

    def node(self, told: Object) -> None:
        """Take in the node as the agent has it."""
        self._renew_lease()
        key = Key("nodes", "", self._context.node_name)
        entry = self._store.latest(key)
        if entry is None:
            new = _new_node(told, self._context.now())
            self._store.put(key, new)
            return
        old = entry.object()
        new = _merged(old, told)
        if new != old:
            self._store.put(key, new, keep=_without_heartbeats(new) != _without_heartbeats(old))

    def _changed(self, change: Change) -> None:
        entry = change.entry
        if entry.key != Key("nodes", "", self._context.node_name) or change.type is ChangeType.DELETED:
            return
        obj = entry.object()
        spec, metadata = obj.get("spec") or {}, obj["metadata"]
        told = (spec, metadata.get("labels"), metadata.get("annotations"))
        if told != self._told:
            self._told = told
            self._context.link.send(NodeMessage(object=obj))

    def _renew_lease(self) -> None:
        now, name = self._context.now(), self._context.node_name
        key = Key(LEASES, LEASE_NAMESPACE, name)
        entry = self._store.latest(key)
        lease = entry.object() if entry is not None else _new_lease(name, now)
        lease["spec"]["renewTime"] = rfc3339_micro(now)
        self._store.put(key, lease, keep=entry is None)


def _new_node(told: Object, now: float) -> Object:
    metadata = {**told["metadata"]}
    metadata.setdefault("uid", str(uuid.uuid4()))
    metadata.setdefault("creationTimestamp", rfc3339(now))
    return {**told, "apiVersion": "v1", "kind": "Node", "metadata": metadata}


def _merged(old: Object, told: Object) -> Object:
    """The stored node with the agent's status, labels and condition taints, and the users' all else."""
    metadata = {**old["metadata"]}
    labels = {**(told["metadata"].get("labels") or {}), **(metadata.get("labels") or {})}
    if labels:
        metadata["labels"] = labels
    spec = {**(told.get("spec") or {}), **(old.get("spec") or {})}
    spec["taints"] = [t for t in (old.get("spec") or {}).get("taints") or () if not _is_system(t)]
    spec["taints"] += [t for t in (told.get("spec") or {}).get("taints") or () if _is_system(t)]
    with_unschedulable_taint(spec)
    return {**old, "metadata": metadata, "spec": spec, "status": told.get("status") or {}}


def _is_system(taint: Object) -> bool:
    return str(taint.get("key", "")).startswith(SYSTEM_TAINTS)


def _without_heartbeats(node: Object) -> Object:
    status = node.get("status") or {}
    conditions = [
        {key: value for key, value in condition.items() if key != "lastHeartbeatTime"}
        for condition in status.get("conditions") or ()
    ]
    metadata = {key: value for key, value in node["metadata"].items() if key != "resourceVersion"}
    return {**node, "metadata": metadata, "status": {**status, "conditions": conditions}}


def _new_lease(name: str, now: float) -> Object:
    metadata = {"name": name, "namespace": LEASE_NAMESPACE, "uid": str(uuid.uuid4()), "creationTimestamp": rfc3339(now)}
    spec = {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
