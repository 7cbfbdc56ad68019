"""What Kubernetes fills in before it looks at a pod.

Works on the JSON object of a pod whose quantities are ``Quantity``, well formed but perhaps incomplete.

Source: kubernetes, pkg/apis/core/v1/defaults.go, pkg/apis/core/v1/zz_generated.defaults.go; kubernetes/enhancements,
keps/sig-node/2837-pod-level-resource-spec (1.37: pod limits from container limits).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from nodeguard.model.quantity import ZERO, Quantity

HUGEPAGES = "hugepages-"
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_WITH_MODE = ("downwardAPI", "configMap", "secret", "projected")


def apply_defaults(pod: dict[str, Any]) -> None:
    """Fill in the defaults of a ``v1 Pod``, in place; all but ``imagePullPolicy``, as nothing is pulled."""
    pod.setdefault("metadata", {}).setdefault("namespace", "default")
    spec = pod.setdefault("spec", {})
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("securityContext", {})
    for key in ("restartPolicy", "dnsPolicy", "schedulerName"):
        spec[key] = spec[key] or {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}.get(key, "default-scheduler")
    for volume in spec.get("volumes", ()):
        _default_volume(volume)
    for container in _all(spec):
        _default_container(container, host_network=spec.get("hostNetwork", False))
    pod_level = spec.get("resources")
    if pod_level is not None:
        _default_pod_resources(spec, pod_level)
    for resources in _stanzas(spec):
        for amounts in resources.values():
            if isinstance(amounts, dict):
                _round_up(amounts)
    _round_up(spec.get("overhead", {}))


def aggregate(spec: dict[str, Any], which: str) -> dict[str, Quantity]:
    """The containers' ``requests`` or ``limits`` together, as the pod needs them at its most expensive moment.

    Init containers run one at a time, beside the sidecars listed before them; then sidecars and containers run.

    Source: kubernetes, staging/src/k8s.io/component-helpers/resource/helpers.go, AggregateContainerRequests.
    """
    running: dict[str, Quantity] = {}
    for container in spec.get("containers", ()):
        _add(running, _amounts(container, which))
    sidecars: dict[str, Quantity] = {}
    phases = []
    for container in spec.get("initContainers", ()):
        amounts = _amounts(container, which)
        if is_sidecar(container):
            _add(running, amounts)
            _add(sidecars, amounts)
            phases.append(dict(sidecars))
        else:
            phase = dict(amounts)  # first, as the sum is printed in the notation of what stands first
            _add(phase, sidecars)
            phases.append(phase)
    for phase in phases:
        for name, amount in phase.items():
            if name not in running or running[name] < amount:
                running[name] = amount
    return running


def is_sidecar(container: dict[str, Any]) -> bool:
    """Whether an init container keeps running beside the others."""
    return container.get("restartPolicy") == "Always"


def _all(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in ("initContainers", "containers"):
        yield from spec.get(key, ())


def _stanzas(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for container in _all(spec):
        yield container.get("resources", {})
    yield spec.get("resources", {})


def _amounts(container: dict[str, Any], which: str) -> dict[str, Quantity]:
    amounts: dict[str, Quantity] = container.get("resources", {}).get(which, {})
    return amounts


def _add(total: dict[str, Quantity], amounts: dict[str, Quantity]) -> None:
    for name, amount in amounts.items():
        total[name] = total.get(name, ZERO) + amount


def _round_up(amounts: dict[str, Quantity]) -> None:
    for name, amount in amounts.items():
        amounts[name] = amount.round_up_milli()


def _default_volume(volume: dict[str, Any]) -> None:
    if volume.keys() <= {"name"}:
        volume["emptyDir"] = {}
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    for kind in _WITH_MODE:
        if kind in volume:
            volume[kind].setdefault("defaultMode", 0o644)
    downward = [volume.get("downwardAPI", {})]
    downward += [source.get("downwardAPI", {}) for source in volume.get("projected", {}).get("sources", ())]
    for item in (item for source in downward for item in source.get("items", ())):
        _default_field_ref(item)


def _default_field_ref(source: dict[str, Any]) -> None:
    if "fieldRef" in source:
        source["fieldRef"].setdefault("apiVersion", "v1")


def _default_container(container: dict[str, Any], *, host_network: bool) -> None:
    container["terminationMessagePath"] = container.get("terminationMessagePath") or "/dev/termination-log"
    container["terminationMessagePolicy"] = container.get("terminationMessagePolicy") or "File"
    for port in container.get("ports", ()):
        port["protocol"] = port.get("protocol") or "TCP"
        if host_network and "containerPort" in port and not port.get("hostPort"):
            port["hostPort"] = port["containerPort"]
    for variable in container.get("env", ()):
        _default_field_ref(variable.get("valueFrom", {}))
    for key in _PROBES:
        if key in container:
            _default_probe(container[key])
    for hook in ("postStart", "preStop"):
        _default_http(container.get("lifecycle", {}).get(hook, {}))
    resources = container.setdefault("resources", {})
    limits = resources.get("limits", {})
    if limits:
        requests = resources.setdefault("requests", {})
        for name, limit in limits.items():
            requests.setdefault(name, limit)


def _default_probe(probe: dict[str, Any]) -> None:
    for key, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        probe[key] = probe.get(key) or value
    _default_http(probe)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _default_http(handler: dict[str, Any]) -> None:
    if "httpGet" in handler:
        handler["httpGet"]["path"] = handler["httpGet"].get("path") or "/"
        handler["httpGet"]["scheme"] = handler["httpGet"].get("scheme") or "HTTP"


def _default_pod_resources(spec: dict[str, Any], resources: dict[str, Any]) -> None:
    """Pod-level requests and limits from the containers' ones; an empty stanza stays empty."""
    requests = dict(resources.get("requests", {}))
    limits = dict(resources.get("limits", {}))
    if not requests and not limits:
        return
    for name, limit in aggregate(spec, "limits").items():
        if name in limits:
            continue
        of_all = name in ("cpu", "memory") and _all_have(_all(spec), name)
        if of_all or (name.startswith(HUGEPAGES) and name not in requests):
            limits[name] = limit
    if limits:
        for name, request in aggregate(spec, "requests").items():
            if name in ("cpu", "memory"):
                requests.setdefault(name, request)
        for name, limit in limits.items():
            requests.setdefault(name, limit)
    for key, amounts in (("requests", requests), ("limits", limits)):
        if amounts:
            resources[key] = amounts


def _all_have(containers: Iterable[dict[str, Any]], name: str) -> bool:
    return all(name in _amounts(container, "limits") for container in containers)
