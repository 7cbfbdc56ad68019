"""The loop: descriptors, timers, threads and signals become calls in one thread."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from nodeguard.agent.clock import Clock
from nodeguard.agent.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop(Clock())
    yield made
    made.close()


def test_timers_are_called_in_the_order_of_their_time(loop: Loop) -> None:
    now, calls = loop.clock.now(), []
    loop.call_at(now + 0.02, lambda: calls.append("late"))
    loop.call_at(now - 1.0, lambda: calls.append("overdue"))
    loop.call_at(now + 0.01, lambda: calls.append("soon"))
    loop.run_until(lambda: len(calls) == 3)
    assert calls == ["overdue", "soon", "late"]


def test_a_cancelled_timer_is_not_called(loop: Loop) -> None:
    now, calls = loop.clock.now(), []
    loop.call_at(now, lambda: calls.append("cancelled")).cancel()
    loop.call_at(now + 0.01, lambda: calls.append("kept"))
    loop.run_until(lambda: bool(calls))
    assert calls == ["kept"]


def test_a_descriptor_is_watched_until_it_is_forgotten(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    calls: list[bytes] = []
    loop.watch(read_fd, lambda: calls.append(os.read(read_fd, 1)))
    os.write(write_fd, b"ab")
    loop.run_until(lambda: len(calls) == 2)
    loop.unwatch(read_fd)
    os.write(write_fd, b"c")
    done: list[int] = []
    loop.call_at(loop.clock.now() + 0.01, lambda: done.append(1))
    loop.run_until(lambda: bool(done))
    assert calls == [b"a", b"b"]
    os.close(write_fd)
    loop.close_fd(read_fd)


def test_what_one_call_has_forgotten_the_other_is_not_called_for(loop: Loop) -> None:
    ends = [os.eventfd(1), os.eventfd(1)]
    calls: list[int] = []

    def forget_both(fd: int) -> None:
        calls.append(fd)
        for each in ends:
            loop.unwatch(each)

    for fd in ends:
        loop.watch(fd, partial(forget_both, fd))
    loop.run_until(lambda: bool(calls))
    assert len(calls) == 1
    for fd in ends:
        os.close(fd)


def test_threads_work_and_the_loop_gets_results_and_errors(loop: Loop) -> None:
    main, results = threading.get_ident(), []

    def fail() -> None:
        raise ValueError("no")

    loop.in_thread(threading.get_ident, lambda result, error: results.append((result != main, error)))
    loop.in_thread(fail, lambda result, error: results.append((result, str(error))))
    loop.run_until(lambda: len(results) == 2)
    assert sorted(results, key=str) == [(None, "no"), (True, None)]


def test_many_jobs_share_few_threads(loop: Loop) -> None:
    names: list[str] = []
    for _ in range(50):
        loop.in_thread(lambda: threading.current_thread().name, lambda result, _: names.append(result))
    loop.run_until(lambda: len(names) == 50)
    assert len(set(names)) <= 4


def test_signals_become_calls_and_are_given_back() -> None:
    loop = Loop(Clock())
    before, seen = signal.getsignal(signal.SIGUSR1), []
    loop.on_signal(signal.SIGUSR1, seen.append)
    signal.raise_signal(signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR1)
    loop.run_until(lambda: len(seen) == 2)
    loop.close()
    assert seen == [signal.SIGUSR1, signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) is before


def test_the_clock_does_not_follow_the_host_s_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    before = clock.now()
    monkeypatch.setattr("nodeguard.agent.clock.time.time", lambda: 0.0)
    assert 0 <= clock.now() - before < 60


def test_a_call_that_brings_on_the_next_one_does_not_keep_others_waiting(loop: Loop) -> None:
    calls = []

    def again() -> None:
        calls.append("again")
        if len(calls) < 100:
            loop.call_soon(again)

    loop.call_soon(again)
    loop.call_at(loop.clock.now(), lambda: calls.append("timer"))
    loop.run_until(lambda: "timer" in calls)
    assert calls == ["again", "timer"]
