"""The observer of a race: looks at a shortage and at the one who causes it more often than once a millisecond.

It takes no part: it reads the kernel's files, kept open, from a process of its own, and tells when the threshold was
crossed, when SIGKILL was pending (from then on the process runs no instruction of its own), when it was dead, and when
what it had taken was back.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SAMPLE_SECONDS = 0.0003
BACK_RATIO = 0.95
"""What was taken counts as back when this part of it is."""

_PENDING = re.compile(rb"^S(?:ig|hd)Pnd:\t([0-9a-f]+)", re.MULTILINE)
_SIGKILL = 1 << 8
_PF_EXITING, _PF_SIGNALED = 0x4, 0x400


class NotDecided(Exception):
    """The race has not come to its end: nothing was crossed, or nobody was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """One race, in monotonic seconds and in units of what was taken."""

    crossed_at: float
    killed_at: float
    dead_at: float
    back_at: float
    past: int
    """what was taken after the crossing"""
    taken: int
    rate: float
    """units a second, from the start of the taking to the crossing"""
    oom_killed: bool
    longest_gap: float
    """the longest time between two looks while it mattered"""


def killed(status: bytes, stat: bytes) -> bool:
    """Whether SIGKILL is pending according to /proc/PID/status, or was taken already according to /proc/PID/stat.

    kill(2) leaves the bit of the thread group set until the end; cgroup.kill sets that of the thread alone, which is
    gone as soon as the thread has taken the signal. From then on its flags say that it was killed and goes.

    Source: Linux, kernel/signal.c (send_sig, get_signal), include/linux/sched.h (PF_EXITING, PF_SIGNALED).
    """
    if any(int(mask, 16) & _SIGKILL for mask in _PENDING.findall(status)):
        return True
    fields = stat.rpartition(b")")[2].split()
    return len(fields) > 6 and bool(int(fields[6]) & (_PF_EXITING | _PF_SIGNALED))


@contextlib.contextmanager
def prompt() -> Iterator[None]:
    """Let this process be woken in time on a busy machine, where the kernel permits that."""
    gc.disable()
    try:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        gc.enable()


def watch(
    pid: int,
    *,
    available: Callable[[], int | None],
    threshold: int,
    go: Callable[[], None],
    taken: Callable[[], int | None],
    oom_kills: Callable[[], int | None] = lambda: 0,
    comes_back: bool = True,
    timeout_seconds: float = 30.0,
) -> Race:
    """Let the process go and watch what comes of it.

    ``available`` is the subject's signal; ``taken`` is what the process has taken, on a scale that begins anywhere, and
    None when there is nothing left to measure, as after the removal of a cgroup: then all is back. With ``comes_back``
    false the race ends with the death, for what a kill alone does not give back.

    Raises:
        NotDecided: the threshold was not crossed, or nobody was killed, in time.
    """
    pidfd = os.pidfd_open(pid)
    status_fd, stat_fd = (os.open(f"/proc/{pid}/{name}", os.O_RDONLY) for name in ("status", "stat"))
    death = select.poll()
    death.register(pidfd, select.POLLIN)
    course = _Course(available() or 0, taken() or 0, threshold)
    kills_before = oom_kills() or 0
    killed_at = dead_at = 0.0
    oom_killed = False
    try:
        with prompt():
            go()
            deadline = time.monotonic() + timeout_seconds
            while True:
                now = time.monotonic()
                held = taken()
                course.look(now, available(), held)
                oom_killed = oom_killed or (oom_kills() or 0) > kills_before
                if not killed_at and _is_killed(status_fd, stat_fd):
                    killed_at = time.monotonic()
                if not dead_at and death.poll(0):
                    dead_at = time.monotonic()
                    killed_at = killed_at or dead_at
                if dead_at and (not comes_back or held is None or course.is_back(held)):
                    break
                if now > deadline:
                    raise NotDecided(
                        f"after {timeout_seconds:g} s: {'' if course.crossed_at else 'not '}crossed, "
                        f"{'' if killed_at else 'not '}killed, {'' if dead_at else 'not '}dead, {held} taken"
                    )
                time.sleep(SAMPLE_SECONDS)
    finally:
        for fd in (status_fd, stat_fd, pidfd):
            os.close(fd)
    if not course.crossed_at:
        raise NotDecided(f"killed before {threshold} was crossed: {course.least} was the least available")
    return Race(
        crossed_at=course.crossed_at,
        killed_at=killed_at,
        dead_at=dead_at,
        back_at=time.monotonic(),
        past=round(course.peak - course.taken_at_crossing),
        taken=course.peak - course.taken_before,
        rate=course.rate,
        oom_killed=oom_killed,
        longest_gap=course.longest_gap,
    )


class _Course:
    """What the looks add up to."""

    def __init__(self, available: int, taken: int, threshold: int) -> None:
        if available < threshold:
            raise NotDecided(f"{available} available before the start, {threshold} is the threshold")
        self.threshold = threshold
        self.taken_before = self.peak = taken
        self.least = available
        self.crossed_at = self.taken_at_crossing = self.rate = self.longest_gap = 0.0
        self._last = self._first = (time.monotonic(), available, taken)

    def look(self, now: float, available: int | None, taken: int | None) -> None:
        """Take one look into account."""
        last_at, last_available, last_taken = self._last
        available, taken = last_available if available is None else available, last_taken if taken is None else taken
        self.least, self.peak = min(self.least, available), max(self.peak, taken)
        if not self.crossed_at:
            if available < self.threshold:
                self._cross(now, available, taken)
            elif taken - self.taken_before < (1 - BACK_RATIO) * (self.least - self.threshold):
                self._first = (now, available, taken)  # it has hardly begun: the hog has to be woken first
        if now < self.crossed_at + 0.1 or not self.crossed_at:
            self.longest_gap = max(self.longest_gap, now - last_at)
        self._last = (now, available, taken)

    def is_back(self, taken: int) -> bool:
        """Whether what had been taken is there again."""
        return self.peak - taken >= BACK_RATIO * (self.peak - self.taken_before)

    def _cross(self, now: float, available: int, taken: int) -> None:
        """Between two looks it went down in a straight line."""
        last_at, last_available, last_taken = self._last
        part = (last_available - self.threshold) / max(1, last_available - available)
        self.crossed_at = last_at + part * (now - last_at)
        self.taken_at_crossing = last_taken + part * (taken - last_taken)
        first_at, _, first_taken = self._first
        self.rate = (self.taken_at_crossing - first_taken) / max(1e-9, self.crossed_at - first_at)


def _is_killed(status_fd: int, stat_fd: int) -> bool:
    try:
        return killed(os.pread(status_fd, 4096, 0), os.pread(stat_fd, 1024, 0))
    except ProcessLookupError:
        return True  # dead and reaped between two looks


def until_back(pid: int, *, taken: Callable[[], int | None], timeout_seconds: float = 10.0) -> float:
    """Kill a process; seconds until it is dead and all that is taken is back."""
    pidfd = os.pidfd_open(pid)
    death = select.poll()
    death.register(pidfd, select.POLLIN)
    before = taken() or 0
    try:
        with prompt():
            started = time.monotonic()
            os.kill(pid, 9)
            while time.monotonic() < started + timeout_seconds:
                if death.poll(0) and (taken() or 0) <= (1 - BACK_RATIO) * before:
                    return time.monotonic() - started
                time.sleep(SAMPLE_SECONDS)
    finally:
        os.close(pidfd)
    raise NotDecided(f"what process {pid} took is not back after {timeout_seconds:g} s")


def wait_quiet(*, idle_ratio: float = 0.75, window_seconds: float = 0.2, timeout_seconds: float = 3.0) -> bool:
    """Wait until the CPUs have little to do, so that a race is not lost to somebody else; whether they had."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        before = _cpu_ticks()
        time.sleep(window_seconds)
        idle, total = (b - a for a, b in zip(before, _cpu_ticks(), strict=True))
        if idle >= idle_ratio * total:
            return True
        if time.monotonic() > deadline:
            return False


def _cpu_ticks() -> tuple[int, int]:
    with open("/proc/stat") as f:
        fields = [int(field) for field in f.readline().split()[1:9]]
    return fields[3] + fields[4], sum(fields)
