"""The rules by which a pod finds a node, from the JSON object of its spec, which is well formed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nodeguard.model.placement import (
    Affinity,
    LabelSelector,
    NodeSelectorTerm,
    PodAffinityTerm,
    PreferredNodes,
    PreferredPods,
    Requirement,
    Taint,
    Toleration,
)

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def build_affinity(spec: Mapping[str, Any]) -> Affinity:
    """``spec.affinity``; without it, an affinity that asks for nothing."""
    affinity = spec.get("affinity", {})
    node, pod, anti = (affinity.get(key, {}) for key in ("nodeAffinity", "podAffinity", "podAntiAffinity"))
    required = node.get(_REQUIRED)
    return Affinity(
        node_required=None if required is None else tuple(map(_node_term, required["nodeSelectorTerms"])),
        node_preferred=tuple(
            PreferredNodes(weight=item["weight"], term=_node_term(item["preference"]))
            for item in node.get(_PREFERRED, ())
        ),
        pod_required=tuple(map(_pod_term, pod.get(_REQUIRED, ()))),
        pod_preferred=_preferred_pods(pod),
        anti_required=tuple(map(_pod_term, anti.get(_REQUIRED, ()))),
        anti_preferred=_preferred_pods(anti),
    )


def build_tolerations(spec: Mapping[str, Any]) -> tuple[Toleration, ...]:
    """``spec.tolerations``."""
    return tuple(
        Toleration(
            key=item.get("key", ""),
            operator=item.get("operator") or "Equal",
            value=item.get("value", ""),
            effect=item.get("effect", ""),
            seconds=item.get("tolerationSeconds"),
        )
        for item in spec.get("tolerations", ())
    )


def build_taints(spec: Mapping[str, Any]) -> tuple[Taint, ...]:
    """``spec.taints`` of a node."""
    return tuple(
        Taint(key=item["key"], value=item.get("value", ""), effect=item["effect"]) for item in spec.get("taints") or ()
    )


def build_selector(item: Mapping[str, Any] | None) -> LabelSelector | None:
    """A ``LabelSelector``, None when there is none."""
    if item is None:
        return None
    labels = (Requirement(key=k, operator="In", values=(v,)) for k, v in item.get("matchLabels", {}).items())
    return LabelSelector(requirements=(*labels, *_requirements(item.get("matchExpressions", ()))))


def _requirements(items: Iterable[Mapping[str, Any]]) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(key=item["key"], operator=item["operator"], values=tuple(item.get("values", ()))) for item in items
    )


def _node_term(item: Mapping[str, Any]) -> NodeSelectorTerm:
    return NodeSelectorTerm(
        expressions=_requirements(item.get("matchExpressions", ())),
        fields=_requirements(item.get("matchFields", ())),
    )


def _pod_term(item: Mapping[str, Any]) -> PodAffinityTerm:
    return PodAffinityTerm(
        topology_key=item["topologyKey"],
        selector=build_selector(item.get("labelSelector")),
        namespaces=tuple(item.get("namespaces", ())),
        namespace_selector=build_selector(item.get("namespaceSelector")),
        match_label_keys=tuple(item.get("matchLabelKeys", ())),
        mismatch_label_keys=tuple(item.get("mismatchLabelKeys", ())),
    )


def _preferred_pods(rules: Mapping[str, Any]) -> tuple[PreferredPods, ...]:
    return tuple(
        PreferredPods(weight=item["weight"], term=_pod_term(item["podAffinityTerm"]))
        for item in rules.get(_PREFERRED, ())
    )
