"""The process that holds a shared PID namespace: process 1 of the pod, which only collects orphans.

Only pods with ``shareProcessNamespace`` have one; all other namespaces are pinned without a process.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from nodeguard.agent.host import Host
from nodeguard.errors import HostLacks, RuntimeFailed
from nodeguard.kernel import mount, process
from nodeguard.runtime import bundle, rootfs
from nodeguard.runtime.conmon import runtime_argv

CGROUP = "_pause"
"""Below the pod's cgroup; no container can have a name with an underscore."""

NOBODY = 65534


def start(host: Host, *, uid: str, pod_run_dir: Path, pod_cgroup: str) -> None:
    """Start the holder and pin its PID namespace as ``ns/pid``.

    Raises:
        HostLacks: catatonit is not installed.
        RuntimeFailed: the runtime refused.
    """
    program = shutil.which("catatonit")
    if program is None:
        raise HostLacks("shareProcessNamespace needs catatonit (Debian package catatonit)")
    container_id, namespaces = f"{uid}{CGROUP}", pod_run_dir / "ns"
    directory = pod_run_dir / "bundles" / container_id
    view = rootfs.ensure_host_root(host.paths.run_dir)
    seen = [path for path in host.paths.own if (view / path.relative_to("/")).is_dir()]
    spec = bundle.ContainerSpec(
        args=(program, "-P"),
        rootfs=str(view),
        readonly_rootfs=True,
        uid=NOBODY,
        gid=NOBODY,
        no_new_privileges=True,
        cgroups_path=f"{pod_cgroup}/{CGROUP}",
        namespaces=(bundle.Namespace(type="mount"), bundle.Namespace(type="pid")),
        mounts=tuple(bundle.hidden(str(path)) for path in seen),
        annotations={bundle.POD_UID_ANNOTATION: uid},
    )
    host.driver.create(spec.cgroups_path, uid)
    bundle.write_bundle(directory, bundle.oci_config(spec))
    pid_file = directory / "pidfile"
    words = ("run", "--detach", f"--bundle={directory}", f"--pid-file={pid_file}", container_id)
    exit_code, stderr = process.run(runtime_argv(host.runtime, host.paths.runtime_root, *words))
    if exit_code:
        raise RuntimeFailed(f"cannot start the pod's first process: {stderr.strip()}", reason="FailedCreatePodSandBox")
    target = namespaces / "pid"
    target.touch(mode=0o600)
    mount.bind(f"/proc/{int(pid_file.read_text())}/ns/pid", target)


def stop(host: Host, *, uid: str, pod_run_dir: Path) -> None:
    """Let the runtime forget the holder, which has been killed with the pod's cgroup."""
    container_id = f"{uid}{CGROUP}"
    if (pod_run_dir / "bundles" / container_id).is_dir():
        process.run(runtime_argv(host.runtime, host.paths.runtime_root, "delete", container_id))
