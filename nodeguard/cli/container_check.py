"""What ``doctor`` asks of all that makes containers: programs, profiles, file systems, namespaces."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nodeguard.cli.check import Check, Host, Status, existing
from nodeguard.cli.program import program_version
from nodeguard.runtime import probe, seccomp


def check_runtimes(host: Host) -> Iterator[Check]:
    """Which of runc and crun really runs a container here."""
    usable = []
    for name in ("runc", "crun"):
        path = shutil.which(name)
        if path is None:
            yield Check(
                name=name, status=Status.DEGRADED, detail="not installed", remedy=f"apt install {probe.PACKAGES[name]}"
            )
            continue
        usable.append(name)
        if not host.is_root or host.driver is None:
            yield Check(name=name, status=Status.UNKNOWN, detail=f"{program_version(name)}; only root can try it")
            continue
        with tempfile.TemporaryDirectory(prefix="nodeguard-doctor-") as directory:
            complaint = probe.try_runtime(Path(path), Path(directory))
        if complaint:
            usable.remove(name)
            yield Check(
                name=name,
                status=Status.DEGRADED,
                detail=f"{program_version(name)} cannot run a container: {complaint}",
                consequence="it is not used",
            )
        else:
            yield Check(name=name, status=Status.OK, detail=f"{program_version(name)} runs a container")
    if not usable:
        yield Check(
            name="runtime",
            status=Status.MISSING,
            detail="neither runc nor crun works here",
            consequence="no container can be made",
            remedy=f"apt install {probe.PACKAGES['runc']}",
            needed=True,
        )


_PROGRAMS = {
    "conmon": ("no container can be supervised", True),
    "skopeo": ("docker archives cannot be used as images", False),
    "umoci": ("images cannot be unpacked; image: host and root directories work", False),
}


def check_programs(_host: Host) -> Iterator[Check]:
    """The other programs that containers are made with."""
    for name, (consequence, needed) in _PROGRAMS.items():
        version = program_version(name)
        if version is not None:
            yield Check(name=name, status=Status.OK, detail=version, needed=needed)
            continue
        yield Check(
            name=name,
            status=Status.MISSING if needed else Status.DEGRADED,
            detail="not installed",
            consequence=consequence,
            remedy=f"apt install {probe.PACKAGES[name]}",
            needed=needed,
        )


def check_seccomp(host: Host) -> Iterator[Check]:
    """The profile of system calls that containers get unless they ask for another."""
    path = seccomp.DEFAULT_PROFILE
    if (host.root / path.relative_to("/")).is_file():
        yield Check(name="seccomp profile", status=Status.OK, detail=str(path), needed=True)
        return
    yield Check(
        name="seccomp profile",
        status=Status.MISSING,
        detail=f"{path} is not there",
        consequence="only containers with seccompProfile Unconfined can start",
        remedy="apt install golang-github-containers-common",
        needed=True,
    )


def check_overlay(host: Host) -> Iterator[Check]:
    """Whether the host's own root can be the lower layer of a container's."""
    if not host.is_root:
        yield Check(name="overlay over /", status=Status.UNKNOWN, detail="only root can try")
        return
    error = _try_overlay(existing(host.config.state_dir))
    if error is None:
        yield Check(name="overlay over /", status=Status.OK, detail="works", needed=True)
        return
    yield Check(
        name="overlay over /",
        status=Status.MISSING,
        detail=error,
        consequence="containers get no writable root file system",
        remedy="a kernel with overlayfs, and a stateDir on ext4, xfs or btrfs",
        needed=True,
    )


def _try_overlay(directory: Path) -> str | None:
    """Mount an overlay over / in a mount namespace that ends with the command: nothing can stay behind."""
    work = Path(tempfile.mkdtemp(prefix=".nodeguard-doctor-", dir=directory))
    try:
        for name in ("upper", "work", "merged"):
            (work / name).mkdir()
        options = f"lowerdir=/,upperdir={work}/upper,workdir={work}/work"
        argv = ["unshare", "--mount", "mount", "-t", "overlay", "nodeguard-doctor", "-o", options, f"{work}/merged"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
        return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["mount failed"])[-1]
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_namespaces(host: Host) -> Iterator[Check]:
    """Whether a pod's namespaces can be made."""
    lacking = [name for name in ("net", "ipc", "uts", "mnt", "pid") if not (host.root / "proc/self/ns" / name).exists()]
    if lacking:
        yield Check(
            name="namespaces",
            status=Status.MISSING,
            detail=f"the kernel has no {', '.join(lacking)} namespace",
            consequence="containers cannot be isolated",
            needed=True,
        )
    elif not host.is_root:
        yield Check(name="namespaces", status=Status.UNKNOWN, detail="only root can try to make one")
    else:
        yield _try_namespaces()
    has_user = (host.root / "proc/self/ns/user").exists()
    maximum = host.read("/proc/sys/user/max_user_namespaces") or "0"
    usable = has_user and maximum != "0"
    yield Check(
        name="user namespaces",
        status=Status.OK if usable else Status.DEGRADED,
        detail=f"at most {maximum}" if usable else "switched off",
        consequence="" if usable else "nothing: nodeguard does not use them",
    )


_PIN = """
import sys
from pathlib import Path
from nodeguard.kernel.namespace import pin_pod_namespaces
from nodeguard.kernel.netlink import is_loopback_up
directory = Path(sys.argv[1])
pin_pod_namespaces(directory, hostname="nodeguard-doctor")
if not is_loopback_up(directory / "net"):
    sys.exit("lo is not up in a new network namespace")
"""


def _try_namespaces() -> Check:
    """Do what a pod's start does, in a mount namespace that ends with the command: nothing can stay behind."""
    import nodeguard

    with tempfile.TemporaryDirectory(prefix="nodeguard-doctor-") as directory:
        argv = ["unshare", "--mount", "--pid", "--fork", sys.executable, "-c", _PIN, directory]
        env = {**os.environ, "PYTHONPATH": str(Path(nodeguard.__file__).parent.parent)}
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False, env=env)
    if done.returncode == 0:
        return Check(
            name="namespaces", status=Status.OK, detail="net with lo up, ipc, uts, mnt and pid can be made", needed=True
        )
    return Check(
        name="namespaces",
        status=Status.MISSING,
        detail=(done.stderr.strip().splitlines() or ["unshare failed"])[-1],
        consequence="containers cannot be isolated",
        remedy="run nodeguard on the machine itself or in a privileged container",
        needed=True,
    )
