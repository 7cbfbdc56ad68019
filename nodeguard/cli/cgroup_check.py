"""What ``doctor`` asks of cgroups: mode, controllers, features, pressure."""

from __future__ import annotations

from collections.abc import Iterator

from nodeguard.cli.check import Check, Host, Status
from nodeguard.errors import CgroupGone, HostLacks
from nodeguard.kernel.cgroup.driver import UNIFIED, Driver


def check_cgroups(host: Host) -> Iterator[Check]:
    """Which cgroups limits go to, and the controllers they need."""
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


CORE_FILES = {
    "cgroup.kill": "processes of a pod are frozen and killed one by one (kernel before 5.14)",
    "cgroup.freeze": "a pod cannot be stopped for inspection (kernel before 5.2)",
    "memory.pressure": "pressure of single pods is not shown",
}
V2_FILES = {
    "memory.oom.group": "an OOM kills single processes of a container (kernel before 4.19)",
    "memory.high": "memory cannot be throttled",
    "memory.reclaim": "memory cannot be reclaimed on request (kernel before 5.19)",
    "memory.peak": "peak usage is not known (kernel before 5.19)",
}


def check_cgroup_features(host: Host) -> Iterator[Check]:
    """What newer kernels offer on top of the controllers."""
    if host.driver is None or host.driver.mode == "v1":
        return
    files = [(UNIFIED, file, text) for file, text in CORE_FILES.items()]
    if host.driver.mode == "v2":
        files += [("memory", file, text) for file, text in V2_FILES.items()]
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


def check_pressure(host: Host) -> Iterator[Check]:
    """Whether the kernel tells how long processes wait for memory."""
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
