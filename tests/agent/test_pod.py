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
    made.host, made.pod = SimpleNamespace(driver=FakeDriver(error)), named("a")  # type: ignore[assignment]
    made._sandbox = SimpleNamespace(killer=None, meter=None, cgroup="/root/poda")  # type: ignore[assignment]
    return made


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "too many open files"), CgroupGone("/root/poda"), HostLacks("no cgroup.kill")]
)
def test_a_strike_that_fails_is_left_to_stop(error: Exception) -> None:
    worker(error).strike()


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
