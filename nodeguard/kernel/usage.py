"""What single processes use: for those that are in no cgroup of their own.

Source: Linux, man 5 proc_pid_stat, Documentation/filesystems/proc.rst (smaps_rollup).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nodeguard.kernel.process import TICKS_PER_SECOND, ProcessId

_TICK_NS = 10**9 // TICKS_PER_SECOND
_KIB_LINE = re.compile(r"^([A-Za-z_]+): +([0-9]{1,19}) kB$", re.MULTILINE | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUsage:
    """One process. Memory is its proportional share: of a page that n processes have, the n-th part."""

    process: ProcessId
    cpu_ns: int
    page_faults: int
    major_page_faults: int
    memory_bytes: int | None = None
    anon_bytes: int | None = None
    swap_bytes: int | None = None


def read_usage(pid: int, proc: Path = Path("/proc")) -> ProcessUsage | None:
    """What a process uses; None when it is gone."""
    try:
        found = parse_stat((proc / str(pid) / "stat").read_bytes().decode(errors="replace"))
        memory = parse_kib((proc / str(pid) / "smaps_rollup").read_text()) if found is not None else {}
    except OSError:  # ESRCH from smaps_rollup of a process that has just ended
        return None
    if found is None or "Pss" not in memory:
        return found
    return ProcessUsage(
        process=found.process,
        cpu_ns=found.cpu_ns,
        page_faults=found.page_faults,
        major_page_faults=found.major_page_faults,
        memory_bytes=memory["Pss"],
        anon_bytes=memory.get("Pss_Anon", memory.get("Anonymous")),
        swap_bytes=memory.get("SwapPss", memory.get("Swap")),
    )


def parse_stat(text: str) -> ProcessUsage | None:
    """A /proc/PID/stat without the memory; None when it makes no sense. The name may hold blanks and parentheses."""
    pid, _, rest = text.partition(" (")
    words = rest.rpartition(")")[2].split()
    numbers = [words[index] for index in (7, 9, 11, 12, 19)] if len(words) > 19 else []
    if not numbers or not all(word.isascii() and word.isdigit() for word in (pid, *numbers)):
        return None
    minor, major, user, system, start = map(int, numbers)
    return ProcessUsage(
        process=ProcessId(pid=int(pid), start_time_ticks=start),
        cpu_ns=(user + system) * _TICK_NS,
        page_faults=minor + major,
        major_page_faults=major,
    )


def parse_kib(text: str) -> dict[str, int]:
    """The lines of an smaps_rollup, in bytes."""
    return {key: int(number) * 1024 for key, number in _KIB_LINE.findall(text)}
