"""The statistics of one cgroup: its files read and understood, on v1, hybrid and v2.

The parsers are pure and take any text: what they do not understand is unknown.

Source: Linux, Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst; which figure is which: cadvisor,
container/libcontainer/handler.go, setMemoryStats; opencontainers/cgroups, fs2/memory.go.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal, Protocol

from nodeguard.errors import CgroupGone, HostLacks
from nodeguard.kernel.cgroup.driver import UNIFIED
from nodeguard.model.groupstat import CpuSample, GroupStat, MemoryParts, Pressure, Stall

TOP = "/"
"""The group of the whole machine."""

_MOST_LIMIT = 1 << 62
"""Above it means no limit: v1 shows the largest number of whole pages. Source: kubelet, pkg/kubelet/stats/helper.go."""

_KEYED = re.compile(r"^(\S+) ([0-9]{1,20})$", re.MULTILINE | re.ASCII)
_STALL = re.compile(
    r"^(some|full) avg10=([0-9]{1,9}\.[0-9]{1,9}) avg60=([0-9]{1,9}\.[0-9]{1,9}) avg300=([0-9]{1,9}\.[0-9]{1,9}) "
    r"total=([0-9]{1,20})$",
    re.MULTILINE | re.ASCII,
)
_COUNT = re.compile(r"[0-9]{1,20}", re.ASCII)
_RESOURCES = ("cpu", "memory", "io")


class Reader(Protocol):
    """The part of a cgroup driver that looking needs."""

    @property
    def version(self) -> Literal[1, 2]:
        """The files that limits and figures are in."""

    def read(self, path: str, controller: str, file: str) -> str:
        """The text of one file."""

    def inode(self, path: str) -> int:
        """What tells this group from a later one of the same name."""


def parse_count(text: str) -> int | None:
    """A file with one number that is not negative."""
    word = text.strip()
    return int(word) if _COUNT.fullmatch(word) else None


def parse_limit(text: str) -> int | None:
    """A file with a limit in bytes; None when there is none. 2^62 is still a limit."""
    limit = parse_count(text)
    return None if limit is None or limit > _MOST_LIMIT else limit


def parse_keyed(text: str) -> dict[str, int]:
    """A file of ``key number`` lines; other lines are left out, and the first of several alike counts."""
    found: dict[str, int] = {}
    for key, number in _KEYED.findall(text):
        found.setdefault(key, int(number))
    return found


def parse_pressure(text: str) -> Pressure | None:
    """A pressure file; None without a line that tells what some tasks waited."""
    lines = {
        kind: Stall(total_usec=int(total), avg10=float(avg10), avg60=float(avg60), avg300=float(avg300))
        for kind, avg10, avg60, avg300, total in _STALL.findall(text)
    }
    return Pressure(some=lines["some"], full=lines.get("full")) if "some" in lines else None


def read_stat(reader: Reader, path: str) -> GroupStat:
    """One look at a group; every file is read once.

    Raises:
        CgroupGone: the group is gone.
    """
    return _read_v2(reader, path) if reader.version == 2 else _read_v1(reader, path)


def read_cpu(reader: Reader, path: str) -> CpuSample | None:
    """The group's CPU counter alone.

    Raises:
        CgroupGone: the group is gone.
    """
    if reader.version == 1:
        return _cpu_sample(reader, path, _count(reader, path, "cpuacct", "cpuacct.usage"))
    return _cpu_sample(reader, path, _nanoseconds(_keyed(reader, path, "cpu", "cpu.stat").get("usage_usec")))


def _read_v1(reader: Reader, path: str) -> GroupStat:
    cpu = read_cpu(reader, path)
    throttling = _keyed(reader, path, "cpu", "cpu.stat")
    memory = _keyed(reader, path, "memory", "memory.stat")
    limit = _limit(reader, path, "memory", "memory.limit_in_bytes")
    both = _limit(reader, path, "memory", "memory.memsw.limit_in_bytes")
    return GroupStat(
        at=time.time(),
        cpu=cpu,
        cpu_periods=throttling.get("nr_periods"),
        cpu_throttled_periods=throttling.get("nr_throttled"),
        cpu_throttled_ns=throttling.get("throttled_time"),
        memory_usage_bytes=_count(reader, path, "memory", "memory.usage_in_bytes"),
        memory_limit_bytes=limit,
        memory=MemoryParts(
            anon_bytes=memory.get("total_rss"),
            file_bytes=memory.get("total_cache"),
            inactive_file_bytes=memory.get("total_inactive_file"),
            active_file_bytes=memory.get("total_active_file"),
            shmem_bytes=memory.get("total_shmem"),
            kernel_bytes=_count(reader, path, "memory", "memory.kmem.usage_in_bytes"),
        ),
        page_faults=memory.get("pgfault"),
        major_page_faults=memory.get("pgmajfault"),
        swap_usage_bytes=memory.get("total_swap"),
        swap_limit_bytes=None if both is None or limit is None else max(0, both - limit),
        tasks=_count(reader, path, "pids", "pids.current"),
        oom_kills=_keyed(reader, path, "memory", "memory.oom_control").get("oom_kill"),
        pressure=_pressure(reader, path),
    )


def _read_v2(reader: Reader, path: str) -> GroupStat:
    throttling = _keyed(reader, path, "cpu", "cpu.stat")
    cpu = _cpu_sample(reader, path, _nanoseconds(throttling.get("usage_usec")))
    memory = _keyed(reader, path, "memory", "memory.stat")
    usage = _count(reader, path, "memory", "memory.current")
    if usage is None and path == TOP and "anon" in memory and "file" in memory:
        usage = memory["anon"] + memory["file"]
    return GroupStat(
        at=time.time(),
        cpu=cpu,
        cpu_periods=throttling.get("nr_periods"),
        cpu_throttled_periods=throttling.get("nr_throttled"),
        cpu_throttled_ns=_nanoseconds(throttling.get("throttled_usec")),
        memory_usage_bytes=usage,
        memory_limit_bytes=_limit(reader, path, "memory", "memory.max"),
        memory=MemoryParts(
            anon_bytes=memory.get("anon"),
            file_bytes=memory.get("file"),
            inactive_file_bytes=memory.get("inactive_file"),
            active_file_bytes=memory.get("active_file"),
            shmem_bytes=memory.get("shmem"),
            kernel_bytes=memory.get("kernel", memory.get("slab")),  # the sum is told since Linux 5.18
        ),
        page_faults=memory.get("pgfault"),
        major_page_faults=memory.get("pgmajfault"),
        swap_usage_bytes=_count(reader, path, "memory", "memory.swap.current"),
        swap_limit_bytes=_limit(reader, path, "memory", "memory.swap.max"),
        tasks=_count(reader, path, "pids", "pids.current"),
        oom_kills=_keyed(reader, path, "memory", "memory.events").get("oom_kill"),
        pressure=_pressure(reader, path),
    )


def _cpu_sample(reader: Reader, path: str, usage_ns: int | None) -> CpuSample | None:
    if usage_ns is None:
        return None
    return CpuSample(at_ns=time.monotonic_ns(), of=reader.inode(path), usage_ns=usage_ns)


def _text(reader: Reader, path: str, controller: str, file: str) -> str | None:
    """None when there is no such file, or when the kernel does not tell (pressure that is switched off)."""
    try:
        return reader.read(path, controller, file)
    except (HostLacks, OSError):
        return None


def _count(reader: Reader, path: str, controller: str, file: str) -> int | None:
    text = _text(reader, path, controller, file)
    return None if text is None else parse_count(text)


def _limit(reader: Reader, path: str, controller: str, file: str) -> int | None:
    text = _text(reader, path, controller, file)
    return None if text is None else parse_limit(text)


def _keyed(reader: Reader, path: str, controller: str, file: str) -> Mapping[str, int]:
    return parse_keyed(_text(reader, path, controller, file) or "")


def _pressure(reader: Reader, path: str) -> dict[str, Pressure]:
    """From the v2 side, on hybrid hosts too; of the whole machine also where there is no v2 side."""
    found = {}
    for resource in _RESOURCES:
        try:
            text = _text(reader, path, UNIFIED, f"{resource}.pressure")
        except CgroupGone:  # on hybrid hosts the v1 side may be there alone
            return {}
        if text is None and path == TOP:
            with suppress(OSError), open(f"/proc/pressure/{resource}") as file:
                text = file.read()
        pressure = None if text is None else parse_pressure(text)
        if pressure is not None:
            found[resource] = pressure
    return found


def _nanoseconds(microseconds: int | None) -> int | None:
    return None if microseconds is None else microseconds * 1000
