"""The pressure loop on a made-up node with a clock of its own: whom it sends away, when, and when not."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from evictionbuilder import named

from nodeguard.agent.candidate import Candidates
from nodeguard.agent.event import EventSource
from nodeguard.agent.eviction import KILLED_PATIENCE_SECONDS, TURN_PATIENCE_SECONDS, Evictor, Victim
from nodeguard.agent.loop import Timer
from nodeguard.agent.observe import MemoryLook, OtherLook
from nodeguard.agent.pod_disk import DiskUsage
from nodeguard.agent.pressure import ANNOUNCE_SECONDS, NOBODY_LEFT_SECONDS, RECLAIM_AGAIN_SECONDS, PressureLoop
from nodeguard.agent.turn import Turn
from nodeguard.errors import HostLacks
from nodeguard.kernel.cgroup.memory import MemorySample
from nodeguard.model.decision import Action, Outcome, Pass
from nodeguard.model.eviction import Eviction, EvictionConfig, EvictionMode, Layout, Observation, ReclaimStep
from nodeguard.model.meta import Event
from nodeguard.model.pod import Pod
from nodeguard.model.signal import Pressure, Signal
from nodeguard.model.stats import FsUsage
from nodeguard.model.status import StopRequest
from nodeguard.model.threshold import parse_value
from nodeguard.policy.threshold import thresholds_of

MI = 1 << 20
CAPACITY = 1024 * MI
DISK, INODES = 10_000 * MI, 100_000


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds

    def monotonic_ns(self) -> int:
        return round(self.seconds * 1e9)


class FakeLoop:
    """Timers that fire when the clock is moved past them; threads that are done at once."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.timers: list[Timer] = []

    def call_at(self, at: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(at, callback))
        return self.timers[-1]

    def in_thread(self, work: Callable[[], Any], then: Callable[[Any, BaseException | None], None]) -> None:
        then(work(), None)

    def next_at(self) -> float:
        return min(timer.at for timer in self.timers if timer.callback is not None)

    def run_to(self, seconds: float) -> None:
        """Fire what is due, one after another, and stand at ``seconds`` in the end."""
        while self.next_at() <= seconds:
            timer = min((t for t in self.timers if t.callback is not None), key=lambda t: t.at)
            self.clock.seconds = max(self.clock.seconds, timer.at)
            callback = timer.callback
            timer.cancel()
            assert callback is not None
            callback()
        self.clock.seconds = seconds


class FakeWorker:
    """A pod that holds some memory until the test says that it is gone."""

    def __init__(self, pod: Pod, mib: int, did: list[str]) -> None:
        self.pod, self.mib, self.is_gone = pod, mib, False
        self.stop_request: StopRequest | None = None
        self.adopted_eviction = ""
        self._did = did
        self.measured = 0
        self.processes = 1

    def strike(self) -> None:
        self._did.append(f"strike {self.pod.meta.name}")

    def stop(self, grace_seconds: float, reason: str = "", message: str = "", disruption: str = "") -> None:
        self._did.append(f"stop {self.pod.meta.name} {grace_seconds:g}")
        self.stop_request = StopRequest(
            at=0.0, grace_seconds=grace_seconds, reason=reason, message=message, disruption=disruption
        )

    def memory(self) -> MemorySample | None:
        self.measured += 1
        return MemorySample(self.mib * MI, 0)

    def container_memory(self) -> dict[str, int]:
        return {"app": self.mib * MI}

    def process_count(self) -> int | None:
        return self.processes

    def killed_at(self) -> float | None:
        return None


@dataclass
class FakeObserver:
    """Signals as the test sets them; None cannot be read."""

    memory: int | None = CAPACITY
    disk: int | None = DISK
    inodes: int | None = INODES
    node_group: str = "/arena"
    pods_group: str = "/arena"
    clock: FakeClock = field(default_factory=FakeClock)

    def read_memory(self) -> MemoryLook:
        if self.memory is None:
            return MemoryLook(observations={}, failed=frozenset({Signal.MEMORY_AVAILABLE}), node=None, pods=None)
        sample = MemorySample(CAPACITY - self.memory, 0)
        seen = {Signal.MEMORY_AVAILABLE: self._seen(self.memory, CAPACITY)}
        return MemoryLook(observations=seen, failed=frozenset(), node=sample, pods=sample)

    def read_others(self) -> OtherLook:
        found: dict[Signal, Observation] = {}
        if self.disk is not None:
            found[Signal.NODEFS_AVAILABLE] = self._seen(self.disk, DISK)
        if self.inodes is not None:
            found[Signal.NODEFS_INODES_FREE] = self._seen(self.inodes, INODES)
        failed = frozenset({Signal.NODEFS_AVAILABLE, Signal.NODEFS_INODES_FREE} - set(found))
        return OtherLook(observations=found, failed=failed)

    def close(self) -> None: ...

    def _seen(self, available: int, capacity: int) -> Observation:
        self.reads = getattr(self, "reads", 0) + 1  # every reading is later than the one before
        return Observation(available=available, capacity=capacity, sampled_at_ns=self.clock.monotonic_ns() + self.reads)


class Lab:
    """A node with pods, its loop, and everything that it did."""

    def __init__(
        self,
        tmp_path: Path,
        hard: Mapping[str, str],
        *,
        soft: Mapping[str, str] | None = None,
        grace_seconds: float = 30.0,
        mode: EvictionMode = EvictionMode.ENFORCE,
        **settings: Any,
    ) -> None:
        self.did: list[str] = []
        self.on_reclaim: Callable[[], None] = lambda: None
        self.events: list[Event] = []
        self.records: list[tuple[str, Action]] = []
        self.ended: list[tuple[str, Outcome]] = []
        self.reported: list[tuple[tuple[Pressure, ...], frozenset[Pressure]]] = []
        self.workers: list[FakeWorker] = []
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        self.observer = FakeObserver(clock=self.clock)
        host: Any = SimpleNamespace(
            clock=self.clock,
            loop=self.loop,
            driver=SimpleNamespace(version=2, open=_open_nothing),
            events=EventSource(self.clock, self.events.append),  # type: ignore[arg-type]
            settings=SimpleNamespace(node_name="node"),
        )
        workers: Any = lambda: self.workers  # noqa: E731
        self.disk: dict[str, DiskUsage] = {}
        self.candidates = Candidates(workers, self.disk.get)
        self.turn = Turn(tmp_path / "eviction.lock")
        given = thresholds_of(
            hard={signal: parse_value(value) for signal, value in hard.items()},
            soft={signal: parse_value(value) for signal, value in (soft or {}).items()},
            grace_ns=dict.fromkeys(soft or {}, round(grace_seconds * 1e9)),
            min_reclaim={},
            enforce=(),
        )
        status: Any = SimpleNamespace(report=self._report)
        observer: Any = self.observer

        def give_up(steps: Sequence[ReclaimStep]) -> None:
            self.did.append("reclaim " + " ".join(steps))
            self.on_reclaim()

        self.pressure = PressureLoop(
            host,
            observer,
            config=EvictionConfig(thresholds=given, **settings),
            modes=dict.fromkeys(Signal, mode),
            layout=Layout(),
            candidates=self.candidates,
            evictor=Evictor(host, self.turn, ended=self._ended),
            reclaim=give_up,
            refresh=lambda then: then(),
            relieve=lambda amount: self.did.append(f"relieve {amount >> 20}Mi"),
            status=status,
            record=self._record,
            told=lambda _: None,
        )

    def add(self, name: str, mib: int, **fields: Any) -> FakeWorker:
        worker = FakeWorker(named(name, **fields), mib, self.did)
        self.workers.append(worker)
        self.candidates.add(worker)  # type: ignore[arg-type]
        return worker

    def leave(self, worker: FakeWorker) -> None:
        """Nothing of the pod is left."""
        worker.is_gone = True
        self.pressure.pod_gone()

    def after(self, seconds: float) -> None:
        self.loop.run_to(self.clock.seconds + seconds)

    @property
    def reasons(self) -> list[str]:
        return [event.reason for event in self.events]

    def _report(self, memory: Any, _: Any, *, unknown: frozenset[Pressure], **__: Any) -> None:
        self.reported.append((memory.conditions, unknown))

    def _record(self, _: Pass, eviction: Eviction, action: Action) -> str:
        self.records.append((eviction.candidate.pod.meta.name, action))
        return f"record-{len(self.records)}"

    def _ended(self, victim: Victim, outcome: Outcome) -> None:
        self.ended.append((victim.record_id, outcome))


def _open_nothing(*_: Any) -> int:
    raise HostLacks("nothing to open here")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path, {"memory.available": "100Mi", "nodefs.available": "10%"})


def test_nothing_happens_while_nothing_is_short(lab: Lab) -> None:
    worker = lab.add("a", 500)
    lab.observer.memory = 100 * MI  # equality is not pressure
    lab.pressure.open()
    lab.after(60)
    assert lab.did == []
    assert lab.pressure.conditions == ()
    assert worker.measured <= 7, "candidates are measured now and then only"


def test_who_is_struck_is_struck_before_anything_else(lab: Lab) -> None:
    lab.add("small", 10)
    lab.add("big", 800)
    lab.pressure.open()
    lab.observer.memory = 99 * MI
    lab.pressure.look()
    assert lab.did == ["strike big", "stop big 0"]
    assert lab.reasons == ["Evicted", "EvictionThresholdMet"]
    assert lab.records == [("big", Action.EVICT)]
    assert lab.pressure.conditions == (Pressure.MEMORY,)


def test_one_at_a_time_until_it_is_really_gone(lab: Lab) -> None:
    first, second = lab.add("first", 800), lab.add("second", 100)
    lab.pressure.open()
    lab.observer.memory = 50 * MI
    lab.pressure.look()
    lab.after(KILLED_PATIENCE_SECONDS / 2)
    assert lab.did == ["strike first", "stop first 0"]
    lab.leave(first)  # but it was not enough
    assert lab.did[2:] == ["strike second", "stop second 0"]
    assert lab.ended == [("record-1", Outcome.GONE)]
    lab.observer.memory = 900 * MI
    lab.leave(second)
    lab.after(5)
    assert len(lab.did) == 4


def test_somebody_who_does_not_die_does_not_hold_up_the_others(lab: Lab) -> None:
    lab.add("stuck", 800)
    lab.add("next", 100)
    lab.pressure.open()
    lab.observer.memory = 50 * MI
    lab.pressure.look()
    lab.after(KILLED_PATIENCE_SECONDS + 0.1)
    assert lab.ended == [("record-1", Outcome.PENDING)]
    assert "ExceededGracePeriod" in lab.reasons
    assert lab.did[2:] == ["strike next", "stop next 0"], "and the stuck one is not asked again"


def test_what_becomes_of_a_pod_whose_files_take_longer_is_known_in_the_end(lab: Lab) -> None:
    slow = lab.add("slow", 800)
    lab.pressure.open()
    lab.observer.memory = 50 * MI
    lab.pressure.look()
    lab.observer.memory, slow.processes = 900 * MI, 0
    lab.after(KILLED_PATIENCE_SECONDS + 0.1)
    assert lab.ended == [("record-1", Outcome.PENDING)]
    assert "ExceededGracePeriod" not in lab.reasons, "it was killed in time"
    lab.leave(slow)
    lab.after(2)
    assert lab.ended == [("record-1", Outcome.PENDING), ("record-1", Outcome.GONE)]


def test_a_soft_threshold_waits_and_a_hard_one_does_not(tmp_path: Path) -> None:
    lab = Lab(
        tmp_path,
        {"memory.available": "100Mi"},
        soft={"memory.available": "300Mi"},
        grace_seconds=30,
        max_pod_grace_seconds=60,
    )
    lab.add("a", 800, termination_grace_period_seconds=600)
    lab.pressure.open()
    lab.observer.memory = 200 * MI
    lab.pressure.look()
    assert lab.did == ["relieve 100Mi"]
    lab.did.clear()
    lab.after(29.9)
    assert lab.did == []
    assert lab.pressure.conditions == (Pressure.MEMORY,), "the condition does not wait"
    lab.after(0.2)
    assert lab.did == ["stop a 60"]
    lab.after(10)
    assert lab.did == ["stop a 60"]
    lab.observer.memory = 90 * MI
    lab.after(0.05)
    assert lab.did == ["stop a 60", "strike a", "stop a 0"]


def test_a_flap_begins_the_grace_period_anew(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {}, soft={"memory.available": "300Mi"}, grace_seconds=30)
    lab.add("a", 800)
    lab.pressure.open()
    lab.observer.memory = 200 * MI
    lab.after(25)
    lab.observer.memory = 300 * MI
    lab.after(1)
    lab.observer.memory = 200 * MI
    lab.after(25)
    assert lab.did == ["relieve 100Mi", "relieve 100Mi"]
    lab.after(10)
    assert lab.did[2:] == ["stop a 1"]


def test_a_condition_does_not_flap(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {}, soft={"memory.available": "300Mi"}, grace_seconds=60)
    lab.add("a", 800)
    lab.pressure.open()
    for _ in range(30):  # ten minutes
        lab.observer.memory = 200 * MI
        lab.after(10)
        lab.observer.memory = 400 * MI
        lab.after(10)
    told = [conditions for conditions, _ in lab.reported]
    changes = sum(before != now for before, now in pairwise(told))
    assert (told[0], changes, told[-1]) == ((), 1, (Pressure.MEMORY,))
    assert not [what for what in lab.did if not what.startswith("relieve")]


def test_observing_records_and_lets_live(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"memory.available": "100Mi"}, mode=EvictionMode.OBSERVE)
    lab.add("a", 800)
    lab.pressure.open()
    lab.observer.memory = 50 * MI
    lab.after(30)
    assert lab.did == []
    assert lab.records == [("a", Action.WOULD_EVICT)], "once, as long as it stays the same"
    assert lab.pressure.conditions == (Pressure.MEMORY,)
    lab.observer.memory = 500 * MI
    lab.after(1)
    lab.observer.memory = 50 * MI
    lab.after(1)
    assert len(lab.records) == 2


def test_switched_off_nothing_is_seen(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"memory.available": "100Mi"}, mode=EvictionMode.OFF)
    lab.add("a", 800)
    lab.pressure.open()
    lab.observer.memory = 50 * MI
    lab.after(30)
    assert (lab.did, lab.records, lab.pressure.conditions) == ([], [], ())


def test_critical_pods_stay_whatever_happens(lab: Lab) -> None:
    worker = lab.add("critical", 900, priority=2_000_000_000)
    lab.pressure.open()
    lab.observer.memory = 10 * MI
    lab.after(10)
    assert lab.did == []
    assert worker.measured <= 2 + 10 / NOBODY_LEFT_SECONDS, "no use in asking all the time"


def test_a_disk_is_cleared_before_anybody_has_to_go(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"nodefs.available": "10%"})
    lab.on_reclaim = lambda: setattr(lab.observer, "disk", DISK // 2)
    lab.add("a", 10)
    lab.pressure.open()
    lab.observer.disk = DISK // 20
    lab.after(2)
    assert lab.did == ["reclaim containers images"]
    assert lab.pressure.conditions == (Pressure.DISK,), "for the transition period"
    assert lab.reasons == ["EvictionThresholdMet"]


def test_where_that_is_not_enough_somebody_goes(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"nodefs.available": "10%"})
    lab.add("a", 10)
    lab.pressure.open()
    lab.observer.disk = DISK // 20
    lab.after(2)
    assert lab.did == ["reclaim containers images", "strike a", "stop a 0"]


def test_a_disk_with_nothing_to_give_is_not_searched_all_the_time(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"nodefs.available": "10%"})
    lab.pressure.open()
    lab.observer.disk = DISK // 20
    lab.after(RECLAIM_AGAIN_SECONDS * 3)
    assert 2 <= lab.did.count("reclaim containers images") <= 4


def test_memory_comes_first(lab: Lab) -> None:
    lab.add("a", 800)
    lab.pressure.open()
    lab.observer.memory, lab.observer.disk = 50 * MI, DISK // 20
    lab.after(1.5)
    assert lab.did[:2] == ["strike a", "stop a 0"]
    assert lab.pressure.conditions == (Pressure.DISK, Pressure.MEMORY)


def test_what_cannot_be_read_is_unknown_and_no_reason_to_kill(lab: Lab) -> None:
    lab.add("a", 800)
    lab.pressure.open()
    lab.observer.memory = lab.observer.disk = None
    lab.after(30)
    assert lab.did == []
    assert lab.reported[-1] == ((), frozenset({Pressure.MEMORY, Pressure.DISK}))
    lab.observer.memory, lab.observer.disk = CAPACITY, DISK
    lab.after(2)
    assert lab.reported[-1] == ((), frozenset())


def test_a_condition_stays_for_its_time_and_not_longer(lab: Lab) -> None:
    worker = lab.add("a", 800)
    lab.pressure.open()
    lab.observer.memory = 50 * MI
    lab.pressure.look()
    lab.observer.memory = 900 * MI
    lab.leave(worker)
    lab.after(299.9)
    assert [*lab.pressure.conditions] == [Pressure.MEMORY]
    lab.after(0.2)
    assert [*lab.pressure.conditions] == []


def test_another_process_has_its_turn_first(lab: Lab, tmp_path: Path) -> None:
    other = Turn(tmp_path / "eviction.lock")
    assert other.take()
    lab.add("a", 800)
    lab.pressure.open()
    lab.observer.memory = 50 * MI
    lab.after(1)
    assert lab.did == []
    other.give()
    lab.after(1)
    assert lab.did == ["strike a", "stop a 0"]


def test_somebody_elses_turn_does_not_last_for_ever(lab: Lab, tmp_path: Path) -> None:
    other = Turn(tmp_path / "eviction.lock")  # its process is stopped, or gives somebody a long grace period
    assert other.take()
    lab.add("a", 800)
    lab.pressure.open()
    for _ in range(3):  # turns that were waited for long ago do not count
        lab.observer.memory = 50 * MI
        lab.after(TURN_PATIENCE_SECONDS * 0.6)
        lab.observer.memory = 500 * MI
        lab.after(TURN_PATIENCE_SECONDS * 2)
    assert lab.did == []
    assert lab.reasons == ["EvictionThresholdMet"] * lab.reasons.count("EvictionThresholdMet")
    lab.observer.memory = 50 * MI
    lab.pressure.look()
    lab.after(TURN_PATIENCE_SECONDS + 0.1)
    assert lab.did == ["strike a", "stop a 0"]


def test_a_host_without_locks(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    lab.add("a", 800)
    lab.pressure.open()
    monkeypatch.setattr("fcntl.flock", lacks)
    lab.observer.memory = 50 * MI
    lab.pressure.look()
    lab.after(TURN_PATIENCE_SECONDS + 0.1)
    monkeypatch.undo()
    assert lab.did == ["strike a", "stop a 0"]


def test_a_soft_threshold_waits_for_its_turn(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {}, soft={"memory.available": "300Mi"}, grace_seconds=1)
    other = Turn(tmp_path / "eviction.lock")
    assert other.take()
    lab.add("a", 800)
    lab.pressure.open()
    lab.observer.memory = 200 * MI
    lab.after(60)
    assert lab.did == ["relieve 100Mi"]
    other.close()  # its process has ended
    lab.after(0.1)
    assert lab.did[1:] == ["stop a 1"]


def test_a_disk_is_not_searched_while_it_is_somebody_elses_turn(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {}, soft={"nodefs.available": "10%"}, grace_seconds=1)
    other = Turn(tmp_path / "eviction.lock")
    assert other.take()
    lab.add("a", 10)
    lab.pressure.open()
    lab.observer.disk = DISK // 20
    lab.after(20)
    assert lab.did.count("reclaim containers images") <= 20


def test_memory_does_not_wait_until_a_disk_is_cleared(lab: Lab) -> None:
    full, hog = lab.add("full", 10), lab.add("hog", 800)
    lab.pressure.open()
    lab.observer.disk = DISK // 20
    lab.after(2)
    victim, other = (full, hog) if "strike full" in lab.did else (hog, full)
    assert lab.did[1:] == [f"strike {victim.pod.meta.name}", f"stop {victim.pod.meta.name} 0"]
    lab.after(KILLED_PATIENCE_SECONDS)  # its files are being removed, one by one
    assert len(lab.did) == 3
    lab.observer.memory = 50 * MI
    lab.after(0.3)
    assert lab.did[3:] == [f"strike {other.pod.meta.name}", f"stop {other.pod.meta.name} 0"]


def test_a_soft_victim_that_is_hurried_may_still_clear_its_disk(tmp_path: Path) -> None:
    lab = Lab(
        tmp_path,
        {"nodefs.available": "5%"},
        soft={"nodefs.available": "10%"},
        grace_seconds=1,
        max_pod_grace_seconds=60,
    )
    lab.add("a", 10, termination_grace_period_seconds=600)
    lab.add("b", 10, termination_grace_period_seconds=600)
    lab.pressure.open()
    lab.observer.disk = DISK // 12
    lab.after(3)
    assert lab.did == ["reclaim containers images", "stop a 60"]
    lab.observer.disk = DISK // 50
    lab.after(KILLED_PATIENCE_SECONDS + 5)
    assert lab.did[2:] == ["strike a", "stop a 0"]
    assert "ExceededGracePeriod" not in lab.reasons


def test_own_limits_are_enforced_while_a_soft_victim_has_its_grace_period(tmp_path: Path) -> None:
    """And whoever was killed for one does not keep a node that is short of memory waiting."""
    lab = Lab(
        tmp_path,
        {"memory.available": "100Mi"},
        soft={"memory.available": "300Mi"},
        grace_seconds=1,
        max_pod_grace_seconds=600,
    )
    soft = lab.add("soft", 500, termination_grace_period_seconds=600)
    full = lab.add("full", 10, limits="ephemeral-storage=10Mi")
    other = lab.add("other", 300, requests="memory=1Mi")
    lab.pressure.open()
    lab.observer.memory = 200 * MI
    lab.after(2)
    assert lab.did == ["relieve 100Mi", "stop soft 600"]
    lab.disk["full"] = DiskUsage(
        containers={"app": (FsUsage(used_bytes=20 * MI), FsUsage(used_bytes=0))},
        volumes=(),
        ephemeral_storage=FsUsage(used_bytes=20 * MI),
        measured_at=0.0,
    )
    lab.pressure.storage_changed()
    lab.pressure.storage_changed()
    assert lab.did[2:] == ["stop full 1"]
    assert (soft.is_gone, full.is_gone) == (False, False)
    lab.observer.memory = 50 * MI
    lab.after(0.1)
    assert lab.did[3:] == ["strike soft", "stop soft 0", "strike full", "stop full 0"]
    lab.leave(soft)  # not enough, and the files of the other one are still being removed
    lab.pressure.storage_changed()
    lab.after(KILLED_PATIENCE_SECONDS + 0.3)
    assert lab.did[7:] == ["strike other", "stop other 0"]
    assert other.stop_request is not None


def test_a_victim_of_an_agent_that_has_ended_keeps_its_grace_period(tmp_path: Path) -> None:
    """It is not evicted a second time, and nobody goes in its place; but a hard threshold does not wait for it."""
    lab = Lab(
        tmp_path,
        {"memory.available": "100Mi"},
        soft={"memory.available": "300Mi"},
        grace_seconds=1,
        max_pod_grace_seconds=600,
    )
    victim = lab.add("victim", 500, termination_grace_period_seconds=600)
    victim.adopted_eviction = "0123456789ab"
    lab.add("other", 200)
    lab.observer.memory = 200 * MI
    lab.pressure.open()
    lab.after(30.0)
    assert [what for what in lab.did if "relieve" not in what] == []
    lab.observer.memory = 50 * MI
    lab.after(1.0)
    assert [what for what in lab.did if "relieve" not in what] == ["strike victim", "stop victim 0"]


def test_nobody_is_told_the_same_all_the_time(lab: Lab) -> None:
    lab.add("critical", 900, priority=2_000_000_000)
    lab.pressure.open()
    lab.observer.memory = 10 * MI
    lab.after(ANNOUNCE_SECONDS * 3)
    assert 3 <= lab.reasons.count("EvictionThresholdMet") <= 4


def test_who_goes_is_announced_each_time(lab: Lab) -> None:
    first = lab.add("first", 800)
    lab.add("second", 100)
    lab.pressure.open()
    lab.observer.memory = 50 * MI
    lab.pressure.look()
    lab.leave(first)
    assert lab.reasons == ["Evicted", "EvictionThresholdMet"] * 2


def test_far_below_zero(lab: Lab) -> None:
    lab.add("a", 800)
    lab.pressure.open()
    lab.observer.memory = lab.observer.disk = -(1 << 62)
    lab.after(1)
    assert lab.did[:2] == ["strike a", "stop a 0"]


def test_a_threshold_of_everything(tmp_path: Path) -> None:
    lab = Lab(tmp_path, {"memory.available": "100.0%"})
    worker = lab.add("a", 800)
    lab.pressure.open()
    assert lab.did == [], "all is free"
    lab.observer.memory = CAPACITY - 1
    lab.after(1)
    assert lab.did == ["strike a", "stop a 0"]
    lab.leave(worker)
    lab.after(60)
    assert lab.did == ["strike a", "stop a 0"]


def test_a_pod_that_has_gone_by_itself_is_nobodys_victim(lab: Lab) -> None:
    worker = lab.add("a", 800)
    lab.pressure.open()
    worker.is_gone = True
    lab.observer.memory = 50 * MI
    lab.after(1)
    assert (lab.did, lab.records) == ([], [])


def test_the_nearer_the_threshold_the_sooner_the_next_look(lab: Lab) -> None:
    lab.pressure.open()
    waits = []
    for available in (1000, 500, 150, 110):
        lab.observer.memory = available * MI
        lab.pressure.look()
        waits.append(lab.loop.next_at() - lab.clock.seconds)
    assert waits == sorted(waits, reverse=True)
    assert waits[-1] < 0.01
    lab.pressure.look()
    assert lab.loop.next_at() - lab.clock.seconds > waits[-1], "what stands still is looked at less often"


def test_other_thresholds_count_from_now_on(lab: Lab) -> None:
    def config(memory: str) -> EvictionConfig:
        hard = {"memory.available": parse_value(memory)}
        return EvictionConfig(thresholds=thresholds_of(hard=hard, soft={}, grace_ns={}, min_reclaim={}, enforce=()))

    modes = dict.fromkeys(Signal, EvictionMode.ENFORCE)
    lab.add("a", 500)
    lab.pressure.open()
    lab.observer.memory = 150 * MI
    lab.after(2)
    assert lab.did == []
    lab.pressure.reconfigure(config("200Mi"), modes)
    assert lab.did == ["strike a", "stop a 0"]
    assert [str(threshold.signal) for threshold in lab.pressure.thresholds] == ["memory.available"]
    lab.leave(lab.workers[0])
    lab.workers.clear()
    lab.add("b", 500)
    lab.pressure.reconfigure(config("100Mi"), modes)
    lab.after(5)
    assert lab.did == ["strike a", "stop a 0"]
