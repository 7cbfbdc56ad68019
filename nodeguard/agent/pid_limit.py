"""Processes that the kernel refused to pods at their limit, written down.

Nobody is killed for it, so nothing else tells: a shell says ``Cannot fork`` in some log, if it says anything.

The kernel counts in ``pids.events``: on cgroup v1 and on older v2 for the group of whoever wanted another process,
whosever limit it was; on newer v2 for the group whose limit it was, and all above it.

Source: Linux, kernel/cgroup/pids.c, pids_event; Documentation/admin-guide/cgroup-v2.rst, pids_localevents.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from nodeguard.agent.history_writer import new_id
from nodeguard.agent.host import Host
from nodeguard.errors import NodeguardError
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.model.eviction_pass import Level
from nodeguard.model.pod import Pod
from nodeguard.policy.eviction_facts import facts_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """News: how many processes were refused to a container, or to some container of the pod, and whose limit it was."""

    container: str | None
    count: int
    level: Level
    cgroup: str
    limit: int
    usage: int


class PidLimits:
    """What is known of one pod's refused processes; belongs to the loop's thread."""

    def __init__(self, host: Host, pod: Pod, cgroup: str) -> None:
        self._host, self._pod, self._cgroup = host, pod, cgroup
        self._seen: dict[str, int] = {}

    def look(self) -> None:
        """Write down what has been refused since the last look."""
        for news in self._news():
            self._tell(news)

    def skip(self) -> None:
        """What has been refused until now is old news."""
        for _ in self._news():
            pass

    def _news(self) -> Iterator[Refused]:
        driver, root = self._host.driver, self._host.tree.root
        in_containers = 0
        for container in self._pod.all_containers:
            group = f"{self._cgroup}/{container.name}"
            count = self._since_last(group)
            in_containers += count
            if count:
                groups = ((Level.CONTAINER, group), (Level.POD, self._cgroup), (Level.ROOT, root))
                yield from _refused(driver, container.name, count, groups)
        if driver.version == 2 and (in_pod := self._since_last(self._cgroup) - in_containers) > 0:
            yield from _refused(driver, None, in_pod, ((Level.POD, self._cgroup), (Level.ROOT, root)))

    def _since_last(self, group: str) -> int:
        """How much the group's counter has risen; a group made anew starts from nothing."""
        count = _number(self._host.driver, group, "pids.events") or 0
        before = self._seen.get(group, 0)
        self._seen[group] = count
        return count - before if count >= before else count

    def _tell(self, news: Refused) -> None:
        from nodeguard.policy.decision import PIDS_REASON, limit_record  # records cost a start too much

        host, pod = self._host, self._pod
        id_, at, node_name = new_id(), host.clock.now(), host.settings.node_name
        record = limit_record(
            facts_of(pod),
            id_=id_,
            node_name=node_name,
            at=at,
            level=news.level,
            cgroup=news.cgroup,
            limit=news.limit,
            usage=news.usage,
            container=news.container,
            refused=news.count,
        )
        host.events.warning(pod.meta, PIDS_REASON, record.message, news.container)
        host.history.append(lambda: record)


def _refused(
    driver: Driver, container: str | None, count: int, groups: tuple[tuple[Level, str], ...]
) -> Iterator[Refused]:
    """With the innermost limit there is; without any, ids of the machine ran out, which is no limit of the pod's."""
    for level, group in groups:
        limit = _number(driver, group, "pids.max")
        if limit is not None:
            usage = _number(driver, group, "pids.current") or 0
            yield Refused(container=container, count=count, level=level, cgroup=group, limit=limit, usage=usage)
            return


def _number(driver: Driver, group: str, file: str) -> int | None:
    """The number in the file, which may stand behind the word ``max``; None where there is none."""
    with suppress(NodeguardError, OSError, ValueError):
        return int(driver.read(group, "pids", file).split()[-1])
    return None
