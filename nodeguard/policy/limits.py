"""From pods and settings to the values of one cgroup: root, tier, pod, container.

The kubelet has no cgroup for Guaranteed pods; here they have a tier whose values follow the Burstable tier's rules.
Source: kubelet, pkg/kubelet/cm/helpers_linux.go, qos_container_manager_linux.go, node_container_manager_linux.go;
pkg/kubelet/kuberuntime/kuberuntime_container_linux.go; KEP 2570 (Memory QoS), KEP 2400 (swap), KEP 2837 (pod level).
"""

from __future__ import annotations

from collections.abc import Mapping

from nodeguard.model.node import UNLIMITED, CgroupLimits, NodeCapacity
from nodeguard.model.pod import Container, Pod, QOSClass, ResourceList
from nodeguard.model.quantity import BINARY_SI, Quantity
from nodeguard.policy.capacity import NOTHING_RESERVED, Reservations, enforceable
from nodeguard.policy.convert import (
    MIN_SHARES,
    cpu_quota_us,
    cpu_shares,
    linear_weight,
    quadratic_weight,
    systemd_quota_us,
)
from nodeguard.policy.effective import (
    HUGEPAGES,
    amount,
    declares_limit,
    effective_limits,
    effective_requests,
    pod_level_limits,
)
from nodeguard.policy.priority import is_critical
from nodeguard.policy.setting import LIMITED_SWAP, ResourceSettings

UNBOUNDED_HUGEPAGES = 1 << 62
"""What the kubelet writes where huge pages shall not be limited."""


def root_limits(
    node: NodeCapacity,
    settings: ResourceSettings,
    reserved: Reservations = NOTHING_RESERVED,
    protected_bytes: int = 0,
) -> CgroupLimits:
    """The ceiling of all pods together.

    ``protected_bytes`` are the effective memory requests of the active Guaranteed and Burstable pods together.
    """
    total = enforceable(node, reserved if "pods" in settings.enforce_node_allocatable else NOTHING_RESERVED)
    shares = cpu_shares(total["cpu"].milli_value())
    return CgroupLimits(
        cpu_shares=shares,
        cpu_weight=linear_weight(shares),
        cpu_weight_linear=linear_weight(shares),
        memory_max=total["memory"].value(),
        memory_min=_protection(protected_bytes, settings),
        pids_max=max(node.pids - reserved.of("pid").value(), 0),
        hugepages=dict.fromkeys(node.hugepages_bytes, UNBOUNDED_HUGEPAGES),
    )


def tier_limits(
    qos: QOSClass, millicpu: int, node: NodeCapacity, settings: ResourceSettings, protected_bytes: int = 0
) -> CgroupLimits:
    """The weight of a tier against its siblings.

    ``millicpu`` and ``protected_bytes`` are the effective requests of the tier's active pods together: added up first,
    converted once.
    """
    shares = MIN_SHARES if qos is QOSClass.BEST_EFFORT else cpu_shares(millicpu)
    return CgroupLimits(
        cpu_shares=shares,
        cpu_weight=linear_weight(shares),
        cpu_weight_linear=linear_weight(shares),
        memory_min=_protection(protected_bytes, settings) if qos is QOSClass.GUARANTEED else None,
        memory_low=_protection(protected_bytes, settings) if qos is QOSClass.BURSTABLE else None,
        hugepages=dict.fromkeys(node.hugepages_bytes, UNBOUNDED_HUGEPAGES),
    )


def pod_limits(pod: Pod, qos: QOSClass, node: NodeCapacity, settings: ResourceSettings) -> CgroupLimits:
    """The values of the pod's own cgroup, overhead included.

    A Burstable pod has a ceiling only where every phase of its life has one: one unlimited container removes it.
    """
    requests, limits = effective_requests(pod), effective_limits(pod)
    shares = MIN_SHARES if qos is QOSClass.BEST_EFFORT else cpu_shares(amount(requests, "cpu").milli_value())

    def is_bounded(resource: str) -> bool:
        return qos is QOSClass.GUARANTEED or (qos is QOSClass.BURSTABLE and declares_limit(pod, resource))

    quota_us = period_us = None
    if is_bounded("cpu"):
        period_us = settings.cpu_cfs_quota_period_us
        quota_us = _quota_us(amount(limits, "cpu"), settings) if settings.cpu_cfs_quota else UNLIMITED
    request_bytes = amount(requests, "memory").value()
    is_protected = settings.reserves_memory and request_bytes > 0
    return CgroupLimits(
        cpu_shares=shares,
        cpu_weight=linear_weight(shares),
        cpu_weight_linear=linear_weight(shares),
        cpu_quota_us=quota_us,
        cpu_period_us=period_us,
        memory_max=(amount(limits, "memory").value() or None) if is_bounded("memory") else None,
        memory_min=request_bytes if is_protected and qos is QOSClass.GUARANTEED else None,
        memory_low=request_bytes if is_protected and qos is QOSClass.BURSTABLE else None,
        pids_max=settings.pod_pids_limit if settings.pod_pids_limit > 0 else None,
        hugepages={**dict.fromkeys(node.hugepages_bytes, 0), **page_sizes(requests)},
    )


def container_limits(
    pod: Pod,
    qos: QOSClass,
    container: Container,
    node: NodeCapacity,
    settings: ResourceSettings,
    reserved: Reservations = NOTHING_RESERVED,
) -> CgroupLimits:
    """The values of one container's cgroup. A period without a quota is written as "no limit"."""
    resources = container.resources
    cpu_limit, memory_limit = limit_used(pod, container, "cpu"), limit_used(pod, container, "memory")
    shares = cpu_shares(resources.requests.get("cpu", cpu_limit).milli_value())
    quota_us = period_us = None
    if settings.cpu_cfs_quota:
        period_us = settings.cpu_cfs_quota_period_us
        quota_us = _quota_us(cpu_limit, settings)
    minimum, low = _container_protection(qos, container, settings)
    return CgroupLimits(
        cpu_shares=shares,
        cpu_weight=quadratic_weight(shares),
        cpu_weight_linear=linear_weight(shares),
        cpu_quota_us=quota_us,
        cpu_period_us=period_us,
        memory_max=memory_limit.value() or None,
        memory_min=minimum,
        memory_low=low,
        memory_high=memory_high(container, node, settings, reserved),
        swap_max=swap_max(pod, qos, container, node, settings),
        memory_oom_group=True if settings.kills_oom_group else None,
        hugepages={
            **dict.fromkeys(node.hugepages_bytes, 0),
            **page_sizes(pod_level_limits(pod)),
            **page_sizes(resources.limits),
        },
    )


def limit_used(pod: Pod, container: Container, resource: str) -> Quantity:
    """The container's own limit, else the pod-level one; zero when there is none."""
    return amount(container.resources.limits, resource) or amount(pod_level_limits(pod), resource)


def memory_high(
    container: Container, node: NodeCapacity, settings: ResourceSettings, reserved: Reservations
) -> int | None:
    """Where throttling begins: a fraction of the way from the request to the ceiling, in whole pages."""
    factor = settings.memory_throttling_factor
    if factor is None or not settings.enforces_memory_qos:
        return None
    request = amount(container.resources.requests, "memory").value()
    top = amount(container.resources.limits, "memory").value()
    if request == top > 0:
        return None
    top = top or enforceable(node, reserved)["memory"].value()
    page = node.page_size_bytes
    high = int(request + (top - request) * factor) // page * page  # in doubles, as upstream
    return high if high > request else None


def swap_max(
    pod: Pod, qos: QOSClass, container: Container, node: NodeCapacity, settings: ResourceSettings
) -> int | None:
    """How much a container may swap out; None where the kernel does not account it."""
    if not settings.has_swap_controller:
        return None
    request = amount(container.resources.requests, "memory")
    if (
        settings.swap_behavior != LIMITED_SWAP
        or settings.cgroup_version == 1
        or is_critical(pod)
        or qos is not QOSClass.BURSTABLE
        or request == amount(container.resources.limits, "memory")
        or request.value() > node.memory_bytes
        or node.memory_bytes <= 0
    ):
        return 0
    return int(request.value() / node.memory_bytes * node.swap_bytes)


def _protection(request_bytes: int, settings: ResourceSettings) -> int | None:
    """Above the pods, and in containers, protection is taken back by writing 0."""
    if not settings.enforces_memory_qos:
        return None
    return request_bytes if settings.reserves_memory else 0


def _container_protection(
    qos: QOSClass, container: Container, settings: ResourceSettings
) -> tuple[int | None, int | None]:
    """``memory.min`` and ``memory.low``."""
    request = amount(container.resources.requests, "memory").value()
    protection = _protection(request, settings)
    if not protection:
        return protection, protection
    return (protection, None) if qos is QOSClass.GUARANTEED else (None, protection)


def _quota_us(limit: Quantity, settings: ResourceSettings) -> int | None:
    period_us = settings.cpu_cfs_quota_period_us
    quota_us = cpu_quota_us(limit.milli_value(), period_us)
    return (systemd_quota_us(quota_us, period_us) if settings.systemd else quota_us) or None


def page_sizes(resources: ResourceList) -> Mapping[str, int]:
    """The amount of each page size in bytes."""
    sizes: dict[str, int] = {}
    for name, quantity in resources.items():
        if name.startswith(HUGEPAGES):
            size = canonical_size(name.removeprefix(HUGEPAGES))
            sizes[size] = sizes.get(size, 0) + quantity.value()
    return sizes


def canonical_size(size: str) -> str:
    """A page size in its shortest notation: ``2048Ki`` is ``2Mi``."""
    return str(Quantity.from_int(Quantity.parse(size).value(), BINARY_SI))
