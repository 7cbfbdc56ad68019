"""Memory that the pods' group can spare, taken back while a soft threshold's grace period runs (cgroup v2).

What goes is page cache that nobody used lately, and what it takes to read it again. It is bounded, tried once for each
time that a threshold is crossed, and never stands in the way of a hard threshold.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst, memory.reclaim (Linux 5.19).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from nodeguard.agent.event import EventSource
from nodeguard.agent.loop import Loop
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.kernel.cgroup.memory import read_memory, reclaim
from nodeguard.model.signal import Resource

log = logging.getLogger(__name__)

SHARE_OF_GROUP = 4
"""At most a quarter of what the group holds is asked for at once."""


class Relief:
    """Asks the kernel, in a worker thread, one time after the other."""

    def __init__(
        self, loop: Loop, driver: Driver, group: str, events: EventSource, node_name: str, *, then: Callable[[], None]
    ) -> None:
        """``then()`` is called in the loop when something came back."""
        self._loop, self._driver, self._group = loop, driver, group
        self._events, self._node_name, self._then = events, node_name, then
        self._is_busy = False

    def ask(self, wanted_bytes: int) -> None:
        """Have the kernel try to lower the group's working set by so much."""
        if self._driver.version == 2 and not self._is_busy:
            self._is_busy = True
            self._loop.in_thread(lambda: self._ask(wanted_bytes), self._answered)

    def _ask(self, wanted_bytes: int) -> tuple[int, int] | None:
        before = read_memory(self._driver, self._group)
        asked = min(wanted_bytes + before.inactive_file_bytes, before.usage_bytes // SHARE_OF_GROUP)
        if asked <= 0 or not reclaim(self._driver, self._group, asked):
            return None
        return asked, before.usage_bytes - read_memory(self._driver, self._group).usage_bytes

    def _answered(self, result: tuple[int, int] | None, error: BaseException | None) -> None:
        self._is_busy = False
        if error is not None:
            log.warning("memory not reclaimed cgroup=%s error=%r", self._group, error)
        if result is None:
            return
        asked, came_back = (Resource.MEMORY.quantity(max(0, amount)) for amount in result)
        message = f"Asked the kernel for {asked} of the pods' page cache, {came_back} came back"
        self._events.of_node("Normal", self._node_name, "MemoryReclaimed", message)
        self._then()
