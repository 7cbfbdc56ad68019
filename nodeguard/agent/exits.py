"""Exit codes: conmon writes a file named after the container, and whoever waits for it is called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nodeguard.agent.watch import APPEARS, Watcher
from nodeguard.runtime.conmon import read_exit_code


class Exits:
    """Watches the directory of exit files; a file is removed once its code has been handed on."""

    def __init__(self, watcher: Watcher, directory: Path) -> None:
        self._directory = directory
        self._waiting: dict[str, Callable[[int], None]] = {}
        watcher.add(directory, APPEARS, self._appeared)

    def expect(self, container_id: str, callback: Callable[[int], None]) -> None:
        """Call ``callback(exit_code)`` when the container ends."""
        self._waiting[container_id] = callback

    def forget(self, container_id: str, *, keeps_file: bool = False) -> None:
        """No call any more; the file goes, unless it is all that tells the code to whoever comes after a crash."""
        self._waiting.pop(container_id, None)
        if not keeps_file:
            (self._directory / container_id).unlink(missing_ok=True)

    def _appeared(self, name: str) -> None:
        callback = self._waiting.get(name)
        code = read_exit_code(self._directory, name) if callback is not None else None
        if callback is not None and code is not None:
            callback(code)
