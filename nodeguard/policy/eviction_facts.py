"""What eviction needs to know of a pod, ready before anything runs short."""

from __future__ import annotations

from nodeguard.model.eviction import PodFacts
from nodeguard.model.pod import EmptyDir, Pod
from nodeguard.model.signal import Resource
from nodeguard.policy.effective import effective_limits, lone_request
from nodeguard.policy.priority import is_critical
from nodeguard.policy.qos import qos_class


def facts_of(pod: Pod) -> PodFacts:
    """The pod's facts; they hold until it is replaced or resized."""
    container_limits = {c.name: c.resources.limits.get(Resource.EPHEMERAL_STORAGE) for c in pod.containers}
    volume_limits = {v.name: v.source.size_limit for v in pod.volumes if isinstance(v.source, EmptyDir)}
    return PodFacts(
        pod=pod,
        priority=pod.priority or 0,
        critical=is_critical(pod),
        qos_class=qos_class(pod).qos,
        memory_request=lone_request(pod, Resource.MEMORY),
        storage_request=lone_request(pod, Resource.EPHEMERAL_STORAGE),
        storage_limit=effective_limits(pod).get(Resource.EPHEMERAL_STORAGE),
        container_limits={name: limit for name, limit in container_limits.items() if limit},
        volume_limits={name: limit for name, limit in volume_limits.items() if limit is not None and limit.nano > 0},
    )
