"""memory.high is lifted where it holds a container back for too long."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from evictionbuilder import named

from nodeguard.agent.event import EventSource
from nodeguard.agent.throttle import LOOK_SECONDS, Throttles, ThrottleWatch, refuse_old_kernel
from nodeguard.errors import CgroupGone, HostLacks
from nodeguard.model.meta import Event
from nodeguard.model.node import ControlFile
from nodeguard.policy.setting import ResourceSettings
from nodeguard.policy.throttling import RELAX_SECONDS

PRESSURE = "some avg10={0}.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0"


@dataclass
class FakeHost:
    """One container's group, and the clock."""

    seconds: float = 1000.0
    high_events: int = 0
    stalled: int | None = 60
    is_gone: bool = False
    written: list[tuple[str, str]] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def read(self, path: str, controller: str, file: str) -> str:
        if self.is_gone:
            raise CgroupGone(path)
        if file == "memory.pressure":
            if self.stalled is None:
                raise HostLacks("no PSI")
            return PRESSURE.format(self.stalled)
        return {"memory.high": "1018793984", "memory.events": f"low 0\nhigh {self.high_events}\nmax 0"}[file]

    def write(self, path: str, files: list[ControlFile]) -> None:
        self.written += [(path, f"{file.file}={file.value}") for file in files]


class Lab:
    def __init__(self) -> None:
        self.host = FakeHost()
        events = EventSource(self.host, self.host.told.append)  # type: ignore[arg-type]
        host: Any = SimpleNamespace(clock=self.host, driver=self.host, events=events)
        self.throttles = Throttles(host, named("p"), "/root/podp")

    def look(self, seconds: int, *, rising: bool = True) -> None:
        for _ in range(seconds):
            self.host.seconds += 1
            self.host.high_events += rising
            self.throttles.look()

    @property
    def reasons(self) -> list[str]:
        return [event.reason for event in self.host.told]


@pytest.mark.parametrize("stalled", [60, None])
def test_told_at_once_and_lifted_in_the_end(stalled: int | None) -> None:
    lab = Lab()
    lab.host.stalled = stalled
    lab.look(1)
    assert lab.reasons == ["ContainerMemoryThrottled"]
    lab.look(int(RELAX_SECONDS) - 1)
    assert lab.host.written == []
    lab.look(30)
    assert [file for _, file in lab.host.written] == ["memory.high=max"]
    assert lab.reasons == ["ContainerMemoryThrottled", "MemoryHighRelaxed"]


def test_cache_that_is_reclaimed_easily_is_nothing() -> None:
    lab = Lab()
    lab.host.stalled = 0
    lab.look(60)
    assert (lab.reasons, lab.host.written) == ([], [])


def test_the_next_container_has_its_own_time() -> None:
    lab = Lab()
    lab.look(20)
    lab.host.is_gone = True
    lab.look(1)
    lab.host.is_gone, lab.host.high_events = False, 0
    lab.look(5)
    assert lab.reasons == ["ContainerMemoryThrottled", "MemoryHighRelaxed", "ContainerMemoryThrottled"]
    assert len(lab.host.written) == 1


@pytest.mark.parametrize(("release", "is_refused"), [("5.8.0-63-generic", True), ("5.9.0", False), ("6.1.0-18", False)])
def test_kernels_that_freeze(release: str, is_refused: bool) -> None:
    wanted = ResourceSettings(cgroup_version=2, features=frozenset({"MemoryQoS"}), memory_throttling_factor=0.9)
    refuse_old_kernel(ResourceSettings(cgroup_version=2), release)
    if is_refused:
        with pytest.raises(HostLacks, match=r"Linux 5\.9"):
            refuse_old_kernel(wanted, release)
    else:
        refuse_old_kernel(wanted, release)


def test_pods_come_and_go() -> None:
    host, calls = FakeHost(), list[float]()
    resources = ResourceSettings(cgroup_version=2)
    loop = SimpleNamespace(call_at=lambda at, _: calls.append(at))
    events = EventSource(host, host.told.append)  # type: ignore[arg-type]
    node: Any = SimpleNamespace(clock=host, driver=host, events=events, resources=resources, loop=loop)
    sandbox = SimpleNamespace(cgroup="/root/podp")
    workers: list[Any] = [SimpleNamespace(pod=named("p"), is_gone=False, sandbox=sandbox)]
    watch = ThrottleWatch(node, lambda: workers)
    host.high_events = 1
    watch.open()
    assert [event.reason for event in host.told] == ["ContainerMemoryThrottled"]
    workers[0].is_gone = True
    host.high_events = 2
    watch.open()
    assert len(host.told) == 1
    watch.close()
    watch._look()
    assert calls == [host.seconds + LOOK_SECONDS] * 2
