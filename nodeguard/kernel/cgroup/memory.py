"""The memory of one cgroup, read again and again: two preads, no open, no line but the ones that are needed.

Source: Linux, Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst; google/cadvisor,
container/libcontainer/handler.go (setMemoryStats); opencontainers/cgroups, fs2/memory.go (the root of v2).
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from nodeguard.errors import CgroupGone, HostLacks
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.kernel.cgroup.group import GONE

UNLIMITED_ABOVE = 1 << 62
"""A v1 limit above this means none. Source: kubernetes, pkg/kubelet/stats/helper.go."""

STAT_BYTES = 16384
"""More than any kernel writes into memory.stat."""


@dataclass(frozen=True, slots=True)
class MemorySample:
    """What is charged, and the part of it that can be dropped at once because nobody used it lately."""

    usage_bytes: int
    inactive_file_bytes: int

    @property
    def working_set_bytes(self) -> int:
        """What eviction counts: all but the inactive file cache."""
        return max(0, self.usage_bytes - self.inactive_file_bytes)


class MemoryMeter:
    """Keeps the files of one group open; ``/`` is the whole machine."""

    def __init__(self, driver: Driver, path: str) -> None:
        """Open the files.

        Raises:
            CgroupGone: there is no such group.
            HostLacks: the kernel has no memory controller.
        """
        self.path = path
        self._is_v2 = driver.version == 2
        self._usage_fd = -1
        self._stat_fd = driver.open(path, "memory", "memory.stat")
        try:
            if not self._is_v2:
                self._usage_fd = driver.open(path, "memory", "memory.usage_in_bytes")
            elif path != "/":
                self._usage_fd = driver.open(path, "memory", "memory.current")
        except BaseException:
            os.close(self._stat_fd)
            raise

    def read(self) -> MemorySample:
        """What is charged now.

        Raises:
            CgroupGone: the group is gone.
            OSError: the kernel does not tell.
        """
        try:
            stat = os.pread(self._stat_fd, STAT_BYTES, 0)
            usage = os.pread(self._usage_fd, 32, 0) if self._usage_fd >= 0 else b""
        except OSError as e:
            if e.errno in GONE:
                raise CgroupGone(self.path) from e
            raise
        return parse_memory(usage, stat, is_v2=self._is_v2)

    def close(self) -> None:
        """Give the files back."""
        os.close(self._stat_fd)
        if self._usage_fd >= 0:
            os.close(self._usage_fd)


def read_memory(driver: Driver, path: str) -> MemorySample:
    """What is charged to a group now, for those who ask once.

    Raises:
        CgroupGone, HostLacks, OSError, ValueError: as MemoryMeter.
    """
    meter = MemoryMeter(driver, path)
    try:
        return meter.read()
    finally:
        meter.close()


def parse_memory(usage: bytes, stat: bytes, *, is_v2: bool) -> MemorySample:
    """The sample that these texts tell; without ``usage``, which v2 has no file for at its root, anon and file count.

    Raises:
        ValueError: a figure is missing.
    """
    inactive = _field(stat, b"inactive_file " if is_v2 else b"total_inactive_file ")
    used = int(usage) if usage else _field(stat, b"anon ") + _field(stat, b"file ")
    return MemorySample(used, inactive)


def reclaim(driver: Driver, path: str, amount_bytes: int) -> bool:
    """Have the kernel take so much back from the group, as far as it can; False where it has no such file.

    Raises:
        CgroupGone: the group is gone.
    """
    try:
        fd = driver.open(path, "memory", "memory.reclaim", os.O_WRONLY)
    except HostLacks:
        return False
    try:
        with suppress(BlockingIOError):  # there was less to be had
            os.write(fd, b"%d" % amount_bytes)
    finally:
        os.close(fd)
    return True


def read_limit(driver: Driver, path: str) -> int | None:
    """The limit of a group, None without one.

    Raises:
        CgroupGone, HostLacks: as Driver.read.
    """
    file = "memory.max" if driver.version == 2 else "memory.limit_in_bytes"
    with suppress(ValueError):
        limit = int(driver.read(path, "memory", file))
        return limit if limit <= UNLIMITED_ABOVE else None
    return None


def _field(stat: bytes, key: bytes) -> int:
    at = 0 if stat.startswith(key) else stat.find(b"\n" + key) + 1
    if at == 0 and not stat.startswith(key):
        raise ValueError(f"memory.stat has no {key.decode().strip()}")
    start = at + len(key)
    end = stat.find(b"\n", start)
    return int(stat[start : end if end >= 0 else len(stat)])
