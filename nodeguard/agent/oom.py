"""OOM kills by the kernel, written down with the limit that was reached."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from nodeguard.agent.history_writer import new_id
from nodeguard.agent.host import Host
from nodeguard.errors import NodeguardError
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.kernel.cgroup.memory import read_limit
from nodeguard.model.eviction_pass import Level
from nodeguard.model.pod import Pod
from nodeguard.policy.eviction_facts import facts_of

if TYPE_CHECKING:
    from nodeguard.model.decision import DecisionRecord


def record(host: Host, pod: Pod, pod_cgroup: str, container: str, *, kills: int) -> None:
    """Have it written down that the kernel killed processes of a container."""
    level, cgroup, limit_bytes = _reached(host.driver, f"{pod_cgroup}/{container}", pod_cgroup, host.tree.root)
    usage_bytes = None if limit_bytes is None else _peak(host.driver, cgroup)
    id_, at, node_name = new_id(), host.clock.now(), host.settings.node_name

    def make() -> DecisionRecord:
        from nodeguard.policy.decision import oom_record  # records cost a start too much

        return oom_record(
            facts_of(pod),
            id_=id_,
            node_name=node_name,
            at=at,
            level=level,
            cgroup=cgroup,
            limit_bytes=limit_bytes,
            usage_bytes=usage_bytes,
            container=container,
            kills=kills,
        )

    host.history.append(make)


def _reached(driver: Driver, container: str, pod: str, root: str) -> tuple[Level, str, int | None]:
    """The innermost group whose limit has been hit; without any it was the host that had no more."""
    for level, path in ((Level.CONTAINER, container), (Level.POD, pod), (Level.ROOT, root)):
        with suppress(NodeguardError, OSError, ValueError):
            limit = read_limit(driver, path)
            if limit is not None and _hits(driver, path) > 0:
                return level, path, limit
    return Level.HOST, "/", None


def _peak(driver: Driver, path: str) -> int | None:
    """The most that the group has held; None where the kernel does not tell (v2 before Linux 5.19)."""
    with suppress(NodeguardError, OSError, ValueError):
        return int(driver.read(path, "memory", "memory.max_usage_in_bytes" if driver.version == 1 else "memory.peak"))
    return None


def _hits(driver: Driver, path: str) -> int:
    """How often the group has been at its limit and nothing could be reclaimed (v2), or at it at all (v1)."""
    if driver.version == 1:
        return int(driver.read(path, "memory", "memory.failcnt"))
    events = dict(line.split(" ", 1) for line in driver.read(path, "memory", "memory.events.local").splitlines())
    return int(events.get("oom", 0))
