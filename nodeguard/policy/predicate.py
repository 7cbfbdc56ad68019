"""The tests a node puts pods to, with the words of kubelet and scheduler for each.

Source: kubernetes, pkg/kubelet/lifecycle/predicate.go; pkg/scheduler/eventhandlers.go, AdmissionCheck;
pkg/scheduler/framework/plugins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nodeguard.model.node import NodeView
from nodeguard.model.placement import NO_EXECUTE, NO_SCHEDULE, Taint
from nodeguard.model.pod import Pod
from nodeguard.policy.affinity import node_suits
from nodeguard.policy.fit import PODS, Shortage
from nodeguard.policy.room import Room
from nodeguard.policy.taint import is_tolerated, untolerated

_OS_LABEL = "kubernetes.io/os"
_LINUX = "linux"
_UNSCHEDULABLE_TAINT = Taint(key="node.kubernetes.io/unschedulable", effect=NO_SCHEDULE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One reason to keep a pod out.

    ``reason`` is the kubelet's word for it (``OutOfcpu``), ``text`` the scheduler's (``Insufficient cpu``), ``message``
    what the kubelet tells. ``is_hopeless``: it would be so on an empty node, too.
    """

    reason: str
    text: str
    message: str
    shortage: Shortage | None = None
    is_hopeless: bool = False


def filters(pod: Pod, node: NodeView, room: Room) -> Iterator[Failure]:
    """What keeps the scheduler from this node."""
    yield from predicates(pod, node, room)
    yield from taints(pod, node, (NO_SCHEDULE, NO_EXECUTE))
    # The DaemonSet controller gives its pods this toleration.
    is_at_home = pod.meta.controller_kind == "DaemonSet" or is_tolerated(_UNSCHEDULABLE_TAINT, pod.tolerations)
    if node.unschedulable and not is_at_home:
        yield _failure("NodeUnschedulable", "node(s) were unschedulable", is_hopeless=True)
    if room.lacks_company:  # of these three, one is told
        yield _failure("InterPodAffinity", "node(s) didn't match pod affinity rules", is_hopeless=True)
    elif room.has_unwanted_company:
        yield _failure("InterPodAffinity", "node(s) didn't match pod anti-affinity rules")
    elif room.is_unwanted:
        yield _failure("InterPodAffinity", "node(s) didn't satisfy existing pods anti-affinity rules")


def predicates(pod: Pod, node: NodeView, room: Room) -> Iterator[Failure]:
    """What kubelet and scheduler agree on, in the kubelet's order."""
    for shortage in room.shortages():
        yield _short(shortage)
    if not node_suits(pod, node):
        yield _failure("NodeAffinity", "node(s) didn't match Pod's node affinity/selector", is_hopeless=True)
    if pod.node_name not in ("", node.name):
        yield _failure("NodeName", "node(s) didn't match the requested node name", is_hopeless=True)
    if not room.has_free_ports:
        yield _failure("NodePorts", "node(s) didn't have free ports for the requested pod ports")


def taints(pod: Pod, node: NodeView, effects: tuple[str, ...]) -> Iterator[Failure]:
    """Whether the pod does not bear a taint with one of these effects."""
    if untolerated(node.taints, pod.tolerations, effects) is not None:
        yield _failure("TaintToleration", "node(s) had taints that the pod didn't tolerate", is_hopeless=True)


def unsupported(pod: Pod, node: NodeView) -> Iterator[Failure]:
    """What no node of this kind can do; the kubelet looks at it before it thinks of preemption."""
    if pod.meta.labels.get(_OS_LABEL, _LINUX) != _LINUX:
        message = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
        yield Failure(reason="PodOSSelectorNodeLabelDoesNotMatch", text=message, message=message)
    if pod.os not in ("", _LINUX):
        message = "Failed to admit pod as the OS field doesn't match node OS"
        yield Failure(reason="PodOSNotSupported", text=message, message=message)
    if pod.supplemental_groups_policy == "Strict" and not node.supplemental_groups_policy:
        message = "SupplementalGroupsPolicy=Strict is not supported in this node"
        yield Failure(reason="SupplementalGroupsPolicyNotSupported", text=message, message=message)


def _short(shortage: Shortage) -> Failure:
    name = shortage.resource
    return Failure(
        reason=f"OutOf{name}",
        text="Too many pods" if name == PODS else f"Insufficient {name}",
        message=f"Node didn't have enough resource: {name}, requested: {shortage.requested}, used: {shortage.used}, "
        f"capacity: {shortage.capacity}",
        shortage=shortage,
        is_hopeless=shortage.is_hopeless,
    )


def _failure(reason: str, text: str, *, is_hopeless: bool = False) -> Failure:
    message = f"Predicate {reason} failed: {text}"
    return Failure(reason=reason, text=text, message=message, is_hopeless=is_hopeless)


def with_true_os(node: NodeView) -> NodeView:
    """A node with labels always has the right one for its operating system when the kubelet compares labels."""
    return replace(node, labels={**node.labels, _OS_LABEL: _LINUX}) if node.labels else node
