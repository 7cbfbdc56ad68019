"""What ``doctor`` asks of the machine around the containers: rights, memory, disks, who else is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from nodeguard.agent.record import pod_dirs, read_record
from nodeguard.agent.text import format_bytes
from nodeguard.cli.check import Check, Host, Status, existing
from nodeguard.cli.program import program_version
from nodeguard.errors import CgroupGone, HostLacks
from nodeguard.kernel import proc, quota

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


def check_root(host: Host) -> Iterator[Check]:
    """Whether we may do what is needed."""
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


def check_oom_scores(host: Host) -> Iterator[Check]:
    """Whether pods can be protected from the kernel's OOM killer."""
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


def check_swap(host: Host) -> Iterator[Check]:
    """Whether memory limits hold where there is swap."""
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


def check_hugepages(host: Host) -> Iterator[Check]:
    """How many huge pages the host has set aside."""
    reserved = proc.read_hugepages(host.root / "sys")
    detail = ", ".join(f"{size}: {format_bytes(total)} reserved" for size, total in reserved.items())
    yield Check(name="hugepages", status=Status.OK, detail=detail or "none offered by this kernel")


def check_systemd(host: Host) -> Iterator[Check]:
    """Whether systemd runs, which then lends us a part of its tree."""
    if (host.root / "run/systemd/system").is_dir():
        version = program_version("systemctl")
        yield Check(name="systemd", status=Status.OK, detail=f"running ({version})")
        return
    yield Check(name="systemd", status=Status.OK, detail="not running: the cgroup tree is a plain directory")


_OOM_KILLERS = ("systemd-oomd", "earlyoom", "nohang", "oomd")


def check_other_oom_killers(host: Host) -> Iterator[Check]:
    """Who else kills processes when memory is short."""
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


def check_disk_space(host: Host) -> Iterator[Check]:
    """Whether there is space for pods and images."""
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
        place = existing(directory)
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


def check_project_quota(host: Host) -> Iterator[Check]:
    """Whether the file system counts what each pod takes."""
    if not host.is_root:
        yield Check(name="project quotas", status=Status.UNKNOWN, detail="only root can ask")
        return
    place = existing(host.config.nodefs or host.config.state_dir)
    counts = quota.is_on(place)
    detail = f"{place} counts what pods take" if counts else f"none at {place}: the files of pods are looked at instead"
    yield Check(name="project quotas", status=Status.OK, detail=detail)


def check_leftovers(host: Host) -> Iterator[Check]:
    """What a crash has left behind."""
    if not host.is_root and not os.access(existing(host.config.run_dir), os.R_OK | os.X_OK):
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
