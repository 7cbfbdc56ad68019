"""Logs are read a piece at a time, everybody in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nodeguard.agent.log_pump import STANDSTILL_SECONDS, LogPump


class FakeLoop:
    """Time passes when the test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.clock = self
        self.due: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self.seconds

    def call_at(self, at: float, callback: Callable[[], None]) -> None:
        self.due.append((at, callback))

    def round(self) -> bool:
        """One round of the loop; False when nothing was due."""
        due = [entry for entry in self.due if entry[0] <= self.seconds]
        self.due = [entry for entry in self.due if entry[0] > self.seconds]
        for _, callback in due:
            callback()
        return bool(due)


class Lab:
    def __init__(self) -> None:
        self.loop, self.takes, self.read = FakeLoop(), True, list[str]()
        loop: Any = self.loop
        self.pump = LogPump(loop, lambda: self.takes)

    def reader(self, name: str, pieces: int) -> Callable[[], bool]:
        left = [pieces]

        def read() -> bool:
            self.read.append(name)
            left[0] -= 1
            return left[0] > 0

        return read


def test_one_piece_a_round_and_everybody_in_turn() -> None:
    lab = Lab()
    lab.pump.want("a", lab.reader("a", 3))
    lab.pump.want("b", lab.reader("b", 2))
    rounds = 0
    while lab.loop.round():
        rounds += 1
        assert len(lab.read) == rounds
    assert lab.read == ["a", "b", "a", "b", "a"]


def test_asked_twice_is_read_once() -> None:
    lab = Lab()
    for _ in range(5):
        lab.pump.want("a", lab.reader("a", 1))
    while lab.loop.round():
        pass
    assert lab.read == ["a"]


def test_while_nobody_takes_the_lines_they_stay_where_they_are() -> None:
    lab = Lab()
    lab.takes = False
    lab.pump.want("a", lab.reader("a", 2))
    while lab.loop.round():
        pass
    assert lab.read == []
    lab.takes = True
    lab.loop.seconds += STANDSTILL_SECONDS
    while lab.loop.round():
        pass
    assert lab.read == ["a", "a"]


def test_forgotten() -> None:
    lab = Lab()
    lab.pump.want("a", lab.reader("a", 2))
    lab.pump.forget("a")
    while lab.loop.round():
        pass
    assert lab.read == []
