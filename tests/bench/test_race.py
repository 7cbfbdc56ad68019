from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from bench import contest, hog, idle
from bench.contest import Case, Result
from bench.watch import NotDecided, Race, killed, until_back, watch

MIB = 1 << 20


def race(reaction_ms: float = 5.0, *, oom: bool = False) -> Race:
    return Race(
        crossed_at=1.0,
        killed_at=1.0 + reaction_ms / 1000,
        dead_at=1.1,
        back_at=1.1,
        past=4 * MIB,
        taken=516 * MIB,
        rate=1024.0 * MIB,
        oom_killed=oom,
        longest_gap=0.001,
    )


def result(subject: str, *races: Race, kind: str = "memory", seconds: tuple[float, ...] = ()) -> Result:
    case = Case(kind=kind, subject=subject, count=1, run=lambda: race())
    return Result(case, races=list(races), seconds=list(seconds))


ALIVE = b"7 (a) b) R 1 7 7 0 -1 4194304 100 0"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        pytest.param(b"SigPnd:\t0000000000000000\nShdPnd:\t0000000000000100\n", True, id="for all threads"),
        pytest.param(b"SigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n", True, id="for one thread"),
        pytest.param(b"SigPnd:\t0000000000000000\nShdPnd:\t0000000000004000\n", False, id="SIGTERM is not SIGKILL"),
        pytest.param(b"SigBlk:\t0000000000000100\n", False, id="blocked is not pending"),
    ],
)
def test_sigkill_is_seen_when_it_is_pending(status: bytes, answer: bool) -> None:
    assert killed(status, ALIVE) is answer


@pytest.mark.parametrize(("flags", "answer"), [(0x400100, False), (0x400104, True), (0x400500, True)])
def test_sigkill_is_seen_when_it_was_taken(flags: int, answer: bool) -> None:
    assert killed(b"ShdPnd:\t0000000000000000\n", b"7 (a) b) R 1 7 7 0 -1 %d 100 0" % flags) is answer


class Process:
    """Something that takes one unit a millisecond and is killed a while after it has taken half."""

    def __init__(self, kill_at: int) -> None:
        self.child = subprocess.Popen(["sleep", "1000"])
        self.kill_at = kill_at
        self.amount = 0

    def taken(self) -> int:
        if self.child.poll() is not None:
            return 0
        self.amount += 1
        if self.amount == self.kill_at:
            self.child.kill()
        return self.amount


def test_a_race_is_seen_from_the_crossing_to_the_return() -> None:
    process = Process(kill_at=120)
    started = time.monotonic()
    seen = watch(
        process.child.pid,
        available=lambda: 200 - process.amount,
        threshold=100,
        go=lambda: None,
        taken=process.taken,
    )
    assert started < seen.crossed_at < seen.killed_at <= seen.dead_at <= seen.back_at
    assert seen.taken >= 119
    assert seen.past >= 15
    assert not seen.oom_killed


def test_a_process_that_is_killed_before_the_crossing_decides_nothing() -> None:
    process = Process(kill_at=10)
    with pytest.raises(NotDecided, match="before"):
        watch(process.child.pid, available=lambda: 200, threshold=100, go=lambda: None, taken=process.taken)


def test_nobody_is_killed() -> None:
    process = subprocess.Popen(["sleep", "1000"])
    try:
        with pytest.raises(NotDecided, match="not killed"):
            watch(
                process.pid,
                available=lambda: 200,
                threshold=100,
                go=lambda: None,
                taken=lambda: 0,
                timeout_seconds=0.01,
            )
    finally:
        process.kill()
        process.wait()


def test_a_bare_kill_is_over_when_what_was_taken_is_back() -> None:
    process = subprocess.Popen(["sleep", "1000"])
    assert until_back(process.pid, taken=lambda: 100 if process.poll() is None else 0) > 0


@pytest.mark.parametrize("with_compiler", [True, False])
def test_the_hog_makes_as_many_files_as_it_is_told(
    tmp_path: Path, with_compiler: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_compiler:
        monkeypatch.setattr(hog.shutil, "which", lambda _: None)
    command = hog.build(tmp_path)
    os.mkfifo(tmp_path / "go")
    (tmp_path / "data").mkdir()
    process = subprocess.Popen([*command, "go", "inodes", "100000", "64", "data"], cwd=tmp_path)
    try:
        (tmp_path / "go").write_bytes(b"x")
        deadline = time.monotonic() + 60
        while len(os.listdir(tmp_path / "data")) < 64 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(os.listdir(tmp_path / "data")) == 64
        assert Path(f"/proc/{process.pid}/comm").read_text() == f"{hog.NAME}\n"
    finally:
        process.kill()
        process.wait()


def test_the_report_has_a_line_for_every_subject() -> None:
    text = contest.report([result("nodeguard", race()), result("bare SIGKILL", seconds=(0.05,)), result("earlyoom")])
    assert "nodeguard" in text
    assert "bare SIGKILL" in text
    assert "earlyoom" not in text, "nothing was measured"


@pytest.mark.parametrize(
    ("reaction_ms", "word"), [pytest.param(9.0, "pass", id="in time"), pytest.param(41.0, "MISS", id="late")]
)
def test_the_reaction_is_held_against_what_is_wanted(reaction_ms: float, word: str) -> None:
    median, p99, past, back = contest.verdicts(
        [result("nodeguard", race(reaction_ms)), result("bare SIGKILL", seconds=(0.08,))]
    )
    assert median.startswith(word)
    assert p99.startswith(word)
    assert past.startswith("pass")
    assert back.startswith("pass")


def test_a_race_lost_to_the_kernel_is_a_miss() -> None:
    (line,) = contest.verdicts([result("nodeguard", race(), race(oom=True), kind="last 100 Mi")])
    assert line.startswith("MISS")


def test_a_case_that_never_decides_is_given_up() -> None:
    def undecided() -> Race:
        raise NotDecided("nobody was killed")

    (outcome,), failures = contest.run([Case(kind="memory", subject="nodeguard", count=20, run=undecided)])
    assert len(outcome.undecided) == 3
    assert "3 x nobody was killed" in failures["nodeguard, memory"]


def test_a_hog_that_was_starved_does_not_count() -> None:
    (outcome,), failures = contest.run([Case(kind="memory", subject="x", count=1, run=race, rate=2048.0 * MIB)])
    assert (outcome.races, outcome.busy) == ([], 5)
    assert "busy" in failures["x, memory"]


def test_growth_is_counted_from_line_to_line() -> None:
    def figure(pods: int, pss_bytes: int) -> idle.Idle:
        return idle.Idle(
            pods=pods,
            start_seconds=1.0,
            cpu_seconds_a_minute=0.5,
            wakeups_a_minute=60,
            pss_bytes=pss_bytes,
            conmon_pss_bytes=pods << 20,
        )

    found = [figure(10, 20 * MIB), figure(100, 20 * MIB + 90 * 20 * 1024)]
    assert "20 KiB" in idle.table(found).splitlines()[-1]
    assert [line[:4] for line in idle.verdicts(found)] == ["pass", "pass"]
