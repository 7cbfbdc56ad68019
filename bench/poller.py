"""What nodeguard is put beside: look, compare, kill, every so many seconds, as the kubelet's eviction loop does.

Rightly done otherwise: fresh numbers at every look and SIGKILL at once. Only the waiting is the kubelet's.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.arena import VICTIM, Gauge


def main() -> int:
    """Poll until the threshold is crossed once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interval", type=float, required=True, help="seconds between two looks")
    parser.add_argument("--first", type=float, required=True, help="seconds until the first look")
    parser.add_argument("--threshold", type=int, required=True, help="bytes or inodes that must be available")
    parser.add_argument("--capacity", type=int, default=0, help="bytes of memory in the arena")
    parser.add_argument("--arena", type=Path, required=True, help="the memory cgroup")
    parser.add_argument("--filesystem", type=Path, help="look at this file system in place of memory")
    parser.add_argument("--inodes", action="store_true", help="look at its inodes")
    options = parser.parse_args()
    available = _disk(options) if options.filesystem else _memory(options)
    at = time.monotonic() + options.first
    while True:
        time.sleep(max(0.0, at - time.monotonic()))
        if available() < options.threshold:
            break
        at += options.interval
    for pid in (options.arena / VICTIM / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    return 0


def _memory(options: argparse.Namespace) -> Callable[[], int]:
    gauge = Gauge(options.arena, options.arena / VICTIM)
    return lambda: int(options.capacity) - (gauge.working_set() or 0)


def _disk(options: argparse.Namespace) -> Callable[[], int]:
    def look() -> int:
        stat = os.statvfs(options.filesystem)
        return stat.f_favail if options.inodes else stat.f_bavail * stat.f_frsize

    return look


if __name__ == "__main__":
    sys.exit(main())
