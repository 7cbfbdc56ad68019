"""Whether a node suits a pod, and which pods it wants beside it.

Source: kubernetes, staging/src/k8s.io/component-helpers/scheduling/corev1/nodeaffinity/nodeaffinity.go;
pkg/scheduler/framework/plugins/interpodaffinity/filtering.go; pkg/registry/core/pod/strategy.go (label keys of terms).
"""

from __future__ import annotations

from collections.abc import Iterable

from nodeguard.model.node import NodeView
from nodeguard.model.placement import LabelSelector, NodeSelectorTerm, PodAffinityTerm, Requirement
from nodeguard.model.pod import Pod
from nodeguard.policy.selector import all_hold, selects

_NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The one label every namespace has; there are no Namespace objects here that could have others."""


def node_suits(pod: Pod, node: NodeView) -> bool:
    """Whether the node meets ``nodeSelector`` and the required node affinity."""
    if any(node.labels.get(key) != value for key, value in pod.node_selector.items()):
        return False
    terms = pod.affinity.node_required
    return terms is None or any(_term_suits(term, node) for term in terms)


def _term_suits(term: NodeSelectorTerm, node: NodeView) -> bool:
    if not term.expressions and not term.fields:
        return False
    return all_hold(term.expressions, node.labels) and all(_field_suits(rule, node) for rule in term.fields)


def _field_suits(rule: Requirement, node: NodeView) -> bool:
    """A rule on ``metadata.name``, the only field; it must give one value."""
    if len(rule.values) != 1 or rule.operator not in ("In", "NotIn"):
        return False
    has = node.name if rule.key == "metadata.name" else ""
    return (has == rule.values[0]) == (rule.operator == "In")


def has_topology(terms: Iterable[PodAffinityTerm], node: NodeView) -> bool:
    """Whether the node has the label that each term goes by."""
    return all(term.topology_key in node.labels for term in terms)


def matches_all(terms: Iterable[PodAffinityTerm], owner: Pod, other: Pod) -> bool:
    """Whether ``other`` is what all terms of ``owner`` are about; of no terms, nothing is."""
    verdicts = [_is_about(term, owner, other) for term in terms]
    return bool(verdicts) and all(verdicts)


def matches_any_here(terms: Iterable[PodAffinityTerm], owner: Pod, other: Pod, node: NodeView) -> bool:
    """Whether some term of ``owner`` is about ``other`` when both are on this node."""
    return any(term.topology_key in node.labels and _is_about(term, owner, other) for term in terms)


def _is_about(term: PodAffinityTerm, owner: Pod, other: Pod) -> bool:
    if not _covers(term, owner, other.meta.namespace):
        return False
    return selects(_full_selector(term, owner), other.meta.labels)


def _covers(term: PodAffinityTerm, owner: Pod, namespace: str) -> bool:
    if not term.namespaces and term.namespace_selector is None:
        return namespace == owner.meta.namespace
    return namespace in term.namespaces or selects(term.namespace_selector, {_NAMESPACE_NAME: namespace})


def _full_selector(term: PodAffinityTerm, owner: Pod) -> LabelSelector | None:
    """The selector with what ``matchLabelKeys`` and ``mismatchLabelKeys`` add to it from the owner's labels."""
    if term.selector is None or not (term.match_label_keys or term.mismatch_label_keys):
        return term.selector
    added = [
        Requirement(key=key, operator=operator, values=(owner.meta.labels[key],))
        for operator, keys in (("In", term.match_label_keys), ("NotIn", term.mismatch_label_keys))
        for key in keys
        if key in owner.meta.labels
    ]
    return LabelSelector(requirements=(*term.selector.requirements, *added))
