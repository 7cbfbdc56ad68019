"""The processes of a subtree, counted."""

from __future__ import annotations

from nodeguard.errors import CgroupGone
from nodeguard.kernel.cgroup.driver import Driver


def count_processes(driver: Driver, path: str) -> int:
    """How many processes are in the group and below it, each counted once; 0 when it is gone.

    Raises:
        HostLacks: there is no pids controller.
    """
    try:
        text = driver.read(path, "pids", "cgroup.procs")
    except CgroupGone:
        return 0
    return len(text.split()) + sum(count_processes(driver, f"{path}/{name}") for name in driver.children(path))
