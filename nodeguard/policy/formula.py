"""Where every value of a cgroup comes from: the arithmetic with the pod's own numbers, and the field it starts at.

The numbers themselves come from ``limits.py`` and ``oom.py``; here they are put into words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nodeguard.model.node import CgroupLimits, NodeCapacity
from nodeguard.model.pod import Container, ContainerKind, Pod, QOSClass, ResourceList
from nodeguard.model.quantity import Quantity
from nodeguard.policy.capacity import Reservations, enforceable
from nodeguard.policy.control import size_in_file_name
from nodeguard.policy.convert import MAX_SHARES, MIN_QUOTA_US, MIN_SHARES, cpu_quota_us
from nodeguard.policy.effective import (
    HUGEPAGES,
    amount,
    effective_limits,
    effective_requests,
    pod_level_limits,
    pod_level_requests,
)
from nodeguard.policy.limits import page_sizes
from nodeguard.policy.oom import safe_bytes, spare_bytes
from nodeguard.policy.priority import is_critical, is_node_critical
from nodeguard.policy.setting import LIMITED_SWAP, ResourceSettings


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a file has its value: readable arithmetic, and the YAML field (or the setting) it starts at."""

    formula: str
    origin: str


Reasons = Mapping[str, Reason]
"""File name → reason, for both cgroup versions."""


def pod_reasons(pod: Pod, qos: QOSClass, values: CgroupLimits, settings: ResourceSettings) -> Reasons:
    """The reasons for what ``pod_limits`` gives."""
    requests, limits = _Sum(pod, "requests"), _Sum(pod, "limits")
    cpu = requests.origin("cpu")
    if qos is QOSClass.BEST_EFFORT:
        cpu, shares = "status.qosClass", f"BestEffort: the minimum, {MIN_SHARES} shares"
    else:
        shares = f"{requests.text('cpu')}: {_shares(requests.total('cpu').milli_value())}"
    memory = Reason(f"{limits.text('memory')}{_in_bytes(limits.total('memory'))}", limits.origin("memory"))
    protection = Reason(
        f"memoryReservationPolicy TieredReservation: {requests.text('memory')}{_in_bytes(requests.total('memory'))}",
        requests.origin("memory"),
    )
    quota = _quota(limits.text("cpu"), limits.total("cpu"), settings)
    return {
        "cpu.weight": Reason(f"{shares}; {_linear(values)}", cpu),
        "cpu.shares": Reason(shares, cpu),
        **_ceiling(Reason(quota, limits.origin("cpu"))),
        "memory.max": memory,
        "memory.limit_in_bytes": memory,
        "memory.min": protection,
        "memory.low": protection,
        "pids.max": Reason(f"podPidsLimit {settings.pod_pids_limit}", "kubelet setting podPidsLimit"),
        **_hugepages(values, effective_requests(pod), requests),
    }


def container_reasons(
    pod: Pod,
    qos: QOSClass,
    container: Container,
    values: CgroupLimits,
    node: NodeCapacity,
    settings: ResourceSettings,
    reserved: Reservations,
) -> Reasons:
    """The reasons for what ``container_limits`` gives."""
    own = _Own(pod, container)
    cpu_limit, cpu_limit_origin = own.limit("cpu")
    if "cpu" in container.resources.requests:
        request, cpu = container.resources.requests["cpu"], own.request_origin("cpu")
        shares = f"request {request}: {_shares(request.milli_value())}"
    elif cpu_limit:
        cpu, shares = cpu_limit_origin, f"no request, so the limit {cpu_limit}: {_shares(cpu_limit.milli_value())}"
    else:
        cpu, shares = own.request_origin("cpu"), f"no request: {_shares(0)}"
    quota = _quota(f"limit {cpu_limit}", cpu_limit, settings) if cpu_limit else "no limit: a period without a quota"
    memory_limit, memory_origin = own.limit("memory")
    memory = Reason(f"limit {memory_limit}{_in_bytes(memory_limit)}", memory_origin)
    request = amount(container.resources.requests, "memory")
    if settings.reserves_memory and request:
        text = f"memoryReservationPolicy TieredReservation: request {request}{_in_bytes(request)}"
    else:
        text = f"memoryReservationPolicy {settings.memory_reservation_policy}, request {request}: nothing is protected"
    protection = Reason(text, own.request_origin("memory"))
    return {
        "cpu.weight": Reason(f"{shares}; {_quadratic(values)}", cpu),
        "cpu.shares": Reason(shares, cpu),
        **_ceiling(Reason(quota, cpu_limit_origin)),
        "memory.max": memory,
        "memory.limit_in_bytes": memory,
        "memory.memsw.limit_in_bytes": Reason("memory and swap together: no more than memory alone", memory_origin),
        "memory.swap.max": _swap(pod, qos, container, own, node, settings),
        "memory.min": protection,
        "memory.low": protection,
        "memory.high": _high(container, own, node, settings, reserved),
        "memory.oom.group": Reason(
            "singleProcessOOMKill is not true: the container's processes are killed together",
            "kubelet setting singleProcessOOMKill",
        ),
        **_hugepages(values, {**pod_level_limits(pod), **container.resources.limits}, own),
    }


def oom_reason(pod: Pod, qos: QOSClass, container: Container, node_memory_bytes: int, score: int) -> Reason:
    """The reason for what ``oom_score_adj`` gives."""
    if is_node_critical(pod):
        return Reason("a node-critical pod", "spec.priorityClassName")
    if qos is not QOSClass.BURSTABLE:
        return Reason(f"every {qos} container", "status.qosClass")
    text = f"1000 - 1000 * {safe_bytes(pod, container)} / {node_memory_bytes}"
    if node_memory_bytes > 0 and (plain := 1000 - 1000 * safe_bytes(pod, container) // node_memory_bytes) != score:
        text += f" = {plain}, kept between 3 and 999"
    origins = [_Own(pod, container).request_origin("memory")]
    if container.kind is ContainerKind.SIDECAR:
        text += "; a sidecar counts at least the smallest app container's request"
        origins.append("spec.containers[*].resources.requests.memory")
    if spare_bytes(pod):
        text += f"; {spare_bytes(pod)} bytes are its part of what the pod requests beyond its containers"
        origins.append("spec.resources.requests.memory")
    return Reason(text, ", ".join(origins))


class _Sum:
    """How a pod's effective request or limit is put together."""

    def __init__(self, pod: Pod, which: str) -> None:
        self._pod, self._which = pod, which
        is_request = which == "requests"
        self._pod_level = (pod_level_requests if is_request else pod_level_limits)(pod)
        self._effective = (effective_requests if is_request else effective_limits)(pod)

    def total(self, resource: str) -> Quantity:
        return amount(self._effective, resource)

    def origin(self, resource: str) -> str:
        leaf = f"resources.{self._which}.{resource}"
        if resource in self._pod_level:
            places = [f"spec.{leaf}"]
        else:
            places = [f"spec.containers[*].{leaf}"]
            if any(resource in self._of(c) for c in self._pod.init_containers):
                places.insert(0, f"spec.initContainers[*].{leaf}")
        if self._pod.overhead.get(resource):
            places.append(f"spec.overhead.{resource}")
        return ", ".join(places)

    def text(self, resource: str) -> str:
        total = self.total(resource)
        word = self._which.removesuffix("s")
        if resource in self._pod_level:
            text = f"pod-level {word} {self._pod_level[resource]}"
        else:
            text = self._containers(resource) or f"no {word}"
        overhead = amount(self._pod.overhead, resource)
        if overhead and total:
            text += f" + overhead {overhead}"
        return f"{text} = {total}" if "+" in text or "max(" in text else text

    def _of(self, container: Container) -> ResourceList:
        return container.resources.requests if self._which == "requests" else container.resources.limits

    def _containers(self, resource: str) -> str:
        """``max(app 1 + sidecar 2, init 3)``: the running pod against every phase of its start."""
        sidecars = [c for c in self._pod.init_containers if c.kind is ContainerKind.SIDECAR]
        moments = [[*self._pod.containers, *sidecars]]
        before: list[Container] = []
        for container in self._pod.init_containers:
            if container.kind is ContainerKind.SIDECAR:
                before.append(container)
            elif resource in self._of(container):
                moments.append([*before, container])
        texts = [text for text in (self._moment(moment, resource) for moment in moments) if text]
        return f"max({', '.join(texts)})" if len(texts) > 1 else "".join(texts)

    def _moment(self, containers: list[Container], resource: str) -> str:
        return " + ".join(f"{c.name} {self._of(c)[resource]}" for c in containers if resource in self._of(c))


class _Own:
    """Where one container's amounts stand."""

    def __init__(self, pod: Pod, container: Container) -> None:
        self._pod, self._container = pod, container
        self.place = container_place(pod, container)

    def request_origin(self, resource: str) -> str:
        return f"{self.place}.resources.requests.{resource}"

    def origin(self, resource: str) -> str:
        return self.limit(resource)[1]

    def limit(self, resource: str) -> tuple[Quantity, str]:
        """The limit in use, and where it stands."""
        own = amount(self._container.resources.limits, resource)
        pod_level = amount(pod_level_limits(self._pod), resource)
        if not own and pod_level:
            return pod_level, f"spec.resources.limits.{resource}"
        return own, f"{self.place}.resources.limits.{resource}"

    def text(self, resource: str) -> str:
        limit, _ = self.limit(resource)
        return f"limit {limit}" if limit else "no limit"


def container_place(pod: Pod, container: Container) -> str:
    """``spec.initContainers[1]``."""
    for name, containers in (
        ("containers", pod.containers),
        ("initContainers", pod.init_containers),
        ("ephemeralContainers", pod.ephemeral_containers),
    ):
        for position, candidate in enumerate(containers):
            if candidate is container:
                return f"spec.{name}[{position}]"
    raise ValueError(f"{container.name} is no container of {pod.meta.key}")


def _shares(millicpu: int) -> str:
    plain = millicpu * 1024 // 1000
    text = f"{millicpu} * 1024 / 1000 = {plain} shares"
    if plain < MIN_SHARES:
        return f"{text}, at least {MIN_SHARES}"
    return f"{text}, at most {MAX_SHARES}" if plain > MAX_SHARES else text


def _linear(values: CgroupLimits) -> str:
    if values.cpu_shares == MAX_SHARES:
        return f"{MAX_SHARES} shares weigh {values.cpu_weight}"
    return f"1 + ({values.cpu_shares} - 2) * 9999 / 262142 = {values.cpu_weight}"


def _quadratic(values: CgroupLimits) -> str:
    if values.cpu_shares in (MIN_SHARES, MAX_SHARES):
        return f"{values.cpu_shares} shares weigh {values.cpu_weight}"
    return f"ceil(10^((L*L + 125*L)/612 - 7/34)), L = log2({values.cpu_shares}), = {values.cpu_weight}"


def _quota(source: str, limit: Quantity, settings: ResourceSettings) -> str:
    if not settings.cpu_cfs_quota:
        return "cpuCFSQuota is off: no quota"
    period_us = settings.cpu_cfs_quota_period_us
    millicpu = limit.milli_value()
    plain_us = millicpu * period_us // 1000
    text = f"{source}: {millicpu} * {period_us} / 1000 = {plain_us} us in every {period_us} us"
    if plain_us < MIN_QUOTA_US:
        text += f", at least {MIN_QUOTA_US}"
    quota_us = cpu_quota_us(millicpu, period_us)
    if settings.systemd and quota_us * 1_000_000 // period_us % 10_000:
        text += "; systemd rounds up to 10000 us in every second"
    return text


def _ceiling(reason: Reason) -> Reasons:
    period = Reason("cpuCFSQuotaPeriod", "kubelet setting cpuCFSQuotaPeriod")
    return {"cpu.max": reason, "cpu.cfs_quota_us": reason, "cpu.cfs_period_us": period}


def _hugepages(values: CgroupLimits, resources: ResourceList, source: _Sum | _Own) -> Reasons:
    named = page_sizes(resources)
    found = {}
    for size in values.hugepages:
        resource = HUGEPAGES + size
        text = f"{source.text(resource)}{_in_bytes(amount(resources, resource))}" if size in named else "none asked for"
        for ending in ("max", "limit_in_bytes"):
            found[f"hugetlb.{size_in_file_name(size)}.{ending}"] = Reason(text, source.origin(resource))
    return found


def _swap(
    pod: Pod, qos: QOSClass, container: Container, own: _Own, node: NodeCapacity, settings: ResourceSettings
) -> Reason:
    if settings.swap_behavior != LIMITED_SWAP:
        return Reason(f"swapBehavior {settings.swap_behavior or 'unset'}", "kubelet setting memorySwap.swapBehavior")
    request = amount(container.resources.requests, "memory")
    origin = own.request_origin("memory")
    if settings.cgroup_version == 1:
        return Reason("cgroup v1 has no limited swap", origin)
    if is_critical(pod):
        return Reason("a critical pod does not swap", "spec.priority")
    if qos is not QOSClass.BURSTABLE:
        return Reason(f"a {qos} pod does not swap", "status.qosClass")
    if request == amount(container.resources.limits, "memory"):
        text = f"request and limit are both {request}" if request else "no memory request and no limit"
        return Reason(f"{text}: no swap", origin)
    if request.value() > node.memory_bytes:
        return Reason(f"request {request} is more than the node's memory: no swap", origin)
    return Reason(f"request {request}: {request.value()} / {node.memory_bytes} * {node.swap_bytes} of swap", origin)


def _high(
    container: Container, own: _Own, node: NodeCapacity, settings: ResourceSettings, reserved: Reservations
) -> Reason:
    request = amount(container.resources.requests, "memory").value()
    limit = amount(container.resources.limits, "memory").value()
    top = limit or enforceable(node, reserved)["memory"].value()
    factor, page = settings.memory_throttling_factor, node.page_size_bytes
    text = f"floor(({request} + {factor} * ({top} - {request})) / {page}) * {page}"
    if not limit:
        text += f"; no limit, so the node's {top}"
    return Reason(text, f"{own.request_origin('memory')}, {own.place}.resources.limits.memory")


def _in_bytes(quantity: Quantity) -> str:
    """`` = 67108864`` unless it reads like that already."""
    plain = str(quantity.value())
    return "" if plain == str(quantity) else f" = {plain}"
