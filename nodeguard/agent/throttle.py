"""``memory.high`` of containers (MemoryQoS): seen when it holds them back, and lifted when that goes on."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress

from nodeguard.agent.host import Host
from nodeguard.agent.pod import PodWorker
from nodeguard.errors import CgroupGone, HostLacks, NodeguardError
from nodeguard.kernel import proc
from nodeguard.kernel.cgroup.driver import UNIFIED
from nodeguard.kernel.cgroup.stat import parse_keyed, parse_pressure
from nodeguard.model.node import ControlFile
from nodeguard.model.pod import Pod
from nodeguard.policy.setting import ResourceSettings
from nodeguard.policy.throttling import RELAX_SECONDS, Throttling, look

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.5
"""Longer than the two seconds for which the kernel lets a task wait at most."""

LEAST_KERNEL = (5, 9)
"""Before it the penalty grew without bounds. Source: Linux, b3ff92916af3 (mm, memcg: reclaim more aggressively)."""

_LIFTED = ControlFile(version=2, controller="memory", file="memory.high", value="max")


def refuse_old_kernel(resources: ResourceSettings, release: str | None = None) -> None:
    """Do not set what this kernel makes a trap of.

    Raises:
        HostLacks: MemoryQoS is asked for, and the kernel is too old.
    """
    release = proc.kernel_release() if release is None else release
    match = re.match(r"(\d+)\.(\d+)", release)
    if resources.throttles_memory and match is not None and (int(match[1]), int(match[2])) < LEAST_KERNEL:
        raise HostLacks(f"MemoryQoS needs Linux 5.9 or later (memory.high freezes containers in {release})")


class ThrottleWatch:
    """Looks at all pods, again and again. Belongs to the loop's thread."""

    def __init__(self, host: Host, workers: Callable[[], Sequence[PodWorker]]) -> None:
        """Raises: HostLacks."""
        refuse_old_kernel(host.resources)
        self._host, self._workers = host, workers
        self._pods: dict[str, Throttles] = {}
        self._is_open = False

    def open(self) -> None:
        """Look from now on."""
        self._is_open = True
        self._look()

    def close(self) -> None:
        """No more looks."""
        self._is_open = False

    def _look(self) -> None:
        if not self._is_open:
            return
        there = [worker for worker in self._workers() if not worker.is_gone]
        self._pods = {
            worker.pod.meta.uid: self._pods.get(worker.pod.meta.uid)
            or Throttles(self._host, worker.pod, worker.sandbox.cgroup)
            for worker in there
        }
        for pod in self._pods.values():
            pod.look()
        self._host.loop.call_at(self._host.clock.now() + LOOK_SECONDS, self._look)


class Throttles:
    """One pod's containers."""

    def __init__(self, host: Host, pod: Pod, cgroup: str) -> None:
        self._host, self._pod, self._cgroup = host, pod, cgroup
        self._seen: dict[str, Throttling] = {}

    def look(self) -> None:
        """See who is held back, tell of it once, and let go who has been for too long."""
        for container in self._pod.all_containers:
            try:
                self._look(container.name, f"{self._cgroup}/{container.name}")
            except CgroupGone:
                self._seen.pop(container.name, None)
            except (OSError, NodeguardError) as e:
                log.warning("memory.high not watched pod=%s error=%s", self._pod.meta.key, e)

    def _look(self, name: str, group: str) -> None:
        driver, now = self._host.driver, self._host.clock.now()
        before = self._seen.get(name, Throttling())
        events = parse_keyed(driver.read(group, "memory", "memory.events")).get("high", 0)
        seen = look(before, events, self._stalled_percent(group), now)
        if before.since is None and seen.since is not None and not seen.is_relaxed:
            high = driver.read(group, "memory", "memory.high")
            self._tell("ContainerMemoryThrottled", f"Container {name} waits for memory at memory.high {high}", name)
        if seen.is_due(now):
            driver.write(group, [_LIFTED])
            seen = Throttling(high_events=events, is_relaxed=True)
            self._tell(
                "MemoryHighRelaxed", f"memory.high of container {name} was lifted after {RELAX_SECONDS:g} s", name
            )
        self._seen[name] = seen

    def _stalled_percent(self, group: str) -> float | None:
        with suppress(HostLacks, OSError):
            pressure = parse_pressure(self._host.driver.read(group, UNIFIED, "memory.pressure"))
            return None if pressure is None else pressure.some.avg10
        return None

    def _tell(self, reason: str, message: str, container: str) -> None:
        self._host.events.warning(self._pod.meta, reason, message, container)
