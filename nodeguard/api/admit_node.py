"""Nodes: the taint of a cordoned one.

Source: kubernetes, pkg/controller/nodelifecycle/node_lifecycle_controller.go (doNoScheduleTaintingPass).
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

SYSTEM_TAINTS = "node.kubernetes.io/"
UNSCHEDULABLE = f"{SYSTEM_TAINTS}unschedulable"


def with_unschedulable_taint(spec: Object) -> None:
    """Have the taint exactly when the node is cordoned."""
    taints = [taint for taint in spec.get("taints") or () if taint.get("key") != UNSCHEDULABLE]
    if spec.get("unschedulable"):
        taints.append({"key": UNSCHEDULABLE, "effect": "NoSchedule"})
    if taints:
        spec["taints"] = taints
    else:
        spec.pop("taints", None)
