"""The kernel's alarms for memory, as one: rung when somebody should look, set anew as thresholds move."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from nodeguard.agent.loop import Loop
from nodeguard.errors import NodeguardError
from nodeguard.kernel.alarm import PriorityAlarm, UsageAlarm, limit_alarm, stall_alarm
from nodeguard.kernel.cgroup.driver import Driver

log = logging.getLogger(__name__)

REARM_BYTES = 256 * 1024
"""An alarm is set anew when its level is off by more: the inactive cache moves it all the time."""

REARM_SECONDS = 0.1
"""And not more often than this: each time the kernel waits until all CPUs have passed by (synchronize_rcu)."""

LACKING_SECONDS = 10.0
"""How long to do without an alarm that could not be had, before it is tried again."""


class _Bell:
    """One usage alarm, and when it was last set."""

    def __init__(self, alarm: UsageAlarm) -> None:
        self.alarm = alarm
        self.set_at = 0.0
        self.is_being_set = False

    def is_near(self, level: int) -> bool:
        """Whether it rings at about this level."""
        return self.alarm.fd >= 0 and abs(self.alarm.level_bytes - level) < REARM_BYTES


class Alarms:
    """See the module. Lives in the loop's thread; what the kernel takes its time for is done in another one."""

    def __init__(self, loop: Loop, driver: Driver, groups: Sequence[str], ring: Callable[[], None]) -> None:
        self._loop, self._driver, self._groups, self._ring = loop, driver, groups, ring
        self._bells: dict[tuple[str, int], _Bell] = {}
        self._others: list[PriorityAlarm] = []
        self._is_closed = False
        self._lacking_until: dict[str, float] = {}
        self.is_armed = False
        """The kernel rings at every level that was last asked for."""

    def open(self) -> None:
        """Set those that need no level: tasks that wait for memory, limits that are hit."""
        for group in dict.fromkeys(self._groups):
            for alarm in (stall_alarm(self._driver, group), limit_alarm(self._driver, group)):
                if alarm is not None:
                    self._others.append(alarm)
                    self._loop.watch(alarm.fd, partial(self._rang, alarm))

    def arm(self, levels: Mapping[str, Sequence[int]]) -> None:
        """Ring when the usage of a group crosses one of its levels (cgroup v1; v2 has no such alarm)."""
        if self._driver.version != 1:
            return
        is_armed = bool(levels)
        for group, wanted in levels.items():
            for number, level in enumerate(wanted):
                bell = self._bell(group, number)
                if bell is None or not bell.is_near(level):
                    is_armed = False
                if bell is not None and not bell.is_near(level):
                    self._set(bell, level)
        self.is_armed = is_armed

    def close(self) -> None:
        """No more rings."""
        self._is_closed = True
        for alarm in self._others:
            self._loop.unwatch(alarm.fd)
            alarm.close()
        for bell in self._bells.values():
            if not bell.is_being_set:
                self._silence(bell)
                bell.alarm.close()

    def _bell(self, group: str, number: int) -> _Bell | None:
        bell = self._bells.get((group, number))
        if bell is None and self._loop.clock.now() >= self._lacking_until.get(group, 0.0):
            try:
                bell = self._bells[group, number] = _Bell(UsageAlarm(self._driver, group))
            except (OSError, NodeguardError) as e:
                log.warning("no alarm for memory cgroup=%s error=%s", group, e)
                self._lacking_until[group] = self._loop.clock.now() + LACKING_SECONDS
        return bell

    def _set(self, bell: _Bell, level: int) -> None:
        now = self._loop.clock.now()
        if bell.is_being_set or now < bell.set_at + REARM_SECONDS:
            return
        bell.is_being_set, bell.set_at = True, now
        self._loop.in_thread(lambda: bell.alarm.prepare(level), lambda fd, error: self._was_set(bell, level, fd, error))

    def _was_set(self, bell: _Bell, level: int, fd: int | None, error: BaseException | None) -> None:
        bell.is_being_set = False
        if fd is None:
            log.warning("alarm for memory not set level=%d error=%s", level, error)
        elif self._is_closed:
            os.close(fd)
        else:
            self._silence(bell)
            bell.alarm.adopt(fd, level)
            self._loop.watch(fd, partial(self._rang, bell.alarm))
            self._ring()  # the level may have been crossed before the kernel knew of it
        if self._is_closed:
            self._silence(bell)
            bell.alarm.close()

    def _silence(self, bell: _Bell) -> None:
        if bell.alarm.fd >= 0:
            self._loop.unwatch(bell.alarm.fd)

    def _rang(self, alarm: PriorityAlarm | UsageAlarm) -> None:
        alarm.clear()
        self._ring()
