"""What an evicted pod is told, in the kubelet's words; every sentence ends with a blank.

Source: kubernetes, pkg/kubelet/eviction/helpers.go, evictionMessage.
"""

from __future__ import annotations

from dataclasses import dataclass

from nodeguard.model.eviction import Candidate, Observation
from nodeguard.model.pod import Container, Pod
from nodeguard.model.quantity import ZERO
from nodeguard.model.signal import Resource
from nodeguard.model.stats import ContainerUsage
from nodeguard.model.threshold import Threshold
from nodeguard.policy.effective import pod_level_requests


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictionMessage:
    """The pod's ``status.message``, and the annotations of its event."""

    text: str
    annotations: dict[str, str]


def eviction_message(candidate: Candidate, threshold: Threshold, observed: Observation) -> EvictionMessage:
    """Name the threshold, and what of the pod uses more than it requests."""
    resource = threshold.signal.resource
    available = resource.quantity(observed.available)
    text = f"The node was low on resource: {resource}. "
    text += f"Threshold quantity: {threshold.value.of(observed.capacity)}, available: {available}. "
    usage = candidate.usage
    if usage is None:
        return EvictionMessage(text=text, annotations={})

    annotations: dict[str, str] = {}
    pod_request = pod_level_requests(candidate.pod).get(resource)
    if resource is Resource.MEMORY and pod_request is not None and usage.memory is not None:
        name, used = candidate.pod.meta.name, str(resource.quantity(usage.working_set_bytes))
        text += f"Pod {name} was using {used}, request is {pod_request}, has larger consumption of {resource}. "
        annotations |= {"offending_pod": name, "offending_pod_usage": used}

    names: list[str] = []
    amounts: list[str] = []
    for measured in usage.containers:
        container = _find(candidate.pod, measured.name)
        used_now = _usage(measured, resource)
        if container is None or used_now is None:
            continue
        request, quantity = container.resources.requests.get(resource, ZERO), resource.quantity(used_now)
        if quantity > request:
            text += f"Container {container.name} was using {quantity}, request is {request}, "
            text += f"has larger consumption of {resource}. "
            names.append(container.name)
            amounts.append(str(quantity))
    annotations["offending_containers"] = ",".join(names)
    annotations["offending_containers_usage"] = ",".join(amounts)
    annotations["starved_resource"] = resource
    return EvictionMessage(text=text, annotations=annotations)


def _find(pod: Pod, name: str) -> Container | None:
    return next((c for c in (*pod.containers, *pod.init_containers) if c.name == name), None)


def _usage(measured: ContainerUsage, resource: Resource) -> int | None:
    """What is compared with the container's request; inodes and process ids are not told by container."""
    if resource is Resource.MEMORY:
        return measured.memory.working_set_bytes if measured.memory else None
    if resource is Resource.EPHEMERAL_STORAGE:
        parts = [part.used_bytes if part else None for part in (measured.rootfs, measured.logs)]
        return None if None in parts else sum(part for part in parts if part is not None)
    return None
