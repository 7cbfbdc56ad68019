"""Where the memory of a group goes, line by line, each with the file or the formula it comes from.

So that the one number eviction looks at can be matched with ``free``, ``top`` and the files of the cgroup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nodeguard.model.groupstat import GroupStat
from nodeguard.policy.summary import working_set_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLine:
    """One figure; null when it is unknown."""

    name: str
    bytes: int | None
    formula: str


_FILES = {
    1: {
        "usage": "memory.usage_in_bytes",
        "anon": "memory.stat total_rss",
        "inactive": "memory.stat total_inactive_file",
        "active": "memory.stat total_active_file",
        "shmem": "memory.stat total_shmem",
        "kernel": "memory.kmem.usage_in_bytes",
        "swap": "memory.stat total_swap",
    },
    2: {
        "usage": "memory.current",
        "anon": "memory.stat anon",
        "inactive": "memory.stat inactive_file",
        "active": "memory.stat active_file",
        "shmem": "memory.stat shmem",
        "kernel": "memory.stat kernel",
        "swap": "memory.swap.current",
    },
}
_USAGE_OF_V2_TOP = "memory.stat anon + file"
_SWAP_OF_MACHINE = "/proc/meminfo SwapTotal - SwapFree"


def memory_sum(
    stat: GroupStat, *, version: Literal[1, 2], is_machine: bool, machine_available_bytes: int | None
) -> tuple[MemoryLine, ...]:
    """The lines of the node, or of an arena; ``machine_available_bytes`` is what the kernel itself would give."""
    files, parts = _FILES[version], stat.memory
    working_set, limit = working_set_bytes(stat), stat.memory_limit_bytes
    inactive, active = parts.inactive_file_bytes, parts.active_file_bytes
    lines = (
        ("capacity", limit, "/proc/meminfo MemTotal" if is_machine else "the size of the arena"),
        ("usage", stat.memory_usage_bytes, _USAGE_OF_V2_TOP if is_machine and version == 2 else files["usage"]),
        ("workingSet", working_set, "usage - inactiveFile: what evictions go by"),
        (
            "available",
            None if limit is None or working_set is None else max(0, limit - working_set),
            "capacity - workingSet: the signal memory.available",
        ),
        ("anon", parts.anon_bytes, files["anon"]),
        ("inactiveFile", inactive, files["inactive"]),
        ("activeFile", active, files["active"]),
        ("shmem", parts.shmem_bytes, files["shmem"]),
        ("kernel", parts.kernel_bytes, files["kernel"]),
        (
            "reclaimable",
            None if inactive is None or active is None else inactive + active,
            "inactiveFile + activeFile: cache that can be dropped",
        ),
        ("swap", stat.swap_usage_bytes, _SWAP_OF_MACHINE if is_machine else files["swap"]),
        ("machineAvailable", machine_available_bytes, "/proc/meminfo MemAvailable: the kernel's own estimate"),
    )
    return tuple(MemoryLine(name=name, bytes=count, formula=formula) for name, count, formula in lines)
