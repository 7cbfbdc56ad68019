"""One container: variables, mounts, ports, rights, restart rules.

Source: kubernetes, pkg/apis/core/validation/validation.go, validateContainerCommon, validateContainers,
validateInitContainers.
"""

from __future__ import annotations

import posixpath
from typing import Any, NamedTuple

from nodeguard.model.check.probe import PROBES, check_probes
from nodeguard.model.check.report import Report, guess, shown
from nodeguard.model.check.resource import check_container_resources
from nodeguard.model.check.source import (
    ENV_FIELDS,
    check_field_ref,
    check_object_name,
    check_one_source,
    check_resource_ref,
)
from nodeguard.model.default import is_sidecar
from nodeguard.model.document import Path
from nodeguard.model.finding import Fault

HOST_IMAGE = "host"
"""The image word for the host's own root file system."""
_MAX_RULES = 20
_MAX_EXIT_CODES = 255
_MAX_EXIT_CODE = 255
_ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_CAPABILITIES = frozenset(
    """
    AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER
    FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE
    NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE
    SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM ALL
    """.split()  # noqa: SIM905 - forty words read better without quotes
)


class Around(NamedTuple):
    """What a container's check needs to know of the pod."""

    containers: frozenset[str]
    volumes: frozenset[str]
    claims: frozenset[str]
    host_network: bool
    grace_seconds: int


def check_container(report: Report, container: dict[str, Any], path: Path, around: Around, *, is_init: bool) -> None:
    """One entry of ``containers`` or ``initContainers``, its defaults applied."""
    check_container_resources(report, container.get("resources", {}), around.claims, (*path, "resources"))
    has_words = container.get("command") or container.get("args")
    if not has_words and container.get("image", "") in ("", HOST_IMAGE):
        report.unsupported(path, "no image: command is required, there is no image to take one from")
    working_dir = container.get("workingDir", "")
    if working_dir and not working_dir.startswith("/"):
        report.unsupported((*path, "workingDir"), f"found {shown(working_dir)}; must be absolute, beginning with '/'")
    _check_env(report, container, path, around)
    _check_mounts(report, container, path, around)
    _check_ports(report, container.get("ports", ()), (*path, "ports"), around)
    check_security(report, container.get("securityContext", {}), (*path, "securityContext"))
    _check_restart_rules(report, container, path)
    if is_init and not is_sidecar(container):
        for key in ("lifecycle", *PROBES):
            if key in container:
                report.error(
                    (*path, key),
                    "not allowed in an init container, unless it has restartPolicy: Always",
                    Fault.FORBIDDEN,
                )
    else:
        check_probes(report, container, around.grace_seconds, path)


def _check_env(report: Report, container: dict[str, Any], path: Path, around: Around) -> None:
    for position, variable in enumerate(container.get("env", ())):
        source = variable.get("valueFrom")
        if source is None:
            continue
        place = (*path, "env", position, "valueFrom")
        if variable.get("value"):
            report.error(place, "not allowed beside a value", Fault.FORBIDDEN)
        check_one_source(report, source, _ENV_SOURCES, place)
        if "fieldRef" in source:
            check_field_ref(report, source["fieldRef"], ENV_FIELDS, (*place, "fieldRef"))
        if "resourceFieldRef" in source:
            check_resource_ref(report, source["resourceFieldRef"], around.containers, (*place, "resourceFieldRef"))
        for key in ("configMapKeyRef", "secretKeyRef"):
            if key in source:
                check_object_name(report, source[key], "name", (*place, key))
    for position, source in enumerate(container.get("envFrom", ())):
        place = (*path, "envFrom", position)
        check_one_source(report, source, ("configMapRef", "secretRef"), place)
        for key in ("configMapRef", "secretRef"):
            if key in source:
                check_object_name(report, source[key], "name", (*place, key))


def _check_mounts(report: Report, container: dict[str, Any], path: Path, around: Around) -> None:
    first: dict[str, int] = {}
    is_privileged = container.get("securityContext", {}).get("privileged", False)
    for position, mount in enumerate(container.get("volumeMounts", ())):
        place = (*path, "volumeMounts", position)
        name = mount.get("name")
        if name is not None and name not in around.volumes:
            meant = guess(name, around.volumes)
            hint = f", did you mean {meant}?" if meant else ""
            report.error((*place, "name"), f"there is no volume {shown(name)} in this pod{hint}")
        where = mount.get("mountPath")
        if where is not None:
            _check_mount_path(report, where, (*place, "mountPath"))
            normal = posixpath.normpath(where)
            if normal in first:
                there = report.where((*path, "volumeMounts", first[normal], "mountPath"))
                report.error((*place, "mountPath"), f"{shown(where)} is mounted twice, first {there}", Fault.DUPLICATE)
            first.setdefault(normal, position)
        if mount.get("subPath") and mount.get("subPathExpr"):
            report.error((*place, "subPathExpr"), "not allowed beside subPath", Fault.FORBIDDEN)
        if mount.get("mountPropagation") == "Bidirectional" and not is_privileged:
            report.error(
                (*place, "mountPropagation"), "Bidirectional is allowed only in a privileged container", Fault.FORBIDDEN
            )


def _check_mount_path(report: Report, where: str, path: Path) -> None:
    if ".." in where.split("/"):
        report.unsupported(path, f"found {shown(where)}; must not contain '..'")
    elif ":" in where:
        report.error(path, f"found {shown(where)}; must not contain ':'")
    elif posixpath.normpath(where) in ("/", "//"):
        report.unsupported(path, "a volume cannot take the place of the whole root file system")


def _check_ports(report: Report, ports: list[dict[str, Any]], path: Path, around: Around) -> None:
    names: set[str] = set()
    for position, port in enumerate(ports):
        name = port.get("name")
        if name and name in names:
            report.error((*path, position, "name"), f"duplicate port name {name!r}", Fault.DUPLICATE)
        elif name:
            names.add(name)
        if around.host_network and port.get("hostPort") != port.get("containerPort") and "containerPort" in port:
            report.error(
                (*path, position, "hostPort"),
                f"found {port.get('hostPort')}; with hostNetwork allowed is the containerPort, {port['containerPort']}",
            )


def check_security(report: Report, security: dict[str, Any], path: Path) -> None:
    """``securityContext`` of a container; of a pod, what it shares with it."""
    capabilities = security.get("capabilities", {})
    for key in ("add", "drop"):
        for position, name in enumerate(capabilities.get(key, ())):
            if plain_capability(name) not in _CAPABILITIES:
                meant = guess(plain_capability(name), _CAPABILITIES)
                hint = f", did you mean {meant}?" if meant else ""
                report.unsupported(
                    (*path, "capabilities", key, position), f"Linux knows no capability {shown(name)}{hint}"
                )
    if security.get("allowPrivilegeEscalation") is False:
        if security.get("privileged"):
            report.error(
                (*path, "allowPrivilegeEscalation"), "must not be false in a privileged container", Fault.FORBIDDEN
            )
        elif "SYS_ADMIN" in map(plain_capability, capabilities.get("add", ())):
            report.error(
                (*path, "allowPrivilegeEscalation"), "must not be false with the capability SYS_ADMIN", Fault.FORBIDDEN
            )
    for key in ("seccompProfile", "appArmorProfile"):
        profile = security.get(key, {})
        if profile.get("type") == "Localhost" and not profile.get("localhostProfile"):
            report.missing((*path, key, "localhostProfile"), "required with type Localhost")
        elif profile.get("localhostProfile") and profile.get("type") not in (None, "Localhost"):
            report.error((*path, key, "localhostProfile"), "allowed only with type Localhost", Fault.FORBIDDEN)


def plain_capability(name: str) -> str:
    """``NET_ADMIN`` for ``CAP_NET_ADMIN`` and ``net_admin`` too."""
    return name.upper().removeprefix("CAP_")


def _check_restart_rules(report: Report, container: dict[str, Any], path: Path) -> None:
    rules = container.get("restartPolicyRules", ())
    place = (*path, "restartPolicyRules")
    if rules and not container.get("restartPolicy"):
        report.error(place, "need a restartPolicy of the container itself")
    if len(rules) > _MAX_RULES:
        report.error(place, f"found {len(rules)} rules; allowed are at most {_MAX_RULES}", Fault.TOO_MANY)
    for position, rule in enumerate(rules):
        if "exitCodes" not in rule:
            report.error(
                (*place, position, "exitCodes"), "required, but missing: exit codes the rule applies to", Fault.REQUIRED
            )
            continue
        codes = rule["exitCodes"]
        values = codes.get("values", ())
        where = (*place, position, "exitCodes", "values")
        if len(values) > _MAX_EXIT_CODES:
            report.error(where, f"found {len(values)} values; allowed are at most {_MAX_EXIT_CODES}", Fault.TOO_MANY)
        elif codes.get("operator") == "In" and not any(0 <= value <= _MAX_EXIT_CODE for value in values):
            report.warn(where, f"the rule never applies: exit codes are 0 to {_MAX_EXIT_CODE}, none of them is named")
