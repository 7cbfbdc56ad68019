"""The v1 Node object, as ``kubectl get node -o json`` prints one.

Fields that have no meaning on one host (podCIDR, volumesAttached, daemonEndpoints) are left out, as Kubernetes leaves
out what is empty; so is the phase, which Kubernetes has not filled since 1.3, unless the legacy view is on.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go, Node; pkg/kubelet/kubelet_node_status.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nodeguard.model.instant import rfc3339
from nodeguard.model.node import NodeCondition, NodeFacts
from nodeguard.model.placement import Taint
from nodeguard.model.wire import to_wire
from nodeguard.policy.legacy_disk import OUT_OF_DISK, RUNNING
from nodeguard.policy.node_condition import condition_taints

PROVIDER = "nodeguard"


def node_object(facts: NodeFacts, conditions: Iterable[NodeCondition] = ()) -> dict[str, Any]:
    """The node with these conditions, and the taints that follow from them beside its own.

    The phase comes back with the legacy condition OutOfDisk, and with it alone.
    """
    conditions = tuple(conditions)
    taints = (*facts.taints, *condition_taints(conditions, unschedulable=facts.unschedulable))
    is_legacy = any(condition.type == OUT_OF_DISK for condition in conditions)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": _metadata(facts),
        "spec": {
            "providerID": f"{PROVIDER}://{facts.name}",
            **({"taints": [_taint_object(taint) for taint in taints]} if taints else {}),
            **({"unschedulable": True} if facts.unschedulable else {}),
        },
        "status": {
            "capacity": {name: str(quantity) for name, quantity in sorted(facts.capacity.items())},
            "allocatable": {name: str(quantity) for name, quantity in sorted(facts.allocatable.items())},
            **({"phase": RUNNING} if is_legacy else {}),
            "conditions": [condition_object(condition) for condition in conditions],
            "addresses": [{"type": one.type, "address": one.address} for one in facts.addresses],
            "nodeInfo": _node_info(facts),
        },
    }


def condition_object(condition: NodeCondition) -> dict[str, str]:
    """One entry of ``status.conditions``."""
    return {
        "type": condition.type,
        "status": condition.status,
        "lastHeartbeatTime": rfc3339(condition.last_heartbeat_at),
        "lastTransitionTime": rfc3339(condition.last_transition_at),
        "reason": condition.reason,
        "message": condition.message,
    }


def _metadata(facts: NodeFacts) -> dict[str, Any]:
    labels = {
        "kubernetes.io/arch": facts.system.architecture,
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": facts.system.operating_system,
        **facts.labels,
    }
    uid = _as_uuid(facts.system.machine_id)
    return {
        "name": facts.name,
        **({"uid": uid} if uid else {}),
        "labels": dict(sorted(labels.items())),
        "creationTimestamp": rfc3339(facts.registered_at),
    }


def _node_info(facts: NodeFacts) -> dict[str, str]:
    info: dict[str, str] = to_wire(facts.system)
    info["machineID"], info["systemUUID"], info["bootID"] = (
        info.pop(name) for name in ("machineId", "systemUuid", "bootId")
    )
    info["kubeProxyVersion"] = ""  # clients insist on it, though nothing has filled it since 1.33
    return dict(sorted(info.items()))


def _as_uuid(machine_id: str) -> str:
    """A machine's id is 32 hexadecimal digits: a UUID without hyphens."""
    if len(machine_id) != 32:
        return ""
    return "-".join((machine_id[:8], machine_id[8:12], machine_id[12:16], machine_id[16:20], machine_id[20:]))


def _taint_object(taint: Taint) -> dict[str, str]:
    return {"key": taint.key, **({"value": taint.value} if taint.value else {}), "effect": taint.effect}
