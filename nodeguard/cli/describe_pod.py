"""A pod as kubectl describes it. Pure.

Source: kubectl, pkg/describe/describe.go, describePod.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nodeguard.agent.text import format_age
from nodeguard.cli.describe_container import container_lines, resource_lines
from nodeguard.cli.describe_text import NONE, event_lines, instant, metadata_lines, multiline
from nodeguard.cli.describe_volume import volume_lines
from nodeguard.model.instant import parse_rfc3339

_ENDED = ("Succeeded", "Failed")
_TEXTS = (
    ("priorityClassName", "Priority Class Name"),
    ("runtimeClassName", "Runtime Class Name"),
    ("serviceAccountName", "Service Account"),
)


def pod_lines(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]] | None, now: float) -> Iterator[str]:
    """The lines, with tabs."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    yield f"Name:\t{metadata['name']}"
    yield f"Namespace:\t{metadata.get('namespace', '')}"
    if spec.get("priority") is not None:
        yield f"Priority:\t{spec['priority']}"
    for key, title in _TEXTS:
        if spec.get(key):
            yield f"{title}:\t{spec[key]}"
    yield f"Node:\t{spec['nodeName']}/{status.get('hostIP', '')}" if spec.get("nodeName") else f"Node:\t{NONE}"
    if status.get("startTime"):
        yield f"Start Time:\t{instant(status['startTime'])}"
    yield from metadata_lines(metadata)
    yield from _status_lines(metadata, status, now)
    profile = ((spec.get("securityContext") or {}).get("seccompProfile") or {}).get("type")
    if profile:
        yield f"SeccompProfile:\t{profile}"
    yield f"IP:\t{status.get('podIP', '')}"
    addresses = status.get("podIPs") or ()
    yield "IPs:" if addresses else f"IPs:\t{NONE}"
    for address in addresses:
        yield f"  IP:\t{address.get('ip', '')}"
    controller = next((one for one in metadata.get("ownerReferences") or () if one.get("controller")), None)
    if controller is not None:
        yield f"Controlled By:\t{controller['kind']}/{controller['name']}"
    yield from resource_lines(spec.get("resources") or {}, "")
    yield from _containers("Init Containers", spec.get("initContainers"), status.get("initContainerStatuses"), pod)
    yield from _containers("Containers", spec.get("containers"), status.get("containerStatuses"), pod)
    yield from _readiness_gates(spec, status)
    if status.get("conditions"):
        yield "Conditions:"
        yield "  Type\tStatus"
        for condition in status["conditions"]:
            yield f"  {condition['type']} \t{condition['status']} "
    yield from volume_lines(spec.get("volumes") or ())
    if status.get("qosClass"):
        yield f"QoS Class:\t{status['qosClass']}"
    selector = spec.get("nodeSelector") or {}
    yield from multiline("Node-Selectors", [f"{key}={selector[key]}" for key in sorted(selector)])
    tolerations = sorted(spec.get("tolerations") or (), key=lambda one: str(one.get("key", "")))
    yield from multiline("Tolerations", [_toleration(one) for one in tolerations])
    yield from event_lines(events, now)


def _status_lines(metadata: Mapping[str, Any], status: Mapping[str, Any], now: float) -> Iterator[str]:
    deleted_at = parse_rfc3339(metadata.get("deletionTimestamp") or "")
    if deleted_at is not None and status.get("phase") not in _ENDED:
        yield f"Status:\tTerminating (lasts {format_age(now - deleted_at)})"
        yield f"Termination Grace Period:\t{metadata.get('deletionGracePeriodSeconds', 0)}s"
    else:
        yield f"Status:\t{status.get('phase', '')}"
    if status.get("reason"):
        yield f"Reason:\t{status['reason']}"
    if status.get("message"):
        yield f"Message:\t{' '.join(status['message'].split())}"


def _containers(
    title: str,
    containers: Sequence[Mapping[str, Any]] | None,
    statuses: Sequence[Mapping[str, Any]] | None,
    pod: Mapping[str, Any],
) -> Iterator[str]:
    if not containers:
        return
    by_name = {one["name"]: one for one in statuses or ()}
    yield f"{title}:"
    for container in containers:
        yield from container_lines(container, by_name.get(container["name"]), pod)


def _readiness_gates(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[str]:
    gates = spec.get("readinessGates")
    if not gates:
        return
    known = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    yield "Readiness Gates:"
    yield "  Type\tStatus"
    for gate in gates:
        yield f"  {gate['conditionType']} \t{known.get(gate['conditionType'], NONE)} "


def _toleration(one: Mapping[str, Any]) -> str:
    """``key=value:Effect op=Exists for 300s``. Source: describe.go, printTolerationsInternal."""
    text = str(one.get("key", ""))
    if one.get("value"):
        text += f"={one['value']}"
    if one.get("effect"):
        text += f":{one['effect']}"
    if one.get("operator") == "Exists" and not one.get("value"):
        text += " op=Exists" if text else "op=Exists"
    if one.get("tolerationSeconds") is not None:
        text += f" for {one['tolerationSeconds']}s"
    return text
