"""Directories under watch: names that appear or change become calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from inotify_simple import INotify, flags

from nodeguard.agent.loop import Loop

APPEARS = int(flags.CLOSE_WRITE | flags.MOVED_TO)
"""A file is complete: written and closed, or renamed into place."""

GROWS = int(flags.MODIFY | flags.CREATE | flags.MOVED_TO)
"""A file got more bytes, or was made anew."""


class Watcher:
    """One inotify descriptor for all directories of the agent."""

    def __init__(self, loop: Loop) -> None:
        self._inotify = INotify(nonblocking=True)
        self._calls: dict[int, Callable[[str], None]] = {}
        loop.watch(self._inotify.fileno(), self._dispatch)

    def add(self, directory: Path, mask: int, callback: Callable[[str], None]) -> int:
        """Call ``callback(name)`` for what happens in ``directory``; the number takes it back."""
        watch = int(self._inotify.add_watch(str(directory), mask))
        self._calls[watch] = callback
        return watch

    def remove(self, watch: int) -> None:
        """No further calls; a directory that is gone already is fine."""
        self._calls.pop(watch, None)
        with suppress(OSError):
            self._inotify.rm_watch(watch)

    def close(self) -> None:
        """Take all watches back. Without this the kernel would make the end of the process wait for them, 6 ms."""
        for watch in list(self._calls):
            self.remove(watch)

    def _dispatch(self) -> None:
        for event in self._inotify.read(timeout=0):
            callback = self._calls.get(event.wd)
            if callback is not None:
                callback(event.name)
