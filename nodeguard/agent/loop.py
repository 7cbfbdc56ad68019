"""The loop: file descriptors, timers, signals and finished threads become calls, one at a time, in one thread.

selectors and not asyncio: every command that starts an agent would pay about 60 ms for importing it.
"""

from __future__ import annotations

import heapq
import itertools
import os
import queue
import select
import selectors
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nodeguard.agent.clock import Clock

WORKERS = 4
"""Threads for what may wait on a disk. More would only queue at the kernel's mount and cgroup locks."""


class Timer:
    """A call that is due at an instant; ``cancel`` may be called at any time."""

    __slots__ = ("at", "callback")

    def __init__(self, at: float, callback: Callable[[], None] | None) -> None:
        self.at, self.callback = at, callback

    def cancel(self) -> None:
        """The call is not made."""
        self.callback = None


class Loop:
    """See the module. All methods but ``call_soon`` are called from the loop's own thread."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._finished: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._workers = 0
        self._jobs_open = 0
        self._signal_read, self._signal_write = -1, -1
        self._on_signal: dict[int, tuple[Callable[[int], None], Any]] = {}
        self.watch(self._wake_fd, self._run_finished)

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever ``fd`` is readable."""
        self._selector.register(fd, selectors.EVENT_READ, callback)

    def unwatch(self, fd: int) -> None:
        """Forget ``fd``; it is not closed."""
        with suppress(KeyError):
            self._selector.unregister(fd)

    def close_fd(self, fd: int) -> None:
        """Forget ``fd`` and close it."""
        self.unwatch(fd)
        os.close(fd)

    def call_at(self, at: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` once, at ``at`` (the clock's seconds) or as soon as possible after."""
        timer = Timer(at, callback)
        heapq.heappush(self._timers, (at, next(self._order), timer))
        return timer

    def in_thread(self, work: Callable[[], Any], then: Callable[[Any, BaseException | None], None]) -> None:
        """Do ``work`` in a worker thread, then call ``then(result, error)`` in the loop."""
        self._jobs_open += 1

        def job() -> None:
            result: Any = None
            error: BaseException | None = None
            try:
                result = work()
            except BaseException as e:
                error = e
            self.call_soon(lambda: self._end_job(then, result, error))

        self._jobs.put(job)
        if self._workers < min(WORKERS, self._jobs_open):
            self._workers += 1
            threading.Thread(target=self._work, daemon=True, name=f"worker-{self._workers}").start()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` in the loop; may be said from any thread."""
        self._finished.put(callback)
        os.eventfd_write(self._wake_fd, 1)

    def on_signal(self, signum: int, callback: Callable[[int], None]) -> None:
        """Call ``callback(signum)`` in the loop whenever the signal arrives."""
        if self._signal_read < 0:
            self._signal_read, self._signal_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            signal.set_wakeup_fd(self._signal_write, warn_on_full_buffer=False)
            self.watch(self._signal_read, self._read_signals)
        self._on_signal[signum] = (callback, signal.signal(signum, lambda *_: None))

    def run_until(self, done: Callable[[], bool]) -> None:
        """Make calls until ``done()`` is true (asked after every round)."""
        while not done():
            for key, _ in self._selector.select(self._seconds_to_next()):
                if self._selector.get_map().get(key.fd) is key:  # not forgotten meanwhile by another one's call
                    key.data()
            self._run_due()

    def close(self) -> None:
        """Give signals and descriptors back; threads end with the process."""
        for signum, (_, before) in self._on_signal.items():
            signal.signal(signum, before)
        if self._signal_read >= 0:
            signal.set_wakeup_fd(-1)
            os.close(self._signal_read)
            os.close(self._signal_write)
        self._selector.close()

    def _work(self) -> None:
        while True:
            self._jobs.get()()

    def _run_finished(self) -> None:
        """What has come until now: a thread that always has more to say does not keep the loop from all else."""
        os.eventfd_read(self._wake_fd)
        for _ in range(self._finished.qsize()):
            self._finished.get_nowait()()

    def _end_job(
        self, then: Callable[[Any, BaseException | None], None], result: Any, error: BaseException | None
    ) -> None:
        self._jobs_open -= 1
        then(result, error)

    def _read_signals(self) -> None:
        for signum in os.read(self._signal_read, 64):
            if signum in self._on_signal:
                self._on_signal[signum][0](signum)

    def _seconds_to_next(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.clock.now()) if self._timers else None

    def _run_due(self) -> None:
        now = self.clock.now()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()


def is_readable(fd: int) -> bool:
    """Whether ``fd`` (a pidfd: its process has ended) is readable now."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(0))
