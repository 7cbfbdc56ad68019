"""Priority of a pod, from its PriorityClass; and which pods are critical.

Source: kubernetes, plugin/pkg/admission/priority/admission.go, pkg/apis/scheduling (types, validation),
pkg/kubelet/types/pod_update.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import Pod, PriorityClass

HIGHEST_USER_PRIORITY = 1_000_000_000
LOWEST_PRIORITY = -(2**31)
CRITICAL_PRIORITY = 2_000_000_000
NODE_CRITICAL = "system-node-critical"
PREEMPT_LOWER_PRIORITY = "PreemptLowerPriority"
NEVER = "Never"

SYSTEM_CLASSES = (
    PriorityClass(meta=ObjectMeta(name="system-cluster-critical", namespace=""), value=CRITICAL_PRIORITY),
    PriorityClass(meta=ObjectMeta(name=NODE_CRITICAL, namespace=""), value=CRITICAL_PRIORITY + 1000),
)
"""The classes every cluster has."""

_CONFIG_SOURCE = "kubernetes.io/config.source"
_CONFIG_MIRROR = "kubernetes.io/config.mirror"
_SYSTEM_PREFIX = "system-"


def is_critical(pod: Pod) -> bool:
    """Whether the kubelet never evicts the pod and makes room for it: static, mirror, or of system priority."""
    annotations = pod.meta.annotations
    is_static = annotations.get(_CONFIG_SOURCE, "api") != "api"
    return is_static or _CONFIG_MIRROR in annotations or (pod.priority or 0) >= CRITICAL_PRIORITY


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

    origin = f"PriorityClass {name!r}" if chosen else "having no PriorityClass"
    if pod.priority is not None and pod.priority != priority:
        faults.append(
            Fault(path="spec.priority", message=f"{pod.priority} contradicts {priority}, which follows from {origin}")
        )
    if pod.preemption_policy and pod.preemption_policy != policy:
        message = f"{pod.preemption_policy!r} contradicts {policy!r}, which follows from {origin}"
        faults.append(Fault(path="spec.preemptionPolicy", message=message))
    if faults:
        kept = priority if pod.priority is None else pod.priority
        return Resolution(pod=replace(pod, priority=kept), errors=tuple(faults))
    return Resolution(pod=replace(pod, priority=priority, priority_class_name=name, preemption_policy=policy))


def check_classes(classes: Sequence[PriorityClass]) -> tuple[tuple[Fault, ...], ...]:
    """For each class, every reason why Kubernetes would refuse to create it after those before it."""
    seen: set[str] = set()
    default = ""
    found = []
    for c in classes:
        faults = _check(c, seen, default)
        seen.add(c.meta.name)
        default = default or (c.meta.name if c.global_default else "")
        found.append(tuple(faults))
    return tuple(found)


def _check(c: PriorityClass, seen: set[str], default: str) -> list[Fault]:
    name = c.meta.name
    faults = []
    if name in seen:
        faults.append(Fault(path="metadata.name", message=f"a PriorityClass {name!r} exists already"))
    if name.startswith(_SYSTEM_PREFIX):
        system = next((s for s in SYSTEM_CLASSES if s.meta.name == name), None)
        if system is None:
            faults.append(Fault(path="metadata.name", message=f"names with {_SYSTEM_PREFIX!r} in front are reserved"))
        elif c.value != system.value:
            faults.append(Fault(path="value", message=f"{c.value} is not {system.value}, as {name} must have"))
        elif c.global_default:
            faults.append(Fault(path="globalDefault", message=f"{name} must not be the default"))
    elif c.value > HIGHEST_USER_PRIORITY:
        message = f"{c.value} is above {HIGHEST_USER_PRIORITY}, the highest a user may set"
        faults.append(Fault(path="value", message=message))
    if c.value < LOWEST_PRIORITY:
        faults.append(Fault(path="value", message=f"{c.value} does not fit into 32 bits"))
    if c.preemption_policy not in (PREEMPT_LOWER_PRIORITY, NEVER):
        message = f"{c.preemption_policy!r} is not {PREEMPT_LOWER_PRIORITY} or {NEVER}"
        faults.append(Fault(path="preemptionPolicy", message=message))
    if c.global_default and default and default != name:
        faults.append(Fault(path="globalDefault", message=f"PriorityClass {default!r} is the default already"))
    return faults
