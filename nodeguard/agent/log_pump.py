"""Whose log is read next: one piece at a time, so that no amount of output keeps the loop from anything else.

And for half of the time at most: the loop's thread comes before others, who want to get on as well.
"""

from __future__ import annotations

from collections.abc import Callable

from nodeguard.agent.loop import Loop

STANDSTILL_SECONDS = 0.05
"""When to ask again whether whoever takes the lines has caught up."""

Reader = Callable[[], bool]
"""Reads one piece; whether there may be more."""


class LogPump:
    """Gives every reader its turn, between everything else that the loop has to do."""

    def __init__(self, loop: Loop, takes_logs: Callable[[], bool]) -> None:
        """``takes_logs()``: whoever gets the lines keeps up with them."""
        self._loop, self._takes_logs = loop, takes_logs
        self._waiting: dict[object, Reader] = {}
        self._is_scheduled = False
        self.is_hurried = False
        """The pods are being stopped: somebody waits for the end, and not for all that was ever said."""

    def want(self, key: object, reader: Reader) -> None:
        """Have ``reader`` called until it says that there is no more; once is enough for a ``key``."""
        self._waiting[key] = reader
        self._schedule(0.0)

    def forget(self, key: object) -> None:
        """Not any more."""
        self._waiting.pop(key, None)

    def _schedule(self, seconds: float) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_at(self._loop.clock.now() + seconds, self._next)

    def _next(self) -> None:
        self._is_scheduled = False
        if not self._waiting:
            return
        if not self._takes_logs():
            self._schedule(STANDSTILL_SECONDS)
            return
        began = self._loop.clock.now()
        key = next(iter(self._waiting))
        reader = self._waiting.pop(key)
        if reader():
            self._waiting.setdefault(key, reader)  # behind all others
        if self._waiting:
            self._schedule(self._loop.clock.now() - began)
