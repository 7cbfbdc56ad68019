"""A pod's worker where the kernel has nothing to give: an eviction goes on all the same."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest
from evictionbuilder import named

from nodeguard.agent.pod import PodWorker
from nodeguard.errors import CgroupGone, HostLacks
from nodeguard.kernel.cgroup.memory import MemorySample


class FakeDriver:
    """Fails as it is told to, whatever it is asked to open."""

    version = 1

    def __init__(self, error: Exception) -> None:
        self._error = error

    def killer(self, _: str) -> Any:
        raise self._error

    def open(self, *_: Any) -> int:
        raise self._error


def worker(error: Exception) -> PodWorker:
    """A pod without descriptors of its own, as there are when many pods run."""
    made = PodWorker.__new__(PodWorker)
    made.host, made.pod = SimpleNamespace(driver=FakeDriver(error), keeper=None), named("a")  # type: ignore[assignment]
    made._sandbox = SimpleNamespace(killer=None, meter=None, cgroup="/root/poda")  # type: ignore[assignment]
    return made


class FakeKiller:
    """Notes what is done to it."""

    def __init__(self) -> None:
        self.did: list[str] = []

    def strike(self) -> None:
        self.did.append("strike")

    def close(self) -> None:
        self.did.append("close")


def test_a_strike_kills_with_what_the_pod_keeps_open() -> None:
    one, killer = worker(OSError(errno.EMFILE, "nothing may be opened")), FakeKiller()
    one._sandbox.killer = killer
    one.strike()
    assert killer.did == ["strike"], "and it stays open: the next strike may be near"


def test_a_strike_opens_what_is_not_kept_open_and_closes_it() -> None:
    one, killer = worker(OSError()), FakeKiller()
    one.host.driver.killer = lambda _: killer  # type: ignore[method-assign]
    one.strike()
    assert killer.did == ["strike", "close"]


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "too many open files"), CgroupGone("/root/poda"), HostLacks("no cgroup.kill")]
)
def test_a_strike_that_fails_is_left_to_stop(error: Exception) -> None:
    worker(error).strike()


def test_a_state_that_cannot_be_written_is_tried_again_at_the_next_change(caplog: pytest.LogCaptureFixture) -> None:
    made: Any = worker(CgroupGone(""))
    made.host.keeper, made._sandbox.run_dir, made._kept = object(), None, None
    tries: list[int] = []

    def write(_: object) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError(errno.ENOSPC, "no room")

    state = SimpleNamespace(write=write)
    made._state = lambda: state
    made._keep()
    assert "no room" in caplog.text
    made._keep()
    made._keep()
    assert len(tries) == 2, "and what has been written is not written again"


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (OSError(errno.EMFILE, "too many open files"), None),
        (HostLacks("no memory.stat"), None),
        (CgroupGone("/root/poda"), MemorySample(0, 0)),
    ],
)
def test_memory_that_cannot_be_read_is_unknown_and_that_of_no_group_is_nothing(
    error: Exception, memory: MemorySample | None
) -> None:
    assert worker(error).memory() == memory
