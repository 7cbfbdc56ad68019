"""Who sees a container's first output: a FIFO that the container writes to, outside of anything that is measured."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from types import TracebackType


class Observer:
    """A directory with a FIFO for containers to write a byte into; gives the time each byte arrived."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._fifo = directory / "fifo"
        self._fifo.unlink(missing_ok=True)
        os.mkfifo(self._fifo, 0o666)
        self._fifo.chmod(0o666)
        # Open for writing too: otherwise the end of one writer would look like the end of all.
        self._fd = os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Observer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def wait(self, count: int = 1, *, timeout_seconds: float = 60.0) -> float:
        """Return the monotonic time at which the ``count``-th byte was there."""
        deadline = time.monotonic() + timeout_seconds
        while count > 0:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))
            now = time.monotonic()
            if not ready:
                raise TimeoutError(f"{count} containers still owe their first output after {timeout_seconds} s")
            count -= len(os.read(self._fd, count))
        return now
