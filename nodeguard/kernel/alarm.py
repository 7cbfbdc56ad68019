"""Alarms of the kernel's: descriptors that become readable when memory runs short.

Each only shortens the time until somebody looks; what is true is read then.

Source: Linux, Documentation/admin-guide/cgroup-v1/memory.rst (thresholds), Documentation/accounting/psi.rst (triggers),
cgroup-v2.rst (memory.events).
"""

from __future__ import annotations

import os
import select
from contextlib import suppress

from nodeguard.errors import NodeguardError
from nodeguard.kernel.cgroup.driver import UNIFIED, Driver

PSI_WINDOWS_US = (500_000, 2_000_000)
"""The shortest the kernel takes, and the shortest it takes from those without CAP_SYS_RESOURCE (Linux 6.5)."""

STALL_SHARE = 0.02
"""Of the window, the share that some task must have stood still for memory."""


class UsageAlarm:
    """cgroup v1: rings when a group's usage crosses a level, in either direction. ``fd`` is its eventfd, −1 without."""

    def __init__(self, driver: Driver, path: str) -> None:
        """Raises: CgroupGone, HostLacks."""
        self._usage_fd = driver.open(path, "memory", "memory.usage_in_bytes")
        try:
            self._control_fd = driver.open(path, "memory", "cgroup.event_control", os.O_WRONLY)
        except BaseException:  # there is none on kernels with PREEMPT_RT
            os.close(self._usage_fd)
            raise
        self.fd = -1
        self.level_bytes = -1

    def prepare(self, level_bytes: int) -> int:
        """An eventfd that rings at this level. Takes milliseconds: the kernel waits for all CPUs meanwhile.

        Raises:
            OSError: the kernel does not take it.
        """
        fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            os.write(self._control_fd, b"%d %d %d" % (fd, self._usage_fd, max(0, level_bytes)))
        except BaseException:
            os.close(fd)
            raise
        return fd

    def adopt(self, fd: int, level_bytes: int) -> None:
        """Ring by what was prepared from now on, and at no other level."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd, self.level_bytes = fd, level_bytes

    def clear(self) -> None:
        """It has been heard."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.fd)

    def close(self) -> None:
        """Rings no more."""
        for fd in (self.fd, self._usage_fd, self._control_fd):
            if fd >= 0:
                os.close(fd)


class PriorityAlarm:
    """A file that the kernel marks with POLLPRI: a PSI trigger, or an events file of cgroup v2. ``fd`` is an epoll."""

    def __init__(self, file_fd: int) -> None:
        self._file_fd = file_fd
        self._epoll = select.epoll()
        self._epoll.register(file_fd, select.EPOLLPRI | select.EPOLLET)
        self.fd = self._epoll.fileno()

    def clear(self) -> None:
        """It has been heard."""
        self._epoll.poll(0)

    def close(self) -> None:
        """Rings no more."""
        self._epoll.close()
        os.close(self._file_fd)


def stall_alarm(driver: Driver, path: str) -> PriorityAlarm | None:
    """Rings while tasks of the group (``/``: of the machine) wait for memory; None where the kernel has no PSI."""
    for window_us in PSI_WINDOWS_US:
        try:
            if path == "/":
                fd = os.open("/proc/pressure/memory", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            else:
                fd = driver.open(path, UNIFIED, "memory.pressure", os.O_RDWR | os.O_NONBLOCK)
        except (OSError, NodeguardError):
            return None
        try:
            os.write(fd, b"some %d %d\0" % (int(window_us * STALL_SHARE), window_us))
        except OSError:
            os.close(fd)
            continue
        return PriorityAlarm(fd)
    return None


def limit_alarm(driver: Driver, path: str) -> PriorityAlarm | None:
    """cgroup v2: rings when the group has been held back at one of its memory limits; None elsewhere."""
    if driver.version != 2 or path == "/":
        return None
    try:
        return PriorityAlarm(driver.open(path, "memory", "memory.events"))
    except NodeguardError:
        return None
