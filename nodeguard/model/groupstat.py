"""What the kernel says of one cgroup, the same for v1 and v2; a figure that is not known is None, never zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """One line of a pressure file: how long tasks had to wait, and how much of the time lately, in percent.

    Source: Linux, Documentation/accounting/psi.rst.
    """

    total_usec: int
    avg10: float
    avg60: float
    avg300: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """A pressure file: ``some`` tasks waited, or all of them (``full``); before Linux 5.13 cpu has no ``full``."""

    some: Stall
    full: Stall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuSample:
    """A CPU counter and when it was read, on the monotonic clock; ``of`` tells its owner from a later one."""

    of: object
    at_ns: int
    usage_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryParts:
    """What a group's memory is made of; ``file`` includes ``shmem``, and both lists of file pages leave it out."""

    anon_bytes: int | None = None
    file_bytes: int | None = None
    inactive_file_bytes: int | None = None
    active_file_bytes: int | None = None
    shmem_bytes: int | None = None
    kernel_bytes: int | None = None
    """Slab, stacks, page tables …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStat:
    """One look at a group and all below it.

    ``at`` is UNIX seconds. A limit of None is no limit, or not known.
    """

    at: float
    cpu: CpuSample | None = None
    cpu_periods: int | None = None
    cpu_throttled_periods: int | None = None
    cpu_throttled_ns: int | None = None
    memory_usage_bytes: int | None = None
    memory_limit_bytes: int | None = None
    memory: MemoryParts = MemoryParts()
    page_faults: int | None = None
    major_page_faults: int | None = None
    swap_usage_bytes: int | None = None
    swap_limit_bytes: int | None = None
    tasks: int | None = None
    """Threads included."""
    oom_kills: int | None = None
    """On v1 those of this very group."""
    pressure: Mapping[str, Pressure] = field(default_factory=dict)
    """By ``cpu``, ``memory`` and ``io``."""
