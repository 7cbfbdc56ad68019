"""The history on disk: several writers, writers that are killed, files that are damaged, disks that are full."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loopdisk import tmpfs

from nodeguard.agent import history_writer
from nodeguard.agent.history_reader import count_evictions, read_decisions, read_events
from nodeguard.agent.history_writer import History
from nodeguard.errors import HistoryDamaged, NodeguardError, PermissionDenied
from nodeguard.model.decision import Action, DecidedPod, DecisionRecord, DecisionType, Outcome, Progress
from nodeguard.model.instant import rfc3339_micro
from nodeguard.model.meta import Event
from nodeguard.model.pod import QOSClass
from nodeguard.model.unwire import from_wire
from nodeguard.model.wire import to_wire

HOG = DecidedPod(namespace="default", name="hog", uid="u1", qos_class=QOSClass.BEST_EFFORT, priority=0)


def record(id_: str = "1", at: float | None = None, **fields: Any) -> DecisionRecord:
    return DecisionRecord(
        id=id_,
        type=fields.pop("type", DecisionType.EVICTION),
        at=rfc3339_micro(time.time() if at is None else at),
        node="n1",
        pod=fields.pop("pod", HOG),
        reason="Evicted",
        message=fields.pop("message", "low"),
        **fields,
    )


def event(message: str = "m", at: float | None = None, **fields: Any) -> Event:
    return Event(at=time.time() if at is None else at, type="Normal", reason="Started", message=message, **fields)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.db"


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def opened(path: Path, reports: list[str]) -> Iterator[Callable[..., History]]:
    """Makes histories that are closed at the end, whatever happens."""
    made: list[History] = []

    def make(**options: Any) -> History:
        made.append(History(path, report=reports.append, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


def test_what_is_written_is_read_again(opened: Callable[..., History], path: Path) -> None:
    one = opened()
    wanted = [record("1", 1.5e9 + 1e9 / 2), record("2", 2e9 + 0.25)]
    for item in reversed(wanted):
        one.append(lambda item=item: item)  # type: ignore[misc]
    assert one.close()
    assert [from_wire(DecisionRecord, item) for item in read_decisions(path)] == wanted, "oldest first"


def test_only_root_may_read_it(opened: Callable[..., History], path: Path) -> None:
    one = opened()
    one.append(record)
    assert one.close()
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_update_adds_what_has_become_known(opened: Callable[..., History], path: Path) -> None:
    one, at = opened(), 1_800_000_000.0
    crossed = replace(record("1", at).timings, crossed_at=rfc3339_micro(at))
    one.append(lambda: replace(record("1", at), timings=crossed, outcome=Outcome.PENDING))
    one.update("1", Progress(killed_at=at + 0.0071))
    one.update("1", Progress(gone_at=at + 0.2, freed_bytes=5, outcome=Outcome.GONE))
    one.update("of something else", Progress(outcome=Outcome.FAILED))
    assert one.close()
    (found,) = read_decisions(path)
    assert found["timings"]["crossingToKillMs"] == 7.1
    assert found["timings"]["goneAt"] == rfc3339_micro(at + 0.2)
    assert (found["freedBytes"], found["outcome"]) == (5, "gone")


def test_questions(opened: Callable[..., History], path: Path) -> None:
    one = opened()
    other = replace(HOG, namespace="shop")
    one.append(lambda: record("1", 2e9))
    one.append(lambda: record("2", 2e9 + 10, pod=other))
    one.event(event("a", 2e9, pod="default/hog"))
    one.event(event("b", 2e9 + 1, pod="shop/hog", annotations={"x": "y"}))
    one.event(event("c", 2e9 + 2, node="n1"))
    assert one.close()
    assert [item["id"] for item in read_decisions(path, pod="shop/hog")] == ["2"]
    assert [item["id"] for item in read_decisions(path, since=2e9 + 1)] == ["2"]
    assert [item["id"] for item in read_decisions(path, ids=["1"])] == ["1"]
    assert [item.message for item in read_events(path)] == ["a", "b", "c"]
    assert read_events(path, pod="shop/hog") == [event("b", 2e9 + 1, pod="shop/hog", annotations={"x": "y"})]
    assert [item.message for item in read_events(path, since=2e9 + 1.5)] == ["c"]


@pytest.mark.parametrize("content", [None, b""], ids=["no file", "an empty one"])
def test_where_there_is_no_history_nothing_has_happened(path: Path, content: bytes | None) -> None:
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    assert (read_decisions(path), read_events(path)) == ([], [])


def test_the_caller_waits_for_nothing(opened: Callable[..., History], path: Path) -> None:
    """The record is made in the history's own thread, also while the file is locked by somebody else."""
    one, threads = opened(), []

    def make() -> DecisionRecord:
        threads.append(threading.current_thread())
        return record()

    one.append(lambda: record("0"))
    until(lambda: path.exists() and read_decisions(path))
    locked = sqlite3.connect(path, isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    one.append(make)
    assert threading.current_thread() not in until(lambda: threads)
    locked.execute("ROLLBACK")
    locked.close()
    assert one.close(20)
    assert len(read_decisions(path)) == 2


def test_the_end_does_not_wait_for_long_and_says_so(
    opened: Callable[..., History], path: Path, reports: list[str]
) -> None:
    one = opened()
    one.append(lambda: record("0"))
    until(lambda: path.exists() and read_decisions(path))
    locked = sqlite3.connect(path, isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    one.append(lambda: record("1"))
    assert not one.close(0.05)
    locked.execute("ROLLBACK")
    locked.close()
    assert reports == [f"history {path}: not all was written within 0.05 s"]
    until(lambda: len(read_decisions(path)) == 2)


def test_a_record_that_cannot_be_made_does_not_keep_others_from_it(opened: Callable[..., History], path: Path) -> None:
    one = opened()
    one.append(lambda: record("1", message="\udc80 \u2026 \x00"))
    one.append(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    one.append(lambda: record("2"))
    assert one.close()
    assert {item["id"]: item["message"] for item in read_decisions(path)} == {"1": "\udc80 \u2026 \x00", "2": "low"}


# Damage


def damaged(path: Path) -> None:
    """A file that says what it is, and holds nonsense from its second page on."""
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE entry (number INTEGER PRIMARY KEY, body TEXT); PRAGMA user_version = 1")
    connection.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


def nonsense(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"what is this? " * 1000)


@pytest.mark.parametrize("spoil", [damaged, nonsense])
def test_a_damaged_file_is_set_aside(
    opened: Callable[..., History], path: Path, reports: list[str], spoil: Callable[[Path], None]
) -> None:
    spoil(path)
    content = path.read_bytes()
    one = opened()
    one.append(record)
    assert one.close()
    assert [item["id"] for item in read_decisions(path)] == ["1"]
    assert path.with_name("history.db.damaged").read_bytes()[4096:] == content[4096:]
    (report,) = reports
    assert "is damaged" in report
    assert "kept as history.db.damaged, a new one is begun" in report


def test_damage_while_running(opened: Callable[..., History], path: Path, reports: list[str]) -> None:
    """Another process sees it first; who has the old file open goes on with the new one."""
    one = opened()
    one.append(lambda: record("lost"))
    until(lambda: path.exists() and read_decisions(path))
    path.write_bytes(b"\xff" * 40960)
    other = writer(path, "other", 1)
    other.communicate()
    assert other.returncode == 0
    one.append(lambda: record("new"))
    assert one.close(20)
    assert [item["id"] for item in read_decisions(path)] == ["other-0", "new"]
    assert path.with_name("history.db.damaged").read_bytes() == b"\xff" * 40960
    assert reports == []


def test_a_reader_tells_of_damage(path: Path) -> None:
    nonsense(path)
    with pytest.raises(HistoryDamaged, match=r"damaged .*the next nodeguard that writes to it sets it aside"):
        read_decisions(path)
    assert path.exists()


def test_only_the_latest_damaged_file_is_kept(opened: Callable[..., History], path: Path) -> None:
    for text in (b"first" * 100, b"second" * 100):
        path.parent.mkdir(exist_ok=True)
        for left in path.parent.glob("history.db*"):
            if "damaged" not in left.name:
                left.unlink()
        path.write_bytes(text)
        one = opened()
        one.append(record)
        assert one.close()
    assert path.with_name("history.db.damaged").read_bytes() == b"second" * 100


def test_a_file_that_was_taken_away_is_made_again(opened: Callable[..., History], path: Path) -> None:
    one = opened()
    one.append(lambda: record("1"))
    until(lambda: path.exists() and read_decisions(path))
    for file in path.parent.glob("history.db*"):
        file.unlink()
    one.append(lambda: record("2"))
    assert one.close()
    assert [item["id"] for item in read_decisions(path)] == ["2"]


def test_a_file_of_a_newer_version_is_left_alone(
    opened: Callable[..., History], path: Path, reports: list[str]
) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE later (x); PRAGMA user_version = 9")
    connection.close()
    one = opened()
    one.append(record)
    assert not one.close()
    assert "a newer nodeguard made it (version 9)" in reports[0]
    assert "1 records are lost" in reports[1]
    connection = sqlite3.connect(path)
    assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["later"]
    connection.close()


# A disk that takes nothing


def test_what_cannot_be_written_waits_and_is_written_later(
    opened: Callable[..., History], path: Path, reports: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory in the file's place stands for every disk that takes nothing: it fails for root as well."""
    monkeypatch.setattr(history_writer, "RETRY_SECONDS", (0.01,))
    path.mkdir(parents=True)
    one = opened()
    one.append(lambda: record("1"))
    until(lambda: reports)
    assert "1 records wait in memory" in reports[0]
    one.append(lambda: record("2"))
    one.update("1", Progress(outcome=Outcome.GONE))
    path.rmdir()
    until(lambda: len(reports) == 2)
    assert reports[1].endswith("written again")
    assert one.close()
    assert [(item["id"], item["outcome"]) for item in read_decisions(path)] == [("1", "gone"), ("2", None)]


def test_memory_is_bounded_while_nothing_can_be_written(
    opened: Callable[..., History], path: Path, reports: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_writer, "RETRY_SECONDS", (0.01,))
    monkeypatch.setattr(history_writer, "WAITING_AT_MOST", 3)
    path.mkdir(parents=True)
    one = opened()
    for number in range(10):
        one.append(lambda number=number: record(str(number)))  # type: ignore[misc]
    until(lambda: "records are lost" in " ".join(reports))
    path.rmdir()
    until(lambda: reports[-1].endswith("written again"))
    assert one.close()
    found = [item["id"] for item in read_decisions(path)]
    assert found[-1] == "9", "the oldest are lost"


def limited(path: Path, max_bytes: int) -> None:
    """In a process of its own: a file may not grow beyond ``max_bytes``, which is how a full disk looks."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, resource.RLIM_INFINITY))
    reports: list[str] = []
    history_writer.RETRY_SECONDS = (0.05,)
    one = History(path, report=reports.append)
    for number in range(40):
        one.append(lambda number=number: record(str(number), message="x" * 10_000))  # type: ignore[misc]
    until(lambda: reports)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    until(lambda: reports[-1].endswith("written again"))
    os._exit(0 if one.close(20) else 1)


def test_a_full_disk(path: Path) -> None:
    code = f"import sys; sys.path[:0] = ['tests/agent', 'tests', '.']; import test_history, pathlib; \
test_history.limited(pathlib.Path({str(path)!r}), 100_000)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert [item["id"] for item in read_decisions(path)] == [str(number) for number in range(40)]


@pytest.mark.root
@pytest.mark.anywhere
def test_a_file_system_without_space(
    path: Path, opened: Callable[..., History], reports: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_writer, "RETRY_SECONDS", (0.05,))
    path.parent.mkdir()
    with tmpfs(path.parent, "size=512k") as directory:
        one = opened()
        one.append(lambda: record("0"))
        until(lambda: path.exists() and read_decisions(path))
        filler = directory / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        for number in range(1, 20):
            one.append(lambda number=number: record(str(number), message="x" * 5000))  # type: ignore[misc]
        until(lambda: reports)
        assert "wait in memory" in reports[0]
        filler.unlink()
        until(lambda: reports[-1].endswith("written again"))
        assert one.close(20)
        assert [item["id"] for item in read_decisions(path)] == [str(number) for number in range(20)]
        one._store._connection = None


# Retention


def test_the_old_go(opened: Callable[..., History], path: Path) -> None:
    one = opened()
    now = time.time()
    one.append(lambda: record("old", now - 8 * 86400))
    one.event(event(at=now - 8 * 86400))
    one.append(lambda: record("young", now - 6 * 86400))
    assert one.close()
    assert len(read_decisions(path)) == 2, "the first look was before they came"
    other = opened()
    other.append(lambda: record("new", now))
    assert other.close()
    assert [item["id"] for item in read_decisions(path)] == ["young", "new"]
    assert read_events(path) == []


def test_the_file_does_not_outgrow_its_limit(opened: Callable[..., History], path: Path) -> None:
    limit = 1 << 20
    one = opened(max_bytes=limit)
    for number in range(200):
        one.append(lambda number=number: record(str(number), 2e9 + number, message="x" * 20_000))  # type: ignore[misc]
        if number % 10 == 9:
            until(lambda number=number: read_decisions(path, ids=[str(number)]))  # type: ignore[misc]
            assert sum(file.stat().st_size for file in path.parent.glob("history.db")) <= limit
    assert one.close()
    ids = [int(item["id"]) for item in read_decisions(path)]
    assert ids == list(range(ids[0], 200)), "the oldest went"
    assert len(ids) > 10


# Several processes, and killed ones

WRITER = """
import sys, itertools, pathlib
sys.path[:0] = ['tests/agent', 'tests', '.']
from test_history import History, record, Progress, Outcome
path, name, count = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
history = History(path)
for number in range(count) if count else itertools.count():
    history.append(lambda number=number: record(f"{name}-{number}", message="x" * 500))
    history.update(f"{name}-{number}", Progress(outcome=Outcome.GONE))
    if number % 20 == 0:
        print(number, flush=True)
raise SystemExit(0 if history.close(60) else 1)
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(argv, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True)


def test_several_processes_write_at_once(path: Path) -> None:
    running = [writer(path, name, 100) for name in "abc"]
    for process in running:
        process.communicate()
        assert process.returncode == 0
    found = read_decisions(path)
    assert {item["outcome"] for item in found} == {"gone"}
    assert sorted(item["id"] for item in found) == sorted(f"{name}-{n}" for name in "abc" for n in range(100))


def test_a_writer_may_be_killed_at_any_moment(path: Path, opened: Callable[..., History], reports: list[str]) -> None:
    for delay in (0.0, 0.004, 0.015):
        process = writer(path, f"k{delay}", 0)
        assert process.stdout is not None
        process.stdout.readline()
        until(lambda delay=delay: read_decisions(path, ids=[f"k{delay}-0"]))  # type: ignore[misc]
        time.sleep(delay)
        process.kill()
        process.communicate()
    one = opened()
    one.append(lambda: record("after"))
    assert one.close(20)
    assert reports == []
    for item in read_decisions(path)[-100:]:
        from_wire(DecisionRecord, item)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


@pytest.mark.root
@pytest.mark.anywhere
@pytest.mark.parametrize("mode", [0o700, 0o755], ids=["a closed directory", "a closed file"])
def test_others_are_told_to_be_root(opened: Callable[..., History], path: Path, mode: int) -> None:
    one = opened()
    one.append(record)
    assert one.close()
    above = {directory: directory.stat().st_mode for directory in path.parents[1:4]}
    for directory in above:
        directory.chmod(0o755)
    path.parent.chmod(mode)
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionDenied, match="Permission denied; run with sudo"):
            read_decisions(path)
    finally:
        os.seteuid(0)
        for directory, before in above.items():
            directory.chmod(stat.S_IMODE(before))


def test_the_wire_and_back() -> None:
    one = record(scenario={"kind": "Scenario"}, policy=None, freed_bytes=1)
    assert from_wire(DecisionRecord, to_wire(one)) == one
    newer = {**to_wire(one), "unheardOf": 1}
    assert from_wire(DecisionRecord, newer) == one
    older = {key: value for key, value in to_wire(one).items() if key not in ("note", "limitHit")}
    assert from_wire(DecisionRecord, older) == one
    with pytest.raises(ValueError, match=r"DecisionRecord\.id"):
        from_wire(DecisionRecord, {**to_wire(one), "id": 5})
    with pytest.raises(ValueError, match="missing"):
        from_wire(DecisionRecord, {"id": "1"})


def test_errors_are_for_people() -> None:
    assert issubclass(HistoryDamaged, NodeguardError)


def test_evictions_are_counted_by_signal(path: Path) -> None:
    assert count_evictions(path) == {}
    history = History(path)
    evicted = [("1", "memory.available", Action.EVICT), ("2", "memory.available", Action.EVICT)]
    others = [("3", "pid.available", Action.WOULD_EVICT), ("4", "memory.available", None)]
    for id_, signal_, action in [*evicted, *others]:
        history.append(lambda i=id_, s=signal_, a=action: record(i, signal=s, action=a))  # type: ignore[misc]
    history.append(lambda: record("5", signal="emptyDir", action=Action.EVICT, type=DecisionType.LIMIT_EXCEEDED))
    history.append(lambda: record("6", signal="memory.available", type=DecisionType.REJECTED, action=Action.EVICT))
    assert history.close()
    assert count_evictions(path) == {"memory.available": 2, "emptyDir": 1}
