"""The agent's own log: lines on stderr, written by a thread, so that a reader who is stuck never keeps the loop."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress

MAX_WAITING = 1000
"""Lines that wait to be written; what comes on top is lost, and that it was is told."""

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class ThreadedHandler(logging.Handler):
    """Formats in the thread that logs, writes in its own."""

    def __init__(self, fd: int = 2) -> None:
        super().__init__()
        self._fd = fd
        self._lines: queue.Queue[bytes] = queue.Queue(MAX_WAITING)
        self._lost = 0
        threading.Thread(target=self._write, daemon=True, name="log").start()

    def emit(self, record: logging.LogRecord) -> None:
        """Have it written."""
        text = self.format(record).replace("\n", "\n  ") + "\n"
        try:
            if self._lost:
                self._lines.put_nowait(f"{self._lost} lines of the log were lost\n".encode())
                self._lost = 0
            self._lines.put_nowait(text.encode(errors="backslashreplace"))
        except queue.Full:
            self._lost += 1

    def drain(self, seconds: float) -> None:
        """Wait until all is written, but not for longer than this."""
        waiter = threading.Thread(target=self._lines.join, daemon=True)
        waiter.start()
        waiter.join(seconds)

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            with suppress(OSError):  # nobody reads any more
                os.write(self._fd, line)
            self._lines.task_done()


def log_to_stderr(env: Mapping[str, str]) -> ThreadedHandler:
    """Send everything that is logged to stderr, as the journal wants it (`<6>`) or with the time of day for people.

    Source: systemd, man 5 systemd.exec (JOURNAL_STREAM), man 3 sd-daemon.
    """
    handler = ThreadedHandler()
    handler.setFormatter(
        _ForJournal() if _is_journal(env) else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return handler


class _ForJournal(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"<{_PRIORITIES.get(record.levelno, 5)}>{super().format(record)}"


def _is_journal(env: Mapping[str, str]) -> bool:
    device, _, inode = env.get("JOURNAL_STREAM", "").partition(":")
    with suppress(OSError, ValueError):
        found = os.fstat(sys.stderr.fileno())
        return (found.st_dev, found.st_ino) == (int(device), int(inode))
    return False
