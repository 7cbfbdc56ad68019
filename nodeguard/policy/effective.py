"""What a pod as a whole requests and may use: phases, sidecars, pod-level resources, overhead.

Source: kubernetes, staging/src/k8s.io/component-helpers/resource/helpers.go; KEP 753 (sidecars), KEP 2837 (pod level).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from nodeguard.model.pod import Container, ContainerKind, Pod, ResourceList
from nodeguard.model.quantity import ZERO, Quantity

HUGEPAGES = "hugepages-"


def is_pod_level(resource: str) -> bool:
    """Whether ``spec.resources`` may name this resource."""
    return resource in ("cpu", "memory") or resource.startswith(HUGEPAGES)


def uses_pod_level(pod: Pod) -> bool:
    """Whether pod-level resources are in use: some supported name is present, be it zero; an empty stanza is not."""
    if pod.resources is None:
        return False
    return any(map(is_pod_level, (*pod.resources.requests, *pod.resources.limits)))


def pod_level_requests(pod: Pod) -> ResourceList:
    """``spec.resources.requests``, supported names only."""
    return _supported(pod.resources.requests) if pod.resources else {}


def pod_level_limits(pod: Pod) -> ResourceList:
    """``spec.resources.limits``, supported names only."""
    return _supported(pod.resources.limits) if pod.resources else {}


def aggregate_requests(pod: Pod) -> ResourceList:
    """What the containers request together, at the most demanding moment of the pod's life."""
    return _aggregate(pod, _requests_of)


def aggregate_limits(pod: Pod) -> ResourceList:
    """What the containers' limits allow together, at the most demanding moment; unlimited ones contribute nothing."""
    return _aggregate(pod, _limits_of)


def effective_requests(pod: Pod) -> ResourceList:
    """The requests a node accounts for this pod; overhead is always added."""
    total = {**aggregate_requests(pod), **pod_level_requests(pod)}
    _add(total, pod.overhead)
    return total


def effective_limits(pod: Pod) -> ResourceList:
    """The pod's limits; overhead is added to those that exist and are not zero."""
    total = {**aggregate_limits(pod), **pod_level_limits(pod)}
    _add(total, {name: amount for name, amount in pod.overhead.items() if total.get(name, ZERO)})
    return total


def lone_request(pod: Pod, resource: str) -> Quantity:
    """What the kubelet takes for the pod's request when it chooses victims.

    With pod-level resources in use these alone; overhead counts only on top of a request that is not zero.

    Source: kubernetes, pkg/api/v1/resource/helpers.go, GetResourceRequestQuantity.
    """
    requests = pod_level_requests(pod) if uses_pod_level(pod) else aggregate_requests(pod)
    request = amount(requests, resource)
    return request + amount(pod.overhead, resource) if request else request


def millicpu_request(pod: Pod) -> int:
    """The effective CPU request; tiers are weighed by the sum of these."""
    return amount(effective_requests(pod), "cpu").milli_value()


def memory_request_bytes(pod: Pod) -> int:
    """The effective memory request; what reserved memory adds up."""
    return amount(effective_requests(pod), "memory").value()


def declares_limit(pod: Pod, resource: str) -> bool:
    """Whether the pod as a whole has a limit of this resource: at the pod level, or in every phase of its life."""
    if pod_level_limits(pod).get(resource, ZERO):
        return True
    phases = [*(c.resources.limits for c in pod.containers), *_init_phases(pod, _limits_of)]
    return all(limits.get(resource, ZERO) for limits in phases)


def amount(resources: Mapping[str, Quantity], name: str) -> Quantity:
    """The amount of ``name``, zero when it is absent."""
    return resources.get(name, ZERO)


def sum_of(lists: Iterable[ResourceList]) -> dict[str, Quantity]:
    """Name by name; absent entries contribute nothing."""
    total: dict[str, Quantity] = {}
    for resources in lists:
        _add(total, resources)
    return total


def _requests_of(container: Container) -> ResourceList:
    return container.resources.requests


def _limits_of(container: Container) -> ResourceList:
    return container.resources.limits


def _supported(resources: ResourceList) -> ResourceList:
    return {name: quantity for name, quantity in resources.items() if is_pod_level(name)}


def _aggregate(pod: Pod, of: Callable[[Container], ResourceList]) -> dict[str, Quantity]:
    sidecars = (c for c in pod.init_containers if c.kind is ContainerKind.SIDECAR)
    most = sum_of(of(c) for c in (*pod.containers, *sidecars))
    for phase in _init_phases(pod, of):
        for name, quantity in phase.items():
            if name not in most or quantity > most[name]:
                most[name] = quantity
    return most


def _init_phases(pod: Pod, of: Callable[[Container], ResourceList]) -> list[ResourceList]:
    """What runs while each init container starts: itself, and the sidecars listed before it."""
    phases: list[ResourceList] = []
    running: dict[str, Quantity] = {}
    for container in pod.init_containers:
        if container.kind is ContainerKind.SIDECAR:
            running = sum_of((running, of(container)))
            phases.append(running)
        else:
            phases.append(sum_of((of(container), running)))
    return phases


def _add(total: dict[str, Quantity], resources: ResourceList) -> None:
    for name, quantity in resources.items():
        total[name] = total[name] + quantity if name in total else quantity
