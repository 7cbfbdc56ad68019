"""What ``doctor`` looks at: each check asks the host itself, and never infers a feature from a version number."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nodeguard.agent.config import Config
from nodeguard.agent.record import pod_dirs, read_record
from nodeguard.agent.text import format_bytes
from nodeguard.cli.program import program_version
from nodeguard.errors import CgroupGone, HostLacks, NodeguardError
from nodeguard.kernel import proc, quota
from nodeguard.kernel.cgroup.driver import UNIFIED, Driver
from nodeguard.runtime import probe, seccomp


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    DEGRADED = "degraded"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding about the host.

    ``consequence`` says what does not work, or what is done instead; ``remedy`` what would change that. ``run`` cannot
    work while a check that is ``needed`` is missing.
    """

    name: str
    status: Status
    detail: str
    consequence: str = ""
    remedy: str = ""
    needed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the checks start from; ``root`` is where /proc and /sys are found."""

    config: Config
    driver: Driver | None
    driver_error: str = ""
    is_root: bool
    root: Path = Path("/")

    def read(self, path: str) -> str | None:
        """A file's text without the white space around it; None when there is none or it tells nothing."""
        try:
            return (self.root / path.lstrip("/")).read_text(errors="replace").strip()
        except OSError:
            return None


def check_host(host: Host) -> Iterator[Check]:
    """Every check, in the order in which it is shown; one that breaks tells so and stops no other."""
    for check in _CHECKS:
        try:
            yield from check(host)
        except (NodeguardError, OSError, subprocess.SubprocessError, ValueError) as e:
            name = check.__name__.removeprefix("_check_").replace("_", " ")
            yield Check(name=name, status=Status.UNKNOWN, detail=f"could not be checked: {e}")


_NEEDED_CAPABILITIES = frozenset(
    {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_KILL",
        "CAP_MKNOD",
        "CAP_NET_ADMIN",
        "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_SETUID",
        "CAP_SYS_ADMIN",
        "CAP_SYS_CHROOT",
    }
)


def _check_root(host: Host) -> Iterator[Check]:
    if not host.is_root:
        yield Check(
            name="root",
            status=Status.UNKNOWN,
            detail=f"doctor runs as user {os.geteuid()}",
            consequence="what only root can try is shown as unknown; run needs root",
            remedy="sudo nodeguard doctor",
        )
        return
    lacking = sorted(_NEEDED_CAPABILITIES - proc.effective_capabilities(host.root / "proc"))
    if lacking:
        yield Check(
            name="root",
            status=Status.MISSING,
            detail=f"root without {', '.join(lacking)}",
            consequence="cgroups, mounts or containers cannot be made",
            remedy="run nodeguard on the machine itself or in a privileged container",
            needed=True,
        )
    else:
        yield Check(name="root", status=Status.OK, detail="with every capability that is needed", needed=True)


def _check_oom_scores(host: Host) -> Iterator[Check]:
    name = "oom scores"
    if not host.is_root:
        yield Check(name=name, status=Status.UNKNOWN, detail="only root can try to lower a score")
    elif proc.can_lower_oom_score():
        yield Check(name=name, status=Status.OK, detail="negative oom_score_adj is accepted")
    else:
        yield Check(
            name=name,
            status=Status.DEGRADED,
            detail="negative oom_score_adj is refused (no CAP_SYS_RESOURCE)",
            consequence="scores below 0 are raised to 0: Guaranteed stays before Burstable before BestEffort",
            remedy="give nodeguard CAP_SYS_RESOURCE",
        )


def _check_cgroups(host: Host) -> Iterator[Check]:
    if host.driver is None:
        yield Check(
            name="cgroups",
            status=Status.MISSING,
            detail=host.driver_error,
            consequence="no limit can be enforced",
            remedy="mount cgroups writable; with cgroup v1 boot with cgroup_enable=memory",
            needed=True,
        )
        return
    explained = {
        "v2": "limits and pressure in one tree",
        "v1": "limits in the v1 controllers; no per-pod pressure, no group kill",
        "hybrid": "limits in the v1 controllers, pressure and kill in the v2 tree beside them",
    }[host.driver.mode]
    degraded = host.driver.mode != "v2"
    yield Check(
        name="cgroups",
        status=Status.DEGRADED if degraded else Status.OK,
        detail=f"{host.driver.mode}: {explained}",
        consequence="no memory.min, memory.low, memory.high, and an OOM kills single processes" if degraded else "",
        remedy="boot with systemd.unified_cgroup_hierarchy=1 (or without cgroup v1 mounts)" if degraded else "",
        needed=True,
    )
    yield from _check_controllers(host.driver)


_CONTROLLERS = {
    "cpu": ("CPU requests and limits cannot be enforced", "", True),
    "memory": ("memory limits cannot be enforced", "boot with cgroup_enable=memory", True),
    "pids": ("process limits cannot be enforced", "a kernel with CONFIG_CGROUP_PIDS", True),
    "hugetlb": ("hugepages limits are not enforced", "a kernel with CONFIG_CGROUP_HUGETLB", False),
    "cpuset": ("runc may refuse to start containers on cgroup v1", "a kernel with CONFIG_CPUSETS", False),
    "cpuacct": ("CPU usage is unknown", "a kernel with CONFIG_CGROUP_CPUACCT", False),
    "freezer": ("a pod is killed process by process", "a kernel with CONFIG_CGROUP_FREEZER", False),
}
_V1_ONLY = {"cpuacct", "freezer"}


def _check_controllers(driver: Driver) -> Iterator[Check]:
    for name, (consequence, remedy, needed) in _CONTROLLERS.items():
        if driver.mode == "v2" and name in _V1_ONLY:
            continue
        if name in driver.controllers:
            yield Check(name=f"controller {name}", status=Status.OK, detail="available", needed=needed)
        else:
            yield Check(
                name=f"controller {name}",
                status=Status.MISSING if needed else Status.DEGRADED,
                detail="not available",
                consequence=consequence,
                remedy=remedy,
                needed=needed,
            )


_CORE_FILES = {
    "cgroup.kill": "processes of a pod are frozen and killed one by one (kernel before 5.14)",
    "cgroup.freeze": "a pod cannot be stopped for inspection (kernel before 5.2)",
    "memory.pressure": "pressure of single pods is not shown",
}
_V2_FILES = {
    "memory.oom.group": "an OOM kills single processes of a container (kernel before 4.19)",
    "memory.high": "memory cannot be throttled",
    "memory.reclaim": "memory cannot be reclaimed on request (kernel before 5.19)",
    "memory.peak": "peak usage is not known (kernel before 5.19)",
}


def _check_cgroup_features(host: Host) -> Iterator[Check]:
    if host.driver is None or host.driver.mode == "v1":
        return
    files = [(UNIFIED, file, text) for file, text in _CORE_FILES.items()]
    if host.driver.mode == "v2":
        files += [("memory", file, text) for file, text in _V2_FILES.items()]
    for controller, file, consequence in files:
        try:
            found = host.driver.has(controller, file)
        except (HostLacks, CgroupGone, OSError):
            yield Check(name=file, status=Status.UNKNOWN, detail="only root can look")
            continue
        yield Check(
            name=file,
            status=Status.OK if found else Status.DEGRADED,
            detail="available" if found else "not offered by this kernel",
            consequence="" if found else consequence,
        )


def _check_swap(host: Host) -> Iterator[Check]:
    areas = (host.read("/proc/swaps") or "").splitlines()[1:]
    if areas and host.config.fail_swap_on:
        yield Check(
            name="swap",
            status=Status.MISSING,
            detail=f"on ({len(areas)} areas), and failSwapOn is set",
            consequence="run refuses to start",
            remedy="swapoff -a, or failSwapOn: false",
            needed=True,
        )
        return
    accounted = False
    if host.driver is not None:
        file = "memory.swap.max" if host.driver.version == 2 else "memory.memsw.limit_in_bytes"
        with suppress(HostLacks, CgroupGone, OSError):
            accounted = host.driver.has("memory", file)
    if not areas:
        yield Check(name="swap", status=Status.OK, detail="off")
    elif accounted:
        yield Check(name="swap", status=Status.OK, detail=f"on ({len(areas)} areas), counted per container")
    else:
        yield Check(
            name="swap",
            status=Status.DEGRADED,
            detail=f"on ({len(areas)} areas), not counted per container",
            consequence="a container over its memory limit may go on in swap",
            remedy="boot with swapaccount=1, or swapoff -a",
        )


def _check_hugepages(host: Host) -> Iterator[Check]:
    reserved = proc.read_hugepages(host.root / "sys")
    detail = ", ".join(f"{size}: {format_bytes(total)} reserved" for size, total in reserved.items())
    yield Check(name="hugepages", status=Status.OK, detail=detail or "none offered by this kernel")


def _check_pressure(host: Host) -> Iterator[Check]:
    if host.read("/proc/pressure/memory"):
        yield Check(name="pressure (PSI)", status=Status.OK, detail="available")
        return
    yield Check(
        name="pressure (PSI)",
        status=Status.DEGRADED,
        detail="switched off, or not in this kernel",
        consequence="pressure is not shown",
        remedy="boot with psi=1",
    )


def _check_runtimes(host: Host) -> Iterator[Check]:
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


def _check_programs(_host: Host) -> Iterator[Check]:
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


def _check_seccomp(host: Host) -> Iterator[Check]:
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


def _check_overlay(host: Host) -> Iterator[Check]:
    if not host.is_root:
        yield Check(name="overlay over /", status=Status.UNKNOWN, detail="only root can try")
        return
    error = _try_overlay(_existing(host.config.state_dir))
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


def _check_namespaces(host: Host) -> Iterator[Check]:
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


def _check_systemd(host: Host) -> Iterator[Check]:
    if (host.root / "run/systemd/system").is_dir():
        version = program_version("systemctl")
        yield Check(name="systemd", status=Status.OK, detail=f"running ({version})")
        return
    yield Check(name="systemd", status=Status.OK, detail="not running: the cgroup tree is a plain directory")


_OOM_KILLERS = ("systemd-oomd", "earlyoom", "nohang", "oomd")


def _check_other_oom_killers(host: Host) -> Iterator[Check]:
    found = set()
    for comm in (host.root / "proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            name = comm.read_text().strip()
            if name in _OOM_KILLERS:
                found.add(f"{name} (pid {comm.parent.name})")
    yield Check(
        name="other OOM killers",
        status=Status.DEGRADED if found else Status.OK,
        detail=", ".join(sorted(found)) or "none",
        consequence="it may kill a pod's processes before a limit or nodeguard does" if found else "",
        remedy="stop it while pods run, or exclude nodeguard's cgroup from it" if found else "",
    )


_LITTLE_SPACE = 1 << 30
_NO_SPACE = 16 << 20


def _check_disk_space(host: Host) -> Iterator[Check]:
    config = host.config
    directories = {
        "runDir": config.run_dir,
        "stateDir": config.state_dir,
        "nodefs": config.nodefs,
        "imagefs": config.imagefs,
    }
    for name, directory in directories.items():
        if directory is None:
            continue
        place = _existing(directory)
        status = os.statvfs(place)
        free = status.f_frsize * status.f_bavail
        is_full = free < _NO_SPACE or (status.f_files > 0 and status.f_favail == 0)
        is_low = name in ("stateDir", "imagefs") and free < _LITTLE_SPACE
        yield Check(
            name=f"space of {name}",
            status=Status.MISSING if is_full else Status.DEGRADED if is_low else Status.OK,
            detail=f"{format_bytes(free)} free at {place}",
            consequence="containers cannot be made" if is_full else "images may not fit" if is_low else "",
            remedy=f"free space, or set nodeguard.{name}" if is_full or is_low else "",
            needed=True,
        )


def _check_project_quota(host: Host) -> Iterator[Check]:
    if not host.is_root:
        yield Check(name="project quotas", status=Status.UNKNOWN, detail="only root can ask")
        return
    place = _existing(host.config.nodefs or host.config.state_dir)
    counts = quota.is_on(place)
    detail = f"{place} counts what pods take" if counts else f"none at {place}: the files of pods are looked at instead"
    yield Check(name="project quotas", status=Status.OK, detail=detail)


def _check_leftovers(host: Host) -> Iterator[Check]:
    if not host.is_root and not os.access(_existing(host.config.run_dir), os.R_OK | os.X_OK):
        yield Check(name="leftovers", status=Status.UNKNOWN, detail=f"only root can look into {host.config.run_dir}")
        return
    boot_id = proc.boot_id()
    known, crashed = set(), 0
    for directory in pod_dirs(host.config.run_dir):
        record = read_record(directory)
        known.add(f"pod{directory.name}")
        crashed += record is None or not record.owner.is_alive(boot_id)
    strays = 0
    if host.driver is not None:
        root = host.config.cgroup_root
        for tier in host.driver.children(root):
            strays += sum(name not in known for name in host.driver.children(f"{root}/{tier}"))
    is_clean = not crashed and not strays
    yield Check(
        name="leftovers",
        status=Status.OK if is_clean else Status.DEGRADED,
        detail="none" if is_clean else f"{crashed} pods of processes that are gone, {strays} cgroups without a record",
        remedy="" if is_clean else "nodeguard cleanup (every start does it too)",
    )


def _existing(directory: Path) -> Path:
    """The directory, or the nearest one above it that exists."""
    return next(place for place in (directory, *directory.parents) if place.is_dir())


_CHECKS: tuple[Callable[[Host], Iterator[Check]], ...] = (
    _check_root,
    _check_oom_scores,
    _check_cgroups,
    _check_cgroup_features,
    _check_pressure,
    _check_swap,
    _check_hugepages,
    _check_runtimes,
    _check_programs,
    _check_seccomp,
    _check_overlay,
    _check_namespaces,
    _check_systemd,
    _check_other_oom_killers,
    _check_disk_space,
    _check_project_quota,
    _check_leftovers,
)
