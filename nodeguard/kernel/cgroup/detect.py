"""Which cgroup driver fits this host."""

from __future__ import annotations

import os

from nodeguard.errors import HostLacks
from nodeguard.kernel import systemd
from nodeguard.kernel.cgroup import group
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.kernel.cgroup.hierarchy import Hierarchy
from nodeguard.kernel.cgroup.v2 import V2, WANTED
from nodeguard.kernel.mount import MountPoint, parse_mountinfo, read_mountinfo

NEEDED = frozenset({"cpu", "memory", "pids"})
"""Without these, requests and limits are empty words."""

_V1_CONTROLLERS = frozenset(
    {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls", "net_prio"}
    | {"perf_event", "rdma", "misc", "name=systemd"}
)
"""What runc puts a container into; other named hierarchies are none of our business.

Source: runc 1.1.5, libcontainer/cgroups/fs/fs.go, subsystems.
"""


def detect(root: str = "/", *, mountinfo: str | None = None) -> Driver:
    """The driver for what is mounted; ``root`` is the group that ours will be in (it need not exist).

    Raises:
        HostLacks: no cgroups are mounted, they are read-only, or a controller is missing.
    """
    points = parse_mountinfo(mountinfo if mountinfo is not None else read_mountinfo())
    unified = next((point for point in points if point.file_system == "cgroup2"), None)
    hierarchies = _v1_hierarchies(points)
    controllers = frozenset(name for each in hierarchies for name in each.controllers if "=" not in name)
    if not controllers and unified is None:
        raise HostLacks("no cgroup file system is mounted (mount -t cgroup2 none /sys/fs/cgroup)")
    if not controllers and unified is not None:
        _require_writable(unified)
        hierarchy = Hierarchy(mount_point=unified.mount_point, root=unified.root)
        return V2(hierarchy, _require(_offered(unified.mount_point, root) & WANTED, "cgroup v2"))
    _require(controllers, "cgroup v1")
    for point in points:
        if point.file_system == "cgroup":
            _require_writable(point)
    # cgroupspy is 20 ms of imports that v2 hosts are spared.
    from nodeguard.kernel.cgroup.v1 import V1

    v1 = V1(hierarchies)
    if unified is None or unified.is_read_only:
        return v1
    from nodeguard.kernel.cgroup.hybrid import Hybrid

    return Hybrid(v1, V2(Hierarchy(mount_point=unified.mount_point, root=unified.root), frozenset()))


def _v1_hierarchies(points: list[MountPoint]) -> list[Hierarchy]:
    """Each hierarchy once, at the place where it was mounted first."""
    found: dict[tuple[str, ...], Hierarchy] = {}
    for point in points:
        if point.file_system == "cgroup":
            names = tuple(name for name in point.super_options if name in _V1_CONTROLLERS)
            if names and names not in found:
                found[names] = Hierarchy(mount_point=point.mount_point, root=point.root, controllers=names)
    return list(found.values())


def _offered(mount_point: str, root: str) -> frozenset[str]:
    """The controllers that ``root`` will have: a unit of systemd may have fewer than the machine.

    Right below the top, systemd decides which ones are handed down (it leaves hugetlb out); elsewhere we do.
    """
    directory = group.join(mount_point, root)
    while directory != mount_point and not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    is_settled = directory == mount_point and systemd.is_systemd_host()
    with open(os.path.join(directory, "cgroup.subtree_control" if is_settled else "cgroup.controllers")) as file:
        return frozenset(file.read().split())


def _require(controllers: frozenset[str], where: str) -> frozenset[str]:
    missing = NEEDED - controllers
    if missing:
        raise HostLacks(f"{where} has no controller {', '.join(sorted(missing))} here")
    return controllers


def _require_writable(point: MountPoint) -> None:
    if point.is_read_only:
        raise HostLacks(f"{point.mount_point} is mounted read-only, so no cgroup can be made")
