"""From the values of a cgroup to the files they are written to: one table for those who explain and those who write.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/; opencontainers/cgroups, fs and fs2.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from nodeguard.model.node import UNLIMITED, CgroupLimits, ControlFile
from nodeguard.model.quantity import Quantity


class Subject(StrEnum):
    """What a file is about; one subject may need several files, other ones in each version."""

    CPU_SHARE = "cpu share"
    CPU_CEILING = "cpu ceiling"
    MEMORY_CEILING = "memory ceiling"
    MEMORY_MIN = "memory.min"
    MEMORY_LOW = "memory.low"
    MEMORY_HIGH = "memory.high"
    SWAP = "swap"
    OOM_GROUP = "group kill"
    PIDS = "pids"
    HUGEPAGES = "hugepages"


def control_files(limits: CgroupLimits, version: int) -> tuple[ControlFile, ...]:
    """The files to write on cgroup version 1 or 2, in an order the kernel accepts for a new cgroup."""
    return tuple(file for _, file in described_files(limits, version))


def described_files(limits: CgroupLimits, version: int) -> Iterator[tuple[Subject, ControlFile]]:
    """As ``control_files``, each with what it is about."""
    rows = _rows_v2(limits) if version == 2 else _rows_v1(limits)
    for subject, controller, name, value in rows:
        if value is not None:
            yield subject, ControlFile(version=version, controller=controller, file=name, value=value)


_Row = tuple[Subject, str, str, str | None]


def _rows_v2(limits: CgroupLimits) -> Iterator[_Row]:
    yield Subject.CPU_SHARE, "cpu", "cpu.weight", _text(limits.cpu_weight)
    yield Subject.CPU_CEILING, "cpu", "cpu.max", _cpu_max(limits)
    yield Subject.MEMORY_CEILING, "memory", "memory.max", _text(limits.memory_max)
    yield Subject.SWAP, "memory", "memory.swap.max", _text(limits.swap_max)
    yield Subject.MEMORY_MIN, "memory", "memory.min", _text(limits.memory_min)
    yield Subject.MEMORY_LOW, "memory", "memory.low", _text(limits.memory_low)
    yield Subject.MEMORY_HIGH, "memory", "memory.high", _text(limits.memory_high)
    group = None if limits.memory_oom_group is None else str(int(limits.memory_oom_group))
    yield Subject.OOM_GROUP, "memory", "memory.oom.group", group
    yield Subject.PIDS, "pids", "pids.max", _text(limits.pids_max)
    for size, total in limits.hugepages.items():
        yield Subject.HUGEPAGES, "hugetlb", f"hugetlb.{size_in_file_name(size)}.max", _text(total)


def _rows_v1(limits: CgroupLimits) -> Iterator[_Row]:
    yield Subject.CPU_SHARE, "cpu", "cpu.shares", _text(limits.cpu_shares)
    # The kernel judges a quota by the period in force.
    yield Subject.CPU_CEILING, "cpu", "cpu.cfs_period_us", _text(limits.cpu_period_us)
    yield Subject.CPU_CEILING, "cpu", "cpu.cfs_quota_us", _text(limits.cpu_quota_us, unlimited="-1")
    memory = _text(limits.memory_max, unlimited="-1")
    yield Subject.MEMORY_CEILING, "memory", "memory.limit_in_bytes", memory
    # Memory and swap together, so it must not be below the limit of memory alone; v1 knows no amount of swap.
    yield Subject.SWAP, "memory", "memory.memsw.limit_in_bytes", None if limits.swap_max is None else memory
    yield Subject.PIDS, "pids", "pids.max", _text(limits.pids_max)
    for size, total in limits.hugepages.items():
        name = f"hugetlb.{size_in_file_name(size)}.limit_in_bytes"
        yield Subject.HUGEPAGES, "hugetlb", name, _text(total, unlimited="-1")


def size_in_file_name(size: str) -> str:
    """``2Mi`` as the kernel spells it in file names: ``2MB``."""
    kib = Quantity.parse(size).value() >> 10
    for unit in ("KB", "MB"):
        if kib < 1024:
            return f"{kib}{unit}"
        kib >>= 10
    return f"{kib}GB"


def _cpu_max(limits: CgroupLimits) -> str | None:
    """A period without a quota is "no limit"; the pair is always written together."""
    if limits.cpu_period_us is None:
        return None
    has_quota = limits.cpu_quota_us not in (None, UNLIMITED)
    return f"{limits.cpu_quota_us if has_quota else 'max'} {limits.cpu_period_us}"


def _text(value: int | None, unlimited: str = "max") -> str | None:
    if value is None:
        return None
    return unlimited if value == UNLIMITED else str(value)
