"""The rules by which pods find nodes: tolerations, affinity, spreading.

Source: kubernetes, pkg/apis/core/validation/validation.go, ValidateTolerations, validateAffinity,
validateTopologySpreadConstraints; staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/validation/validation.go.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.check.meta import check_label_map
from nodeguard.model.check.report import Report, shown
from nodeguard.model.document import Path
from nodeguard.model.finding import Fault

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def check_place(report: Report, spec: dict[str, Any], path: Path) -> None:
    """``tolerations``, ``affinity``, ``topologySpreadConstraints`` and ``schedulingGates`` of a pod's spec."""
    for position, toleration in enumerate(spec.get("tolerations", ())):
        _check_toleration(report, toleration, (*path, "tolerations", position))
    affinity = spec.get("affinity", {})
    _check_node_affinity(report, affinity.get("nodeAffinity", {}), (*path, "affinity", "nodeAffinity"))
    for key in ("podAffinity", "podAntiAffinity"):
        _check_pod_affinity(report, affinity.get(key, {}), (*path, "affinity", key))
    _check_spread(report, spec.get("topologySpreadConstraints", []), (*path, "topologySpreadConstraints"))
    seen: set[str] = set()
    for position, gate in enumerate(spec.get("schedulingGates", ())):
        name = gate.get("name")
        if name in seen:
            report.error((*path, "schedulingGates", position, "name"), f"duplicate gate {shown(name)}", Fault.DUPLICATE)
        elif name is not None:
            seen.add(name)


def _check_toleration(report: Report, toleration: dict[str, Any], path: Path) -> None:
    operator = toleration.get("operator") or "Equal"
    if not toleration.get("key") and operator != "Exists":
        report.error((*path, "operator"), f"found {operator}; without a key allowed is Exists, which means all taints")
    if operator == "Exists" and toleration.get("value"):
        report.error((*path, "value"), "not allowed with operator Exists", Fault.FORBIDDEN)
    if "tolerationSeconds" in toleration and toleration.get("effect") != "NoExecute":
        report.error((*path, "tolerationSeconds"), "allowed only with effect NoExecute", Fault.FORBIDDEN)


def _check_requirement(report: Report, rule: dict[str, Any], path: Path) -> None:
    operator, values = rule.get("operator"), rule.get("values", [])
    if operator in ("In", "NotIn") and not values:
        report.error((*path, "values"), f"required with operator {operator}", Fault.REQUIRED)
    elif operator in ("Exists", "DoesNotExist") and values:
        report.error((*path, "values"), f"not allowed with operator {operator}", Fault.FORBIDDEN)
    elif operator in ("Gt", "Lt") and (len(values) != 1 or not values[0].lstrip("-").isdecimal()):
        report.error((*path, "values"), f"must be one whole number, in quotes, with operator {operator}")


def check_selector(report: Report, selector: dict[str, Any], path: Path) -> None:
    """A ``LabelSelector``."""
    check_label_map(report, selector.get("matchLabels", {}), (*path, "matchLabels"))
    for position, rule in enumerate(selector.get("matchExpressions", ())):
        _check_requirement(report, rule, (*path, "matchExpressions", position))


def _check_node_term(report: Report, term: dict[str, Any], path: Path) -> None:
    for key in ("matchExpressions", "matchFields"):
        for position, rule in enumerate(term.get(key, ())):
            _check_requirement(report, rule, (*path, key, position))
            if key == "matchFields" and rule.get("key") not in (None, "metadata.name"):
                report.error((*path, key, position, "key"), f"found {shown(rule['key'])}; allowed is metadata.name")


def _check_node_affinity(report: Report, affinity: dict[str, Any], path: Path) -> None:
    terms = affinity.get(_REQUIRED, {}).get("nodeSelectorTerms", ())
    for position, term in enumerate(terms):
        _check_node_term(report, term, (*path, _REQUIRED, "nodeSelectorTerms", position))
    for position, preferred in enumerate(affinity.get(_PREFERRED, ())):
        _check_node_term(report, preferred.get("preference", {}), (*path, _PREFERRED, position, "preference"))


def _check_pod_affinity(report: Report, affinity: dict[str, Any], path: Path) -> None:
    places = [((*path, _REQUIRED, number), term) for number, term in enumerate(affinity.get(_REQUIRED, ()))]
    places += [
        ((*path, _PREFERRED, number, "podAffinityTerm"), weighted.get("podAffinityTerm", {}))
        for number, weighted in enumerate(affinity.get(_PREFERRED, ()))
    ]
    for place, term in places:
        for key in ("labelSelector", "namespaceSelector"):
            check_selector(report, term.get(key, {}), (*place, key))


def _check_spread(report: Report, constraints: list[dict[str, Any]], path: Path) -> None:
    seen: set[tuple[Any, Any]] = set()
    for position, constraint in enumerate(constraints):
        place = (*path, position)
        key = (constraint.get("topologyKey"), constraint.get("whenUnsatisfiable"))
        if None not in key and key in seen:
            report.error(place, f"a second rule for {key[0]} and {key[1]}", Fault.FORBIDDEN)
        seen.add(key)
        if "minDomains" in constraint and constraint.get("whenUnsatisfiable") != "DoNotSchedule":
            report.error((*place, "minDomains"), "allowed only with whenUnsatisfiable: DoNotSchedule", Fault.FORBIDDEN)
        check_selector(report, constraint.get("labelSelector", {}), (*place, "labelSelector"))
