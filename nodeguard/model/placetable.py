"""The fields of the rules by which pods find nodes, as of Kubernetes 1.37.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.fieldtype import Table
from nodeguard.model.fieldtype import honoured as h

_WEIGHT: dict[str, Any] = {"low": 1, "high": 100}
_POD_RULES = {
    "requiredDuringSchedulingIgnoredDuringExecution": h("[]PodAffinityTerm", "Rules that must hold."),
    "preferredDuringSchedulingIgnoredDuringExecution": h("[]WeightedPodAffinityTerm", "Rules that should hold."),
}

PLACE: Table = {
    "Affinity": {
        "nodeAffinity": h("NodeAffinity", "Nodes that suit."),
        "podAffinity": h("PodAffinity", "Pods to be near."),
        "podAntiAffinity": h("PodAntiAffinity", "Pods to be away from."),
    },
    "NodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": h("NodeSelector", "Rules that must hold."),
        "preferredDuringSchedulingIgnoredDuringExecution": h("[]PreferredSchedulingTerm", "Rules that should hold."),
    },
    "NodeSelector": {"nodeSelectorTerms": h("[]NodeSelectorTerm!", "Terms, one of which must hold.")},
    "NodeSelectorTerm": {
        "matchExpressions": h("[]NodeSelectorRequirement", "Rules on labels."),
        "matchFields": h("[]NodeSelectorRequirement", "Rules on fields."),
    },
    "NodeSelectorRequirement": {
        "key": h("string!", "Label or field.", syntax="qualified_name"),
        "operator": h("string!", "How values count.", words=("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")),
        "values": h("[]string", "Values."),
    },
    "PreferredSchedulingTerm": {
        "weight": h("int32!", "Weight.", **_WEIGHT),
        "preference": h("NodeSelectorTerm!", "Rule."),
    },
    "PodAffinity": _POD_RULES,
    "PodAntiAffinity": _POD_RULES,
    "PodAffinityTerm": {
        "labelSelector": h("LabelSelector", "Pods it is about."),
        "namespaces": h("[]string", "Their namespaces.", syntax="dns_label"),
        "topologyKey": h("string!", "Label that makes nodes near one another.", syntax="qualified_name"),
        "namespaceSelector": h("LabelSelector", "Labels of their namespaces."),
        "matchLabelKeys": h("[]string", "Labels that must be the same.", syntax="qualified_name"),
        "mismatchLabelKeys": h("[]string", "Labels that must differ.", syntax="qualified_name"),
    },
    "WeightedPodAffinityTerm": {
        "weight": h("int32!", "Weight.", **_WEIGHT),
        "podAffinityTerm": h("PodAffinityTerm!", "Rule."),
    },
    "Toleration": {
        "key": h("string", "Taint; empty means all.", syntax="qualified_name"),
        "operator": h("string", "How value counts.", words=("Exists", "Equal", "Lt", "Gt"), default="Equal"),
        "value": h("string", "Value."),
        "effect": h("string", "Effect; empty means all.", words=("NoSchedule", "PreferNoSchedule", "NoExecute")),
        "tolerationSeconds": h("int64", "How long NoExecute is borne."),
    },
    "TopologySpreadConstraint": {
        "maxSkew": h("int32!", "Largest difference.", low=1),
        "topologyKey": h("string!", "Label that makes nodes near one another.", syntax="qualified_name"),
        "whenUnsatisfiable": h("string!", "What then.", words=("DoNotSchedule", "ScheduleAnyway")),
        "labelSelector": h("LabelSelector", "Pods that are counted."),
        "minDomains": h("int32", "Least number of domains.", low=1),
        "nodeAffinityPolicy": h("string", "Whether affinity counts.", words=("Honor", "Ignore")),
        "nodeTaintsPolicy": h("string", "Whether taints count.", words=("Honor", "Ignore")),
        "matchLabelKeys": h("[]string", "Labels that must be the same.", syntax="qualified_name"),
    },
}
