"""The status of the node as its agent tells it: stories on a clock of their own."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evictionbuilder import S, candidates, config, memory, named, seen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from podbuilder import amounts

from nodeguard.agent.node_file import NodeFile, read_node_files
from nodeguard.agent.node_status import NodeStatus, pressures_told, told_conditions
from nodeguard.agent.record import Owner
from nodeguard.model.contention import ContentionSample, LinkLoss
from nodeguard.model.eviction import Candidate, EvictionMemory, Layout, Observation, Snapshot
from nodeguard.model.node import MountPlace, NodeCondition, NodeFacts
from nodeguard.model.pod import Pod
from nodeguard.model.signal import Pressure, Signal
from nodeguard.policy.eviction import evaluate
from nodeguard.policy.node_condition import NodeEvent

FACTS = NodeFacts(name="n1", registered_at=0.0, capacity=amounts("cpu=4"), allocatable=amounts("cpu=4"))
PLACES = {"nodefs": MountPlace(mount_point="/data", device="/dev/vdb")}


class FakeClock:
    at = 1_000_000.0

    def now(self) -> float:
        return self.at


class FakeLoop:
    """Timers are called by ``run_to``; threads work at once, or when they are told to."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.timers: list[tuple[float, int, Any]] = []
        self.slow: list[Callable[[], None]] | None = None

    def call_at(self, at: float, callback: Callable[[], None]) -> Any:
        timer = type("Timer", (), {"callback": staticmethod(callback), "cancel": lambda self: self.drop()})()
        timer.drop = lambda: setattr(timer, "callback", None)
        heapq.heappush(self.timers, (at, len(self.timers) + id(timer), timer))
        return timer

    def in_thread(self, work: Callable[[], Any], then: Callable[[Any, BaseException | None], None]) -> None:
        def job() -> None:
            try:
                result, error = work(), None
            except OSError as e:
                result, error = None, e
            then(result, error)

        if self.slow is None:
            job()
        else:
            self.slow.append(job)

    def run_for(self, seconds: float) -> None:
        end = self.clock.at + seconds
        while self.timers and self.timers[0][0] <= end:
            at, _, timer = heapq.heappop(self.timers)
            self.clock.at = max(self.clock.at, at)
            if timer.callback is not None:
                timer.callback()
        self.clock.at = end


class Story:
    def __init__(self, run_dir: Path, configured: Any = None, **more: Any) -> None:
        self.settings = configured or config("memory.available<1Gi nodefs.available<10%", transition_ns=300 * S)
        self.loop, self.run_dir = FakeLoop(), run_dir
        self.events: list[NodeEvent] = []
        self.pods: list[Pod] = []
        self.memory = EvictionMemory()
        self.sample = ContentionSample()
        self.status = NodeStatus(
            FACTS,
            loop=self.loop,  # type: ignore[arg-type]
            run_dir=run_dir,
            owner=Owner.current(),
            thresholds=self.settings.thresholds,
            transition_ns=self.settings.transition_ns,
            layout=Layout(),
            places=PLACES,
            pods=lambda: self.pods,
            on_events=self.events.extend,
            sample=lambda: self.sample,
            **more,
        )

    def look(self, figures: str, unknown: set[Pressure] | None = None, pods: tuple[Candidate, ...] = ()) -> None:
        now_ns = round((self.loop.clock.at - FakeClock.at) * S)
        observations = seen(figures)
        snapshot = Snapshot(observations=observations, candidates=pods)
        self.memory = evaluate(self.settings, self.memory, snapshot, now_ns).memory
        self.status.report(self.memory, observations, unknown=unknown or set(), now_ns=now_ns, candidates=pods)

    def open(self) -> None:
        self.look("memory.available=4Gi/8Gi nodefs.available=50Gi/100Gi")
        self.status.open()

    def condition(self, type_: str) -> NodeCondition:
        return next(one for one in self.status.conditions if one.type == type_)

    def file(self) -> NodeFile:
        (file,) = read_node_files(self.run_dir, Owner.current().boot_id)
        return file

    def take_events(self) -> list[str]:
        reasons = [event.reason for event in self.events]
        self.events.clear()
        return reasons


@pytest.fixture
def story(tmp_path: Path) -> Story:
    found = Story(tmp_path)
    found.open()
    return found


def test_the_first_report(story: Story) -> None:
    assert [condition.type for condition in story.status.conditions] == [
        "MemoryPressure",
        "DiskPressure",
        "PIDPressure",
        "CPUPressure",
        "IOPressure",
        "NetworkPressure",
        "Ready",
    ]
    assert story.take_events() == [
        "NodeHasSufficientMemory",
        "NodeHasNoDiskPressure",
        "NodeHasSufficientPID",
        "NodeReady",
    ]
    assert story.file().conditions == story.status.conditions


def test_before_the_first_look_nothing_is_known(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.status.open()
    assert {story.condition(pressure).status for pressure in Pressure} == {"Unknown"}


def test_true_at_once_false_only_after_the_period(story: Story) -> None:
    story.take_events()
    story.loop.run_for(5)
    story.look("memory.available=512Mi/8Gi", pods=candidates((named("hog"), memory("7Gi"))))
    seen_at = story.loop.clock.at
    condition = story.condition("MemoryPressure")
    assert (condition.status, condition.last_transition_at) == ("True", seen_at)
    assert condition.message == (
        "kubelet has insufficient memory available: memory.available is 536870912 (512Mi) of 8589934592 (8Gi), "
        "threshold 1073741824 (1Gi), hard; top consumers: default/hog 7516192768 (7Gi), "
        "outside pods 536870912 (512Mi)"
    )
    assert story.file().conditions[0] == condition, "others know at once"
    assert story.take_events() == ["NodeHasInsufficientMemory"]

    story.loop.run_for(1)
    story.look("memory.available=4Gi/8Gi")
    ends = story.file().ends["MemoryPressure"]
    assert ends == pytest.approx(seen_at + 300)
    story.loop.run_for(298.999)
    story.look("memory.available=4Gi/8Gi")
    assert story.condition("MemoryPressure").status == "True"
    story.loop.run_for(0.001)
    story.look("memory.available=4Gi/8Gi")
    condition = story.condition("MemoryPressure")
    assert (condition.status, condition.reason) == ("False", "KubeletHasSufficientMemory")
    assert condition.last_transition_at == story.loop.clock.at
    assert story.take_events() == ["NodeHasSufficientMemory"]


def test_con_1_the_message_tells_of_the_crossing(story: Story) -> None:
    story.look("nodefs.available=9Gi/100Gi")
    first = story.condition("DiskPressure").message
    assert "nodefs.available is 9663676416 (9Gi)" in first
    assert first.endswith(", hard, at /data (/dev/vdb)")
    story.look("nodefs.available=1Gi/100Gi")
    story.loop.run_for(400)
    assert story.condition("DiskPressure").message == first


def test_what_cannot_be_read_is_unknown_and_named(story: Story) -> None:
    story.look("memory.available=4Gi/8Gi", unknown={Pressure.DISK})
    condition = story.condition("DiskPressure")
    assert (condition.status, condition.reason) == ("Unknown", "SignalUnknown")
    assert condition.message == "kubelet cannot tell: nodefs.available cannot be read"
    assert not any("Disk" in reason for reason in story.take_events()[4:])
    story.look("memory.available=4Gi/8Gi nodefs.available=50Gi/100Gi")
    assert story.condition("DiskPressure").status == "False"


def test_con_3_heartbeats_are_rare_signs_of_life_are_not(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(100, 1000))
    monkeypatch.setattr("nodeguard.agent.node_status.time.monotonic", lambda: float(next(now)))
    opened_at = story.loop.clock.at
    lives = []
    for _ in range(29):
        story.loop.run_for(10)
        lives.append(story.file().renewed_at)
    assert lives == sorted(set(lives)), "renewed every ten seconds"
    assert {condition.last_heartbeat_at for condition in story.status.conditions} == {opened_at}
    story.loop.run_for(10)
    assert {condition.last_heartbeat_at for condition in story.status.conditions} == {opened_at + 300}
    assert {condition.last_transition_at for condition in story.status.conditions} == {opened_at}


def test_cfg_14_both_intervals_can_be_set(tmp_path: Path) -> None:
    story = Story(tmp_path, update_seconds=4.0, report_seconds=8.0)
    story.open()
    opened_at, beats = story.loop.clock.at, []
    for _ in range(5):
        story.loop.run_for(4)
        beats.append(story.condition("Ready").last_heartbeat_at - opened_at)
    assert beats == [0, 8, 8, 16, 16]


def test_a_sign_of_life_is_never_rare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeguard.agent.node_status.time.monotonic", lambda: story.loop.clock.at)
    story = Story(tmp_path, update_seconds=3600.0)
    story.open()
    story.loop.run_for(60)
    assert story.loop.clock.at - story.file().renewed_at <= 10


def test_pods_that_come_together_are_told_together(story: Story) -> None:
    story.loop.slow = []
    for number in range(50):
        story.pods.append(named(f"p{number}"))
        story.status.pods_changed()
    story.loop.run_for(0.2)
    assert len(story.loop.slow) == 1
    story.loop.slow.pop()()
    assert len(story.file().pods) == 50


def test_a_slow_disk_gets_the_latest_only(story: Story) -> None:
    story.loop.slow = []
    story.look("memory.available=1Mi/8Gi nodefs.available=50Gi/100Gi")
    story.look("memory.available=1Mi/8Gi nodefs.available=1Gi/100Gi")
    story.status.set_faults(["no more"])
    assert len(story.loop.slow) == 1
    story.loop.slow.pop(0)()
    assert story.file().conditions[1].status == "False", "as of the first"
    story.loop.slow.pop(0)()
    assert story.file().conditions == story.status.conditions
    assert story.loop.slow == []


def test_nothing_is_left_when_it_closes_while_it_writes(story: Story) -> None:
    story.loop.slow = []
    story.status.set_faults(["no more"])
    story.status.close()
    story.loop.slow.pop()()
    assert list((story.run_dir / "nodes").iterdir()) == []
    story.loop.run_for(1000)
    assert story.loop.slow == []


def test_a_disk_that_refuses_stops_nobody(
    story: Story, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, text: bytes) -> None:
        raise OSError("no space")

    monkeypatch.setattr("nodeguard.agent.node_status.write_text", refuse)
    story.look("memory.available=1Mi/8Gi")
    assert story.condition("MemoryPressure").status == "True"
    assert "no space" in caplog.text
    monkeypatch.undo()
    story.loop.run_for(10)
    assert story.file().conditions[0].status == "True"


def test_a_node_with_faults_is_not_ready(story: Story) -> None:
    story.take_events()
    story.status.set_faults(["the runtime is gone"])
    assert story.condition("Ready").message == "the runtime is gone"
    assert story.take_events() == ["NodeNotReady"]
    assert {taint["key"] for taint in story.status.node()["spec"]["taints"]} == {"node.kubernetes.io/not-ready"}
    story.status.set_faults([])
    assert story.condition("Ready").status == "True"


def test_contention_is_looked_at_every_ten_seconds(story: Story) -> None:
    story.sample = ContentionSample(links={"eth0": LinkLoss(packets=0, lost=0)})
    story.loop.run_for(10)
    assert story.condition("NetworkPressure").status == "False"
    story.sample = ContentionSample(links={"eth0": LinkLoss(packets=1000, lost=500)})
    story.loop.run_for(10)
    assert story.condition("NetworkPressure").status == "True"
    assert "taints" not in story.status.node()["spec"]
    story.loop.run_for(10)
    assert story.condition("NetworkPressure").status == "False"


def test_the_legacy_view_has_a_switch(tmp_path: Path) -> None:
    answers = iter([False, True, True])
    story = Story(tmp_path, is_out_of_disk=lambda: next(answers))
    story.open()
    assert story.status.conditions[0].type == "OutOfDisk"
    assert story.status.node()["status"]["phase"] == "Running"
    story.take_events()
    story.loop.run_for(10)
    assert story.condition("OutOfDisk").status == "True"
    assert story.take_events() == ["NodeOutOfDisk"]


def test_the_signals_are_as_of_the_renewal(tmp_path: Path) -> None:
    figures = "memory.available=3Gi/8Gi"
    story = Story(tmp_path, observe=lambda: seen(figures))
    story.open()
    figures = "memory.available=2Gi/8Gi"
    story.loop.run_for(10)
    state = next(state for state in story.file().signals if state.signal is Signal.MEMORY_AVAILABLE)
    assert state.available == 2 * 1024**3


def test_others_pressure_counts_at_admission(story: Story) -> None:
    me = Owner.current()
    story.look("memory.available=1Mi/8Gi")
    assert pressures_told(story.run_dir, me) == (), "our own word is not that of others"
    other = Owner(pid=1, start_time_ticks=0, boot_id=me.boot_id)
    assert set(pressures_told(story.run_dir, other)) == {"MemoryPressure", "Ready"}


def test_a_silent_process_says_nothing(story: Story) -> None:
    story.look("memory.available=1Mi/8Gi")
    file = story.file()
    heard = told_conditions([file], monotonic=file.renewed_at + 50, now=5000.0)
    assert {condition.status for condition in heard} >= {"True"}
    silent = told_conditions([file], monotonic=file.renewed_at + 50.5, now=5000.0)
    assert {condition.status for condition in silent} == {"Unknown"}
    ready = next(condition for condition in silent if condition.type == "Ready")
    assert (ready.reason, ready.message) == ("NodeStatusUnknown", "Kubelet stopped posting node status.")


def test_observations_are_told_for_every_threshold(story: Story) -> None:
    by_signal = {state.signal: state for state in story.file().signals}
    assert by_signal[Signal.NODEFS_AVAILABLE].mount_point == "/data"
    assert by_signal[Signal.MEMORY_AVAILABLE].limit == 1024**3
    story.status.report(
        story.memory,
        {Signal.MEMORY_AVAILABLE: Observation(available=-5, capacity=10)},
        unknown=set(),
        now_ns=0,
    )
    story.loop.run_for(10)
    assert {state.available for state in story.file().signals} == {-5, None}


LOOKS = st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["low", "equal", "high", "unreadable"])), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LOOKS)
def test_true_while_it_was_seen_within_the_period_else_what_can_be_read(
    tmp_path: Path, looks: list[tuple[int, str]]
) -> None:
    """True at once and for the period; Unknown only where nothing was seen lately and nothing can be read."""
    available = {"low": "512Mi", "equal": "1Gi", "high": "2Gi"}
    story = Story(tmp_path)
    story.open()
    seen_at: float | None = None
    for seconds, what in looks:
        story.loop.clock.at += seconds
        now = story.loop.clock.at
        before = story.condition("MemoryPressure")
        story.take_events()
        if what == "unreadable":
            story.look("", unknown={Pressure.MEMORY})
        else:
            story.look(f"memory.available={available[what]}/8Gi")
        if what == "low":
            seen_at = now
        expected = "Unknown" if what == "unreadable" else "False"
        if seen_at is not None and now - seen_at < 300:
            expected = "True"
        after = story.condition("MemoryPressure")
        assert after.status == expected
        changed = after.status != before.status
        assert after.last_transition_at == (now if changed else before.last_transition_at)
        assert (after.message == before.message) or changed
        events = [reason for reason in story.take_events() if "Memory" in reason]
        assert len(events) == (1 if changed and expected != "Unknown" else 0)
        taints = [taint["key"] for taint in story.status.node()["spec"].get("taints", [])]
        assert taints == (["node.kubernetes.io/memory-pressure"] if expected == "True" else [])
    story.status.close()
