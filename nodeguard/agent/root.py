"""Where the tree of pods hangs: a plain cgroup, or on a systemd host with cgroup v2 a delegated unit of its own.

On v1 and hybrid hosts systemd leaves the controllers' hierarchies to others.

Source: systemd, docs/CGROUP_DELEGATION.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from nodeguard.agent.config import Config
from nodeguard.kernel import systemd
from nodeguard.kernel.cgroup.detect import detect
from nodeguard.kernel.cgroup.driver import Driver


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The root cgroup and the driver for it; ``unit`` is the systemd unit that holds it, if one does.

    ``unit_group`` is the cgroup of that unit.
    """

    driver: Driver
    path: str
    unit: str | None = None
    unit_group: str = ""

    def release(self) -> None:
        """The root has been removed; nobody needs the unit any more."""
        if self.unit is not None:
            systemd.release_pods_unit(self.unit_group, self.unit)


def prepare_root(config: Config, driver: Driver) -> Root:
    """The place for pods, its unit started when there is to be one; the root itself may not exist yet.

    ``driver`` is the one for the whole host.

    Raises:
        HostLacks: a controller is missing, cgroups are read-only, or systemd refused.
    """
    if driver.mode != "v2" or not systemd.is_systemd_host():
        return Root(driver=driver, path=config.cgroup_root)
    unit = unit_name(config)
    group = systemd.ensure_pods_unit(unit)
    return Root(driver=detect(group), path=f"{group}{config.cgroup_root}", unit=unit, unit_group=group)


def find_root(config: Config) -> Root:
    """The place where pods are if there are any; nothing is started.

    Raises:
        HostLacks: a controller is missing.
    """
    driver = detect()
    if driver.mode == "v2" and systemd.is_systemd_host():
        unit = unit_name(config)
        group = systemd.find_pods_unit(unit)
        if group:
            return Root(driver=detect(group), path=f"{group}{config.cgroup_root}", unit=unit, unit_group=group)
    return Root(driver=driver, path=config.cgroup_root)


def unit_name(config: Config) -> str:
    """The unit of a root: ``/nodeguard`` → ``nodeguard-pods.service``."""
    return f"{config.cgroup_root.strip('/').replace('/', '-')}-pods.service"
