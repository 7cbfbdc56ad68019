"""A pod as a whole: what must fit together across its parts.

Source: kubernetes, pkg/apis/core/validation/validation.go, ValidatePodCreate, ValidatePodSpec.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nodeguard.model.check.container import Around, check_container, check_security
from nodeguard.model.check.meta import check_label_map, check_meta
from nodeguard.model.check.place import check_place
from nodeguard.model.check.report import Report, shown
from nodeguard.model.check.resource import check_overhead, check_pod_resources
from nodeguard.model.check.volume import check_volumes
from nodeguard.model.document import Path
from nodeguard.model.finding import Fault

_LISTS = ("initContainers", "containers")
_NAMESPACED_SYSCTLS = ("net.", "fs.mqueue.", "kernel.shm", "kernel.msg", "kernel.sem")
_MAX_NAMESERVERS = 3
_MAX_SEARCHES = 32
_MAX_HOSTNAME = 64


def check_pod(report: Report, pod: dict[str, Any], path: Path) -> None:
    """The rules of a ``v1 Pod``, its shape checked and its defaults applied."""
    spec = pod.get("spec", {})
    place = (*path, "spec")
    check_meta(report, pod.get("metadata", {}), (*path, "metadata"))
    if spec.get("ephemeralContainers"):
        report.error(
            (*place, "ephemeralContainers"),
            "not allowed in a manifest: they are added to a running pod",
            Fault.FORBIDDEN,
        )
    around = Around(
        containers=frozenset(name for name, _ in _names(spec)),
        volumes=frozenset(volume["name"] for volume in spec.get("volumes", ()) if "name" in volume),
        claims=frozenset(claim["name"] for claim in spec.get("resourceClaims", ()) if "name" in claim),
        host_network=spec.get("hostNetwork", False),
        grace_seconds=spec.get("terminationGracePeriodSeconds", 30),
    )
    _check_names(report, spec, place)
    check_volumes(report, spec.get("volumes", []), around.containers, (*place, "volumes"))
    for key in _LISTS:
        for position, container in enumerate(spec.get(key, ())):
            check_container(report, container, (*place, key, position), around, is_init=key == "initContainers")
    check_pod_resources(report, spec, (*place, "resources"))
    check_overhead(report, spec.get("overhead", {}), (*place, "overhead"))
    _check_host(report, spec, place)
    _check_host_ports(report, spec, place)
    _check_security(report, spec, place)
    _check_dns(report, spec, place)
    check_label_map(report, spec.get("nodeSelector", {}), (*place, "nodeSelector"))
    check_place(report, spec, place)


def _names(spec: dict[str, Any]) -> Iterable[tuple[str, tuple[str, int]]]:
    for key in _LISTS:
        for position, container in enumerate(spec.get(key, ())):
            if "name" in container:
                yield container["name"], (key, position)


def _check_names(report: Report, spec: dict[str, Any], path: Path) -> None:
    first: dict[str, Path] = {}
    for name, where in _names(spec):
        place = (*path, *where, "name")
        if name in first:
            report.error(
                place, f"duplicate container name {name!r}, first {report.where(first[name])}", Fault.DUPLICATE
            )
        first.setdefault(name, place)


def _check_host(report: Report, spec: dict[str, Any], path: Path) -> None:
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        report.error((*path, "shareProcessNamespace"), "not allowed beside hostPID", Fault.FORBIDDEN)
    if spec.get("hostUsers") is False:
        report.unsupported(
            (*path, "hostUsers"), "valid Kubernetes, but not possible here: there are no user namespaces"
        )
    if spec.get("os", {}).get("name") == "windows":
        report.unsupported((*path, "os", "name"), "valid Kubernetes, but not possible here: this host runs Linux")
    override = spec.get("hostnameOverride")
    if override:
        place = (*path, "hostnameOverride")
        if len(override) > _MAX_HOSTNAME:
            report.error(
                place, f"found {len(override)} characters; allowed are at most {_MAX_HOSTNAME}", Fault.TOO_LONG
            )
        for key in ("hostNetwork", "setHostnameAsFQDN"):
            if spec.get(key):
                report.error(place, f"not allowed beside {key}", Fault.FORBIDDEN)
    if spec.get("schedulingGates") and spec.get("nodeName"):
        report.error((*path, "nodeName"), "not allowed beside schedulingGates", Fault.FORBIDDEN)


def _check_host_ports(report: Report, spec: dict[str, Any], path: Path) -> None:
    first: dict[tuple[Any, ...], Path] = {}
    for position, container in enumerate(spec.get("containers", ())):
        for number, port in enumerate(container.get("ports", ())):
            if not port.get("hostPort"):
                continue
            key = (port.get("protocol"), port.get("hostIP", ""), port["hostPort"])
            place = (*path, "containers", position, "ports", number, "hostPort")
            if key in first:
                report.error(
                    place, f"{port['hostPort']} is used twice, first {report.where(first[key])}", Fault.DUPLICATE
                )
            first.setdefault(key, place)


def _check_security(report: Report, spec: dict[str, Any], path: Path) -> None:
    security = spec.get("securityContext", {})
    place = (*path, "securityContext")
    check_security(report, security, place)
    seen: set[str] = set()
    for position, sysctl in enumerate(security.get("sysctls", ())):
        if "name" not in sysctl:
            continue
        where = (*place, "sysctls", position, "name")
        name = sysctl["name"].replace("/", ".")
        if name in seen:
            report.error(where, f"duplicate sysctl {name!r}", Fault.DUPLICATE)
        seen.add(name)
        if not name.startswith(_NAMESPACED_SYSCTLS):
            report.unsupported(where, f"{name} has no namespace: it would change the whole host")
        elif name.startswith("net.") and spec.get("hostNetwork"):
            report.error(where, f"{shown(name)} is not allowed with hostNetwork", Fault.FORBIDDEN)
        elif not name.startswith("net.") and spec.get("hostIPC"):
            report.error(where, f"{shown(name)} is not allowed with hostIPC", Fault.FORBIDDEN)


def _check_dns(report: Report, spec: dict[str, Any], path: Path) -> None:
    config = spec.get("dnsConfig", {})
    if spec.get("dnsPolicy") == "None" and not config.get("nameservers"):
        report.error((*path, "dnsPolicy"), "None needs at least one entry in dnsConfig.nameservers")
    for key, most in (("nameservers", _MAX_NAMESERVERS), ("searches", _MAX_SEARCHES)):
        count = len(config.get(key, ()))
        if count > most:
            report.error(
                (*path, "dnsConfig", key), f"found {count} entries; allowed are at most {most}", Fault.TOO_MANY
            )
