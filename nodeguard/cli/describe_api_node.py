"""A node as kubectl describes it, of what the API has; eviction signals are from the agent's own words in /run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nodeguard.agent.node_view import NodeView, put_together
from nodeguard.cli.describe_node import description
from nodeguard.client.client import Client
from nodeguard.client.kind import POD, find_object_kind
from nodeguard.errors import NodeguardError, NotFound
from nodeguard.kernel import proc
from nodeguard.model.decode import decode
from nodeguard.model.document import Document
from nodeguard.model.instant import parse_rfc3339
from nodeguard.policy.pod_share import PodShare, pod_share

_ENDED = ("Succeeded", "Failed")
_LEASES = "kube-node-lease"


def api_node_lines(client: Client, node: Mapping[str, Any], now: float, config_file: str | None) -> Iterator[str]:
    """The lines; events are left to others."""
    name = node["metadata"]["name"]
    pods = client.list(POD, None, {"fieldSelector": f"spec.nodeName={name}"})["items"]
    holder, renewed_at = _lease(client, name)
    told = _told(config_file, now)
    view = NodeView(
        node=node,
        renewed_at=renewed_at,
        signals=told.signals,
        ends=told.ends,
        pods=tuple(share for pod in pods if (share := _share(pod)) is not None),
    )
    yield from description(view, now, holder=holder)


def _share(pod: Mapping[str, Any]) -> PodShare | None:
    """What the pod asks of the node; None when it has ended."""
    status = pod.get("status") or {}
    if status.get("phase") in _ENDED:
        return None
    found = decode([Document(value=pod, source=pod["metadata"]["name"])]).pods
    started = status.get("startTime") or pod["metadata"].get("creationTimestamp") or ""
    return pod_share(found[0], parse_rfc3339(started) or 0.0) if found else None


def _lease(client: Client, node: str) -> tuple[str, float | None]:
    """Who renews the node's lease, and when that was last."""
    kind = find_object_kind("coordination.k8s.io/v1", "Lease")
    assert kind is not None
    try:
        spec = client.get(kind, _LEASES, node).get("spec") or {}
    except NotFound:
        return "", None
    return str(spec.get("holderIdentity", "")), parse_rfc3339(str(spec.get("renewTime", "")))


def _told(config_file: str | None, now: float) -> NodeView:
    """What the agent wrote down for everybody who may read it; nothing for others."""
    import time

    from nodeguard.agent.node_file import read_node_files
    from nodeguard.cli.agent_socket import socket_path

    try:
        files = read_node_files(socket_path(config_file).parent, proc.boot_id())
    except (OSError, NodeguardError):
        files = ()
    return put_together(files, monotonic=time.monotonic(), now=now) if files else NodeView(node={})
