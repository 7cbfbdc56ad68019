"""Which taints of a node a pod bears.

Source: kubernetes, staging/src/k8s.io/api/core/v1/toleration.go;
staging/src/k8s.io/component-helpers/scheduling/corev1/helpers.go, FindMatchingUntoleratedTaint.
"""

from __future__ import annotations

from collections.abc import Iterable

from nodeguard.model.placement import Taint, Toleration
from nodeguard.policy.selector import number


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether one toleration bears the taint; ``Lt`` bears taints whose number is below its own."""
    if toleration.effect not in ("", taint.effect) or toleration.key not in ("", taint.key):
        return False
    match toleration.operator:
        case "Exists":
            return True
        case "" | "Equal":
            return toleration.value == taint.value
        case "Lt" | "Gt":
            own, other = number(toleration.value), number(taint.value)
            if own is None or other is None:
                return False
            return other < own if toleration.operator == "Lt" else other > own
        case _:
            return False


def is_tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    """Whether some toleration bears the taint."""
    return any(tolerates(toleration, taint) for toleration in tolerations)


def untolerated(taints: Iterable[Taint], tolerations: Iterable[Toleration], effects: Iterable[str]) -> Taint | None:
    """The first taint with one of these effects that no toleration bears."""
    borne, heeded = tuple(tolerations), tuple(effects)
    return next((taint for taint in taints if taint.effect in heeded and not is_tolerated(taint, borne)), None)
