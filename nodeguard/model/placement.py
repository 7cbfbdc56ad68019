"""Where a pod may run: taints and tolerations, selectors, affinity, disruption budgets.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go, staging/src/k8s.io/api/policy/v1/types.go.
"""

from __future__ import annotations

from dataclasses import dataclass

NO_SCHEDULE = "NoSchedule"
PREFER_NO_SCHEDULE = "PreferNoSchedule"
NO_EXECUTE = "NoExecute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """One entry of a node's ``spec.taints``."""

    key: str
    value: str = ""
    effect: str = NO_SCHEDULE


@dataclass(frozen=True, slots=True, kw_only=True)
class Toleration:
    """One entry of a pod's ``spec.tolerations``; an empty key or effect stands for all of them.

    ``seconds`` is ``tolerationSeconds``, None for ever.
    """

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A rule on one label or field: ``In``, ``NotIn``, ``Exists``, ``DoesNotExist``, ``Gt`` or ``Lt``."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSelector:
    """Rules on labels, all of which must hold; ``matchLabels`` are among them, as ``In`` with one value.

    Without rules it selects everything, except for a PodDisruptionBudget, where it selects nothing.
    """

    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSelectorTerm:
    """Rules on a node's labels and on its fields (``metadata.name``); a term without rules selects no node."""

    expressions: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredNodes:
    """A term that counts ``weight`` when it holds."""

    weight: int
    term: NodeSelectorTerm


@dataclass(frozen=True, slots=True, kw_only=True)
class PodAffinityTerm:
    """Pods to be near to, or away from, on nodes with the same value of the label ``topology_key``.

    ``selector`` None selects no pod. Without ``namespaces`` and ``namespace_selector`` it is about the pod's own
    namespace.
    """

    topology_key: str
    selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredPods:
    """A term that counts ``weight`` when it holds."""

    weight: int
    term: PodAffinityTerm


@dataclass(frozen=True, slots=True, kw_only=True)
class Affinity:
    """``spec.affinity``; ``node_required`` None means: no rule, while no term at all lets no node through."""

    node_required: tuple[NodeSelectorTerm, ...] | None = None
    node_preferred: tuple[PreferredNodes, ...] = ()
    pod_required: tuple[PodAffinityTerm, ...] = ()
    pod_preferred: tuple[PreferredPods, ...] = ()
    anti_required: tuple[PodAffinityTerm, ...] = ()
    anti_preferred: tuple[PreferredPods, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A PodDisruptionBudget: how many of the selected pods may still be disturbed.

    ``disrupted`` names the pods whose eviction is already counted (``status.disruptedPods``).
    """

    name: str
    namespace: str = "default"
    selector: LabelSelector | None = None
    disruptions_allowed: int = 0
    disrupted: frozenset[str] = frozenset()
