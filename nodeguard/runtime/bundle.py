"""OCI bundles: everything known about a container in, ``config.json`` out.

Source: opencontainers/runtime-spec, config.md and config-linux.md; the mounts and paths are those of containerd's CRI
plugin (internal/cri/opts) and of Kubernetes (pkg/securitycontext/util.go, masked and read-only paths).
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodeguard.errors import RuntimeFailed

POD_UID_ANNOTATION = "dev.nodeguard.pod.uid"
"""Marks a container as ours; clean-up goes by it and never by name."""

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One entry of ``mounts``; without ``type`` it is a bind mount."""

    destination: str
    source: str
    type: str = "bind"
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """One namespace the container does not share with the host: a new one, or the one pinned at ``path``."""

    type: str
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device node; ``type`` is ``c`` or ``b``."""

    path: str
    type: str
    major: int
    minor: int
    mode: int
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """A container with every question answered; ``mounts`` come after the standard ones, in their order."""

    args: tuple[str, ...]
    rootfs: str
    cgroups_path: str
    namespaces: tuple[Namespace, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    terminal: bool = False
    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()
    capabilities: frozenset[str] = frozenset()
    no_new_privileges: bool = False
    seccomp: Mapping[str, Any] | None = None
    readonly_rootfs: bool = False
    privileged: bool = False
    hostname: str | None = None
    oom_score_adj: int | None = None
    open_files: tuple[int, int] | None = None
    """soft and hard limit; None inherits nodeguard's own"""
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


def pod_namespaces(
    ns_dir: str,
    *,
    host_network: bool = False,
    host_ipc: bool = False,
    host_pid: bool = False,
    share_pid: bool = False,
    private_cgroup: bool = False,
) -> tuple[Namespace, ...]:
    """The namespaces of a pod's container; network, IPC and UTS (and PID with ``share_pid``) are pinned in ``ns_dir``.

    As in Kubernetes, the host's network brings the host's UTS namespace with it. ``private_cgroup`` is for cgroup v2.
    """
    namespaces = [Namespace(type="mount")]
    if private_cgroup:
        namespaces.append(Namespace(type="cgroup"))
    if not host_pid:
        namespaces.append(Namespace(type="pid", path=f"{ns_dir}/pid" if share_pid else None))
    if not host_network:
        namespaces.append(Namespace(type="network", path=f"{ns_dir}/net"))
        namespaces.append(Namespace(type="uts", path=f"{ns_dir}/uts"))
    if not host_ipc:
        namespaces.append(Namespace(type="ipc", path=f"{ns_dir}/ipc"))
    return tuple(namespaces)


def standard_mounts(*, privileged: bool) -> tuple[Mount, ...]:
    """What every container sees of the kernel, with a /dev of its own."""
    mode = "rw" if privileged else "ro"
    closed = ("nosuid", "noexec", "nodev")
    return (
        Mount(destination="/proc", source="proc", type="proc", options=closed),
        Mount(
            destination="/dev",
            source="tmpfs",
            type="tmpfs",
            options=("nosuid", "strictatime", "mode=755", "size=65536k"),
        ),
        Mount(
            destination="/dev/pts",
            source="devpts",
            type="devpts",
            options=("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        ),
        Mount(destination="/dev/mqueue", source="mqueue", type="mqueue", options=closed),
        Mount(destination="/sys", source="sysfs", type="sysfs", options=(*closed, mode)),
        Mount(destination="/sys/fs/cgroup", source="cgroup", type="cgroup", options=(*closed, "relatime", mode)),
    )


def bind(
    source: str, destination: str, *, read_only: bool = False, options: tuple[str, ...] = ("rbind", "rprivate")
) -> Mount:
    """A host file or directory inside the container."""
    return Mount(destination=destination, source=source, options=(*options, "ro") if read_only else options)


def private_tmpfs(destination: str) -> Mount:
    """An empty writable place such as /run."""
    return Mount(destination=destination, source="tmpfs", type="tmpfs", options=("nosuid", "nodev", "mode=755"))


def hidden(destination: str) -> Mount:
    """An empty read-only directory over something the container must not see."""
    return Mount(
        destination=destination,
        source="tmpfs",
        type="tmpfs",
        options=("ro", "nosuid", "nodev", "noexec", "size=4k", "mode=755"),
    )


def oci_config(spec: ContainerSpec) -> dict[str, Any]:
    """``config.json`` of the container; the limits are not in it, its cgroup has them already."""
    mounts = (*standard_mounts(privileged=spec.privileged), *spec.mounts)
    capabilities = sorted(spec.capabilities)
    process: dict[str, Any] = {
        "terminal": spec.terminal,
        "user": {"uid": spec.uid, "gid": spec.gid},
        "args": list(spec.args),
        "env": list(spec.env),
        "cwd": spec.cwd,
        # nothing inheritable or ambient: as containerd since CVE-2022-24769
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        "noNewPrivileges": spec.no_new_privileges,
    }
    if spec.additional_gids:
        process["user"]["additionalGids"] = list(spec.additional_gids)
    if spec.oom_score_adj is not None:
        process["oomScoreAdj"] = spec.oom_score_adj
    if spec.open_files is not None:
        soft, hard = spec.open_files
        process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": soft, "hard": hard}]
    linux: dict[str, Any] = {
        "cgroupsPath": spec.cgroups_path,
        "namespaces": [
            {"type": namespace.type} | ({"path": namespace.path} if namespace.path is not None else {})
            for namespace in spec.namespaces
        ],
        "resources": {"devices": [{"allow": spec.privileged, "access": "rwm"}]},
    }
    if spec.devices:
        linux["devices"] = [_device(device) for device in spec.devices]
    if not spec.privileged:
        linux["maskedPaths"] = list(MASKED_PATHS)
        linux["readonlyPaths"] = list(READONLY_PATHS)
    if spec.seccomp is not None:
        linux["seccomp"] = spec.seccomp
    if propagation := _rootfs_propagation(mounts):
        linux["rootfsPropagation"] = propagation
    config: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": spec.rootfs, "readonly": spec.readonly_rootfs},
        "mounts": [
            {"destination": m.destination, "type": m.type, "source": m.source, "options": list(m.options)}
            for m in mounts
        ],
        "linux": linux,
        "annotations": dict(spec.annotations),
    }
    if spec.hostname is not None:
        config["hostname"] = spec.hostname
    return config


def write_bundle(directory: Path, config: Mapping[str, Any]) -> None:
    """Write ``config.json`` into ``directory``, which is made when missing; readers see all of it or none.

    Raises:
        RuntimeFailed: the disk is full, or the directory cannot be written.
    """
    target, partial = directory / "config.json", directory / "config.json.partial"
    text = json.dumps(config, separators=(",", ":"))
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        partial.replace(target)
    except OSError as e:
        raise RuntimeFailed(f"cannot write the bundle {target}: {e.strerror}") from e


def list_host_devices(root: Path = Path("/dev")) -> tuple[Device, ...]:
    """Every device node of the host, for a privileged container; terminals and shared memory are its own."""
    return tuple(_walk_devices(root, root))


def _walk_devices(directory: Path, root: Path) -> Iterator[Device]:
    skipped = {"pts", "shm", "mqueue", "fd", "console", ".lxc", ".lxd-mounts", ".udev"}
    with os.scandir(directory) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if directory == root and entry.name in skipped:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk_devices(Path(entry.path), root)
            continue
        info = entry.stat(follow_symlinks=False)
        if not (stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode)):
            continue
        yield Device(
            path=f"/dev/{Path(entry.path).relative_to(root)}",
            type="c" if stat.S_ISCHR(info.st_mode) else "b",
            major=os.major(info.st_rdev),
            minor=os.minor(info.st_rdev),
            mode=stat.S_IMODE(info.st_mode),
            uid=info.st_uid,
            gid=info.st_gid,
        )


def _device(device: Device) -> dict[str, Any]:
    return {
        "path": device.path,
        "type": device.type,
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode,
        "uid": device.uid,
        "gid": device.gid,
    }


def _rootfs_propagation(mounts: tuple[Mount, ...]) -> str | None:
    """What the root needs so that a mount inside it can propagate: containerd does the same."""
    options = {option for mount in mounts for option in mount.options}
    if "rshared" in options:
        return "rshared"
    return "rslave" if "rslave" in options else None
