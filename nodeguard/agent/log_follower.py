"""The log of one container's life: followed while it grows, moved aside when it is too large, read to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from nodeguard.agent.blueprint import Blueprint
from nodeguard.agent.log import ContainerLog, LogLine
from nodeguard.agent.loop import Timer
from nodeguard.agent.watch import GROWS
from nodeguard.runtime import conmon

log = logging.getLogger(__name__)

STANDSTILL_SECONDS = 3.0
"""How long a container that has ended is kept for a reader that takes nothing of its log."""

HURRIED_PIECES = 64
"""What is still handed on of a log when pods are being stopped: 4 MiB."""


class LogFollower:
    """Where nobody wants lines (``host.on_log`` None) nothing is read; files are moved aside all the same."""

    def __init__(self, plan: Blueprint, sink: Callable[[LogLine], None], is_hurried: Callable[[], bool]) -> None:
        """``is_hurried()``: the container was sent away, and does not stay for all that it ever said."""
        self._plan, self._is_hurried = plan, is_hurried
        self._host = plan.sandbox.host
        settings = self._host.settings
        self._log = ContainerLog(
            plan.log_path,
            None if self._host.on_log is None else sink,
            max_bytes=settings.log_max_bytes,
            max_files=settings.log_max_files,
        )
        self._watch = -1
        self._then: Callable[[], None] = lambda: None
        self._patience: Timer | None = None
        self._last_pieces = 0

    def follow(self) -> None:
        """From its first line on; the directory is there."""
        self._watch = self._host.watcher.add(self._plan.log_path.parent, GROWS, self._grew)

    def follow_on(self) -> None:
        """From where it is now: another process read the rest, and may have moved it aside without telling conmon."""
        self._log.skip()
        with suppress(OSError):
            self.follow()
            if not self._plan.log_path.exists():
                conmon.ask_to_reopen_log(self._plan.bundle)

    def catch_up(self) -> None:
        """What it said last is handed on before anything is said of its end."""
        self._log.read_some()

    def tail(self, max_lines: int, max_bytes: int) -> str:
        """The last lines of the file."""
        return self._log.tail(max_lines, max_bytes)

    def finish(self, then: Callable[[], None]) -> None:
        """Nobody writes any more: when all has been handed on, or nobody takes it, ``then`` is called."""
        self._then = then
        self._unwatch()
        if self._host.on_log is None:
            self._end()
            return
        self._host.logs.want(self, self._read_last_words)
        self._be_patient()

    def close(self) -> None:
        """Let go; the writer goes on."""
        self._unwatch()
        if self._patience is not None:
            self._patience.cancel()
        self._log.close()

    def _unwatch(self) -> None:
        if self._watch >= 0:
            self._host.watcher.remove(self._watch)
            self._watch = -1

    def _grew(self, name: str) -> None:
        # A file that was moved aside by a rotation is written to until conmon has opened the new one.
        if not name.startswith(self._plan.log_path.name):
            return
        if self._host.on_log is None:
            self._log.read_some()
        else:
            self._host.logs.want(self, self._read)
        self._rotate()

    def _read(self) -> bool:
        has_more = self._log.read_some()
        self._rotate()
        return has_more

    def _rotate(self) -> None:
        """Whether or not anybody has read it."""
        try:
            if self._log.wants_rotation():
                self._log.rotate(self._host.clock.now())
                conmon.ask_to_reopen_log(self._plan.bundle)
        except OSError as e:  # a full disk may have no room for another name
            log.warning("log not rotated path=%s error=%s", self._plan.log_path, e)

    def _read_last_words(self) -> bool:
        if not self._log.read_some():
            self._end()
            return False
        self._last_pieces += 1
        if self._is_hurried() and self._last_pieces >= HURRIED_PIECES:
            self._give_up()
            return False
        self._be_patient()
        return True

    def _be_patient(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._patience = self._host.loop.call_at(self._host.clock.now() + STANDSTILL_SECONDS, self._give_up)

    def _give_up(self) -> None:
        """Whoever does not take the lines does not keep the pod from going."""
        log.warning("the rest of a log is not shown container=%s", self._plan.container_id)
        self._host.logs.forget(self)
        self._end()

    def _end(self) -> None:
        self.close()
        self._then()
