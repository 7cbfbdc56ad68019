"""Alarms that are set anew as levels move, and given back whatever happens meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from nodeguard.agent import alarms
from nodeguard.agent.alarms import LACKING_SECONDS, REARM_BYTES, REARM_SECONDS, Alarms
from nodeguard.errors import HostLacks
from nodeguard.kernel import alarm

MI = 1 << 20


class FakeAlarm:
    """Stands for the kernel's; ``made`` are all, in order."""

    made: ClassVar[list[FakeAlarm]] = []
    refuses = False

    def __init__(self, _: Any, group: str) -> None:
        self.group, self.fd, self.level_bytes, self.is_closed = group, -1, -1, False
        self.made.append(self)

    def prepare(self, level: int) -> int:
        if self.refuses:
            raise OSError("no")
        return os.eventfd(0)

    def adopt(self, fd: int, level: int) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd, self.level_bytes = fd, level

    def clear(self) -> None: ...

    def close(self) -> None:
        self.is_closed = True
        if self.fd >= 0:
            os.close(self.fd)


class FakeLoop:
    """Threads end when the test says so."""

    def __init__(self) -> None:
        self.clock = SimpleNamespace(now=lambda: self.seconds)
        self.seconds = 100.0
        self.watched: dict[int, Callable[[], None]] = {}
        self.jobs: list[Callable[[], None]] = []

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        self.watched[fd] = callback

    def unwatch(self, fd: int) -> None:
        del self.watched[fd]

    def in_thread(self, work: Callable[[], Any], then: Callable[[Any, BaseException | None], None]) -> None:
        def job() -> None:
            try:
                result, error = work(), None
            except OSError as e:
                result, error = None, e
            then(result, error)

        self.jobs.append(job)

    def end_jobs(self) -> None:
        jobs, self.jobs = self.jobs, []
        for job in jobs:
            job()


class Lab:
    def __init__(self, version: int = 1) -> None:
        self.loop, self.rings = FakeLoop(), 0
        driver: Any = SimpleNamespace(version=version)
        loop: Any = self.loop
        self.alarms = Alarms(loop, driver, ("/arena",), self.ring)

    def ring(self) -> None:
        self.rings += 1

    def arm(self, *levels: int) -> None:
        self.alarms.arm({"/arena": levels})


@pytest.fixture(autouse=True)
def fake_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeAlarm.made, FakeAlarm.refuses = [], False
    monkeypatch.setattr(alarms, "UsageAlarm", FakeAlarm)


def test_nothing_counts_as_armed_before_the_kernel_has_taken_it() -> None:
    lab = Lab()
    lab.arm(500 * MI)
    assert (lab.alarms.is_armed, lab.rings) == (False, 0)
    lab.loop.end_jobs()
    assert lab.rings == 1, "the level may have been crossed meanwhile"
    lab.arm(500 * MI)
    assert lab.alarms.is_armed
    (watched,) = lab.loop.watched.values()
    watched()
    assert lab.rings == 2


def test_a_level_that_hardly_moves_is_left_alone() -> None:
    lab = Lab()
    lab.arm(500 * MI)
    lab.loop.end_jobs()
    lab.loop.seconds += 10
    lab.arm(500 * MI + REARM_BYTES - 1)
    assert (lab.loop.jobs, lab.alarms.is_armed) == ([], True)
    lab.arm(500 * MI + REARM_BYTES)
    assert (len(lab.loop.jobs), lab.alarms.is_armed) == (1, False)
    lab.loop.end_jobs()
    assert FakeAlarm.made[0].level_bytes == 500 * MI + REARM_BYTES
    assert len(lab.loop.watched) == 1


def test_an_alarm_is_not_set_all_the_time() -> None:
    lab = Lab()
    lab.arm(500 * MI)
    lab.arm(600 * MI)
    assert len(lab.loop.jobs) == 1, "while it is being set"
    lab.loop.end_jobs()
    lab.loop.seconds += REARM_SECONDS / 2
    lab.arm(700 * MI)
    assert lab.loop.jobs == []
    lab.loop.seconds += REARM_SECONDS
    lab.arm(700 * MI)
    assert len(lab.loop.jobs) == 1


def test_what_the_kernel_refuses_is_not_armed_and_tried_again() -> None:
    lab = Lab()
    FakeAlarm.refuses = True
    lab.arm(500 * MI)
    lab.loop.end_jobs()
    assert (lab.alarms.is_armed, lab.loop.watched) == (False, {})
    FakeAlarm.refuses = False
    lab.loop.seconds += 1
    lab.arm(500 * MI)
    lab.loop.end_jobs()
    lab.arm(500 * MI)
    assert lab.alarms.is_armed


def test_closed_while_it_is_being_set() -> None:
    lab = Lab()
    lab.arm(500 * MI)
    lab.alarms.close()
    assert not FakeAlarm.made[0].is_closed, "the thread is still using it"
    lab.loop.end_jobs()
    assert FakeAlarm.made[0].is_closed
    assert (lab.loop.watched, lab.rings) == ({}, 0)


def test_a_kernel_without_such_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def lacks(*_: Any) -> Any:
        asked.append(1)
        raise HostLacks("no event_control")

    monkeypatch.setattr(alarms, "UsageAlarm", lacks)
    lab = Lab()
    for _ in range(100):
        lab.arm(500 * MI)
    assert not lab.alarms.is_armed
    assert len(asked) == 1, "nobody is asked, and told, at every look"
    lab.loop.seconds += LACKING_SECONDS
    lab.arm(500 * MI)
    assert len(asked) == 2, "it may have been a lack of descriptors"
    other = Lab(version=2)
    other.arm(500 * MI)
    assert (other.alarms.is_armed, other.loop.jobs) == (False, [])


def test_half_an_alarm_leaves_no_descriptor_open(tmp_path: Path) -> None:
    (tmp_path / "memory.usage_in_bytes").touch()
    opened: list[int] = []

    def open_file(_: str, __: str, file: str, flags: int = os.O_RDONLY) -> int:
        if file == "cgroup.event_control":
            raise HostLacks("no event_control")
        opened.append(os.open(tmp_path / file, flags | os.O_CLOEXEC))
        return opened[-1]

    driver: Any = SimpleNamespace(open=open_file)
    with pytest.raises(HostLacks):
        alarm.UsageAlarm(driver, "/arena")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])
