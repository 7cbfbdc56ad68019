"""What the apiserver fills in for each kind.

Works on objects whose shape was checked, with quantities parsed.

Source: kubernetes, pkg/apis/core/v1/defaults.go, pkg/apis/scheduling/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nodeguard.api.resource import Resource
from nodeguard.model.default import apply_defaults

Object = dict[str, Any]


def default_object(resource: Resource, obj: Object) -> None:
    """Fill in the defaults of an object, in place."""
    fill = _FILL.get(resource.table_name)
    if fill is not None:
        fill(obj)


def _default_pod(pod: Object) -> None:
    apply_defaults(pod)
    spec = pod["spec"]
    for sysctl in spec["securityContext"].get("sysctls", ()):
        sysctl.setdefault("value", "")
    for key in ("initContainers", "containers"):
        for container in spec.get(key, ()):
            for handler in _handlers(container):
                for header in handler.get("httpGet", {}).get("httpHeaders", ()):
                    header.setdefault("value", "")


def _handlers(container: Object) -> list[Object]:
    probes = [container[key] for key in ("livenessProbe", "readinessProbe", "startupProbe") if key in container]
    hooks = container.get("lifecycle", {})
    return probes + [hooks[key] for key in ("postStart", "preStop") if key in hooks]


def _default_priority_class(one: Object) -> None:
    one["preemptionPolicy"] = one.get("preemptionPolicy") or "PreemptLowerPriority"


def _default_secret(secret: Object) -> None:
    secret["type"] = secret.get("type") or "Opaque"


_FILL: Mapping[str, Callable[[Object], None]] = {
    "Pod": _default_pod,
    "PriorityClass": _default_priority_class,
    "Secret": _default_secret,
}
