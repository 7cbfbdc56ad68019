"""Priority of a pod, from its PriorityClass; and which pods are critical.

Source: kubernetes, plugin/pkg/admission/priority/admission.go, pkg/apis/scheduling (types, validation),
pkg/kubelet/types/pod_update.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import Pod, PriorityClass

CRITICAL_PRIORITY = 2_000_000_000
NODE_CRITICAL = "system-node-critical"
PREEMPT_LOWER_PRIORITY = "PreemptLowerPriority"

SYSTEM_CLASSES = (
    PriorityClass(meta=ObjectMeta(name="system-cluster-critical", namespace=""), value=CRITICAL_PRIORITY),
    PriorityClass(meta=ObjectMeta(name=NODE_CRITICAL, namespace=""), value=CRITICAL_PRIORITY + 1000),
)
"""The classes every cluster has."""

CONFIG_SOURCE = "kubernetes.io/config.source"
CONFIG_MIRROR = "kubernetes.io/config.mirror"
CONFIG_HASH = "kubernetes.io/config.hash"
CONFIG_SEEN = "kubernetes.io/config.seen"


def is_critical(pod: Pod) -> bool:
    """Whether the kubelet never evicts the pod and makes room for it: static, mirror, or of system priority."""
    return is_static(pod) or CONFIG_MIRROR in pod.meta.annotations or (pod.priority or 0) >= CRITICAL_PRIORITY


def is_static(pod: Pod) -> bool:
    """Whether the pod comes from a file or a URL rather than from the API server."""
    return pod.meta.annotations.get(CONFIG_SOURCE, "api") != "api"


def is_node_critical(pod: Pod) -> bool:
    """Whether the pod is critical to this very node, and so the last to be killed when memory runs out."""
    return is_critical(pod) and pod.priority_class_name == NODE_CRITICAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why Kubernetes would refuse an object: the field and what is wrong with it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A pod with its priority, and every reason to refuse it."""

    pod: Pod
    errors: tuple[Fault, ...] = ()


def resolve(pod: Pod, classes: Iterable[PriorityClass]) -> Resolution:
    """The pod with priority, class name and preemption policy filled in, and every reason to refuse it.

    ``classes`` are the user's; the system's are always there. Of several global defaults the smallest value counts.
    With errors, the pod keeps what its manifest says.
    """
    known = {c.meta.name: c for c in (*classes, *SYSTEM_CLASSES)}
    faults: list[Fault] = []
    name = pod.priority_class_name
    if name:
        chosen = known.get(name)
        if chosen is None:
            faults.append(
                Fault(path="spec.priorityClassName", message=f"no PriorityClass with name {name!r} was found")
            )
            return Resolution(pod=replace(pod, priority=pod.priority or 0), errors=tuple(faults))
    else:
        defaults = [c for c in known.values() if c.global_default]
        chosen = min(defaults, key=lambda c: (c.value, c.meta.name), default=None)
    name = chosen.meta.name if chosen else ""
    priority = chosen.value if chosen else 0
    policy = chosen.preemption_policy if chosen else PREEMPT_LOWER_PRIORITY

    origin = f"of PriorityClass {name!r}" if chosen else "of a pod without PriorityClass"
    if pod.priority is not None and pod.priority != priority:
        faults.append(Fault(path="spec.priority", message=f"{pod.priority} contradicts {priority} {origin}"))
    if pod.preemption_policy and pod.preemption_policy != policy:
        message = f"{pod.preemption_policy!r} contradicts {policy!r} {origin}"
        faults.append(Fault(path="spec.preemptionPolicy", message=message))
    if faults:
        kept = priority if pod.priority is None else pod.priority
        return Resolution(pod=replace(pod, priority=kept), errors=tuple(faults))
    return Resolution(pod=replace(pod, priority=priority, priority_class_name=name, preemption_policy=policy))
