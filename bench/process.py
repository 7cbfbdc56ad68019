"""Starting commands and waiting for them, with as little in between as possible."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence


class CommandFailed(Exception):
    """A measured command did not end as it should."""


def check(process: subprocess.CompletedProcess[bytes]) -> None:
    """Raise with the command's own words unless it succeeded."""
    if process.returncode != 0:
        words = process.stderr.decode(errors="replace").strip()[-2000:]
        raise CommandFailed(f"{' '.join(map(str, process.args))}: exit {process.returncode}: {words}")


def run(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> float:
    """Run a command to its end; return how long it took."""
    started = time.monotonic()
    process = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    took = time.monotonic() - started
    check(process)
    return took


def wait_gone(pid: int, *, timeout_seconds: float = 30.0) -> float:
    """Return the monotonic time at which a process, of ours or not, had ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return time.monotonic()
    try:
        ready, _, _ = select.select([fd], [], [], timeout_seconds)
        now = time.monotonic()
    finally:
        os.close(fd)
    if not ready:
        raise TimeoutError(f"process {pid} did not end within {timeout_seconds} s")
    return now
