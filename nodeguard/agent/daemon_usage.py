"""What nodeguard's own processes and the supervisors of containers use: they are in no cgroup of their own.

In the Summary they are the system containers ``kubelet`` and ``runtime``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from nodeguard.kernel import process
from nodeguard.kernel.process import ProcessId
from nodeguard.kernel.usage import ProcessUsage, read_usage
from nodeguard.model.groupstat import CpuSample, GroupStat, MemoryParts

SUPERVISOR = "conmon"


def supervisor_pids(pod_directories: Iterable[Path]) -> list[int]:
    """The living supervisors of all containers; a pid that is somebody else's by now is left out."""
    found = []
    for directory in pod_directories:
        for file in (directory / "bundles").glob("*/conmon.pid"):
            with suppress(OSError, ValueError):
                pid = int(file.read_text())
                if Path(f"/proc/{pid}/comm").read_text().strip() == SUPERVISOR:
                    found.append(pid)
    return found


class ProcessGroup:
    """Several processes looked at as one, again and again; they may come and go."""

    def __init__(self) -> None:
        self._cpu_ns: Mapping[ProcessId, int] = {}
        self._base_ns = 0

    def look(self, pids: Iterable[int]) -> GroupStat | None:
        """What they use now; None when there is none.

        The CPU counter never goes back: the time of those that have ended stays in it.
        """
        usages = [usage for pid in pids if (usage := read_usage(pid)) is not None]
        now_ns, at = time.monotonic_ns(), time.time()
        current = {usage.process: usage.cpu_ns for usage in usages}
        self._base_ns += sum(cpu_ns for one, cpu_ns in self._cpu_ns.items() if one not in current)
        self._cpu_ns = current
        if not usages:
            return None
        memory, anon, swap = (_sum(usages, name) for name in ("memory_bytes", "anon_bytes", "swap_bytes"))
        return GroupStat(
            at=at,
            cpu=CpuSample(of=self, at_ns=now_ns, usage_ns=self._base_ns + sum(current.values())),
            memory_usage_bytes=memory,
            memory=MemoryParts(anon_bytes=anon, inactive_file_bytes=None if memory is None else 0),
            page_faults=sum(usage.page_faults for usage in usages),
            major_page_faults=sum(usage.major_page_faults for usage in usages),
            swap_usage_bytes=swap,
        )

    def started_at(self, boot_time: float) -> float:
        """When the oldest of them started."""
        ticks = min((one.start_time_ticks for one in self._cpu_ns), default=0)
        return boot_time + ticks / process.TICKS_PER_SECOND


def _sum(usages: Iterable[ProcessUsage], name: str) -> int | None:
    figures = [getattr(usage, name) for usage in usages]
    return None if None in figures else sum(figures)
