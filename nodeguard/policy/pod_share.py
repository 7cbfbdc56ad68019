"""What each pod takes of the node's allocatable resources, as ``describe node`` sums it up."""

from __future__ import annotations

from dataclasses import dataclass

from nodeguard.model.pod import Pod, ResourceList
from nodeguard.policy.effective import effective_limits, effective_requests
from nodeguard.policy.qos import qos_class


@dataclass(frozen=True, slots=True, kw_only=True)
class PodShare:
    """One pod: what it requests and may use at most; ``started_at`` is UNIX seconds."""

    namespace: str
    name: str
    uid: str
    qos_class: str
    priority: int
    requests: ResourceList
    limits: ResourceList
    started_at: float


def pod_share(pod: Pod, started_at: float) -> PodShare:
    """The pod's share."""
    return PodShare(
        namespace=pod.meta.namespace,
        name=pod.meta.name,
        uid=pod.meta.uid,
        qos_class=qos_class(pod).qos.value,
        priority=pod.priority or 0,
        requests=effective_requests(pod),
        limits=effective_limits(pod),
        started_at=started_at,
    )
