"""The store: what was committed is there after a restart, what was not is nowhere, and a bad file stops nothing."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeguard.api.status import ApiError
from nodeguard.api.store.database import FILE_NAME, Database, StoreFailed, StoreRefused
from nodeguard.api.store.entry import Change, ChangeType, Entry, Key
from nodeguard.api.store.store import Store
from nodeguard.api.store.window import MAX_CHANGES, Window


def key(name: str, namespace: str = "d") -> Key:
    return Key("configmaps", namespace, name)


def obj(name: str, data: str = "", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"uid-{name}", **metadata}, "data": data}


def test_what_was_committed_is_there_after_a_restart(state: Path) -> None:
    async def first() -> int:
        store = Store(Database(state / FILE_NAME))
        await asyncio.gather(*(store.put(key(f"c{n}"), obj(f"c{n}", "ü")) for n in range(20)))
        await store.remove(key("c3"), obj("c3"))
        await store.put(key("volatile"), obj("volatile"), keep=False)
        last = store.revision
        await store.close()
        return last

    async def second(last: int) -> None:
        store = Store(Database(state / FILE_NAME))
        names = [entry.key.name for entry in store.entries("configmaps")]
        assert names == sorted(f"c{n}" for n in range(20) if n != 3)
        assert store.entries("configmaps")[0].object()["data"] == "ü"
        assert store.revision >= last
        assert (await store.put(key("new"), obj("new"))).revision > last
        with pytest.raises(ApiError) as refused:
            store.window("configmaps").after(last - 1)
        assert refused.value.code == 410
        await store.close()

    last = asyncio.run(first())
    asyncio.run(second(last))


def test_the_file_is_for_root_alone(state: Path) -> None:
    async def write() -> None:
        store = Store(Database(state / FILE_NAME))
        await store.put(key("a"), obj("a"))
        assert {path.name for path in state.iterdir()} >= {FILE_NAME, f"{FILE_NAME}-wal"}
        assert {path.stat().st_mode & 0o777 for path in state.iterdir()} == {0o600}
        await store.close()

    asyncio.run(write())


def test_nothing_of_the_file_is_mapped(state: Path) -> None:
    """A mapped file on a full disk is SIGBUS."""

    async def write() -> None:
        store = Store(Database(state / FILE_NAME))
        await store.put(key("a"), obj("a"))
        assert str(state) not in Path("/proc/self/maps").read_text()
        await store.close()

    asyncio.run(write())


@pytest.mark.parametrize("content", [b"this is no database" * 99, b"SQLite format 3\x00" + b"\xff" * 8192])
def test_a_damaged_file_is_set_aside(state: Path, content: bytes) -> None:
    state.mkdir()
    (state / FILE_NAME).write_bytes(content)

    async def use() -> None:
        database = Database(state / FILE_NAME)
        assert "damaged" in database.damaged
        store = Store(database)
        assert store.revision > 1_000_000_000, "whoever saw the old store's revisions must not mix them up with ours"
        await store.put(key("a"), obj("a"))
        await store.close()

    asyncio.run(use())
    (kept,) = state.glob("objects.db.damaged-*Z")
    assert kept.read_bytes() == content


def test_pages_that_went_bad_are_noticed_at_the_start(state: Path) -> None:
    async def write() -> None:
        store = Store(Database(state / FILE_NAME))
        await asyncio.gather(*(store.put(key(f"c{n}"), obj(f"c{n}", "x" * 3000)) for n in range(50)))
        await store.close()

    asyncio.run(write())
    path = state / FILE_NAME
    content = bytearray(path.read_bytes())
    content[3 * 4096 : 9 * 4096] = b"\xa5" * (6 * 4096)
    path.write_bytes(content)
    database = Database(path)
    assert "damaged" in database.damaged
    database.close()


def test_a_newer_file_is_refused_and_left_alone(state: Path) -> None:
    state.mkdir()
    connection = sqlite3.connect(state / FILE_NAME)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (state / FILE_NAME).read_bytes()
    with pytest.raises(StoreRefused, match="newer nodeguard"):
        Database(state / FILE_NAME)
    assert (state / FILE_NAME).read_bytes() == before


class Failing(Database):
    """Takes nothing while ``error`` is set."""

    error: StoreFailed | None = None
    is_once = False

    def write(self, changes: Iterable[tuple[Key, Entry | None]], revision: int) -> None:
        error = self.error
        if error is not None:
            self.error = None if self.is_once else error
            self.is_once = False
            raise error
        super().write(changes, revision)


def test_a_full_disk_refuses_writes_and_reading_goes_on(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodeguard.api.store.database._RESERVE_RETRY_SECONDS", 0.0)

    async def use() -> None:
        database = Failing(state / FILE_NAME)
        store = Store(database)
        heard: list[Change] = []
        store.listeners.append(heard.append)
        await store.put(key("a"), obj("a", "1"))
        assert (state / f"{FILE_NAME}.reserve").stat().st_size > 1 << 20
        database.error = StoreFailed("full", is_full=True)
        first, second = store.put(key("a"), obj("a", "2")), store.put(key("b"), obj("b"))
        for write in (first, second):
            with pytest.raises(ApiError) as refused:
                await write
            assert refused.value.code == 507
        latest, entry = store.latest(key("a")), store.get(key("a"))
        assert entry is not None
        assert latest is entry
        assert entry.object()["data"] == "1"
        assert store.get(key("b")) is None
        assert [change.entry.key.name for change in heard] == ["a"]
        database.error = None
        await store.put(key("b"), obj("b"))
        assert [change.entry.key.name for change in heard] == ["a", "b"]
        await store.close()

    asyncio.run(use())


def test_with_the_last_of_a_full_disk_deletions_are_written(state: Path) -> None:
    async def use() -> None:
        database = Failing(state / FILE_NAME)
        store = Store(database)
        await asyncio.gather(store.put(key("a"), obj("a")), store.put(key("b"), obj("b")))
        database.error, database.is_once = StoreFailed("full", is_full=True), True
        made, ended, removed = (
            store.put(key("new"), obj("new")),
            store.put(key("a"), obj("a", "ended"), urgent=True),
            store.remove(key("b"), obj("b")),
        )
        await asyncio.gather(ended, removed)
        with pytest.raises(ApiError) as refused:
            await made
        assert refused.value.code == 507
        database.error = StoreFailed("full", is_full=True)
        with pytest.raises(ApiError):
            await store.remove(key("a"), obj("a"))  # now nothing is left to give up
        database.error = None
        await store.close()
        again = Store(Database(state / FILE_NAME))
        assert [entry.object()["data"] for entry in again.entries("configmaps")] == ["ended"]
        await again.close()

    asyncio.run(use())


def test_damage_while_running_is_mended_from_memory(state: Path) -> None:
    async def use() -> None:
        database = Failing(state / FILE_NAME)
        store = Store(database)
        told: list[str] = []
        store.on_damage = told.append
        await store.put(key("a"), obj("a"))
        error = StoreFailed("malformed", is_full=False)
        cause = sqlite3.DatabaseError("database disk image is malformed")
        cause.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        error.__cause__ = cause
        database.error = error
        await store.put(key("b"), obj("b"))
        database.error = None
        await store.close()
        assert ["kept as objects.db.damaged-" in text for text in told] == [True]
        again = Store(Database(state / FILE_NAME))
        assert [entry.key.name for entry in again.entries("configmaps")] == ["a", "b"]
        await again.close()

    asyncio.run(use())
    assert list(state.glob("objects.db.damaged-*Z"))


def test_damage_on_a_full_disk_loses_nothing_that_memory_has(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    malformed = sqlite3.DatabaseError("database disk image is malformed")
    malformed.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    failures: list[Exception] = []
    write = Database._write

    def failing(self: Database, *given: Any) -> None:
        if failures:
            raise failures.pop(0)
        write(self, *given)

    async def use() -> None:
        store = Store(Database(state / FILE_NAME))
        await store.put(key("a"), obj("a"))
        monkeypatch.setattr(Database, "_write", failing)
        failures[:] = [malformed, OSError(errno.EIO, "no room for the new file")]
        with pytest.raises(ApiError):
            await store.put(key("b"), obj("b"))
        failures[:] = [malformed]
        await store.put(key("c"), obj("c"))
        await store.close()
        again = Store(Database(state / FILE_NAME))
        assert [entry.key.name for entry in again.entries("configmaps")] == ["a", "c"]
        await again.close()

    asyncio.run(use())
    assert not list(state.glob("*.new*"))


def test_what_is_pending_is_latest_and_nobody_sees_it(state: Path) -> None:
    async def use() -> None:
        store = Store(Database(state / FILE_NAME))
        done = store.put(key("a"), obj("a"))
        assert store.get(key("a")) is None
        assert store.latest(key("a")) is not None
        removed = store.remove(key("a"), obj("a"))
        assert store.latest(key("a")) is None
        made = store.put(key("a"), obj("a", "new"))
        await asyncio.gather(done, removed, made)
        entry = store.get(key("a"))
        assert entry is not None
        assert entry.object()["data"] == "new"
        types = [change.type for change in store.window("configmaps").after(0)]
        assert types == [ChangeType.ADDED, ChangeType.DELETED, ChangeType.ADDED]
        await store.close()

    asyncio.run(use())


def test_what_is_too_large_or_no_json_is_refused(state: Path) -> None:
    async def use() -> None:
        store = Store(Database(state / FILE_NAME))
        with pytest.raises(ApiError) as refused:
            store.put(key("a"), obj("a", "x" * 1_600_000))
        assert refused.value.code == 413
        for bad in ({"metadata": {}, "x": float("inf")}, {"metadata": {}, "x": "\ud800"}):
            with pytest.raises(ApiError):
                store.put(key("a"), bad)
        await store.close()

    asyncio.run(use())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "volatile", "remove", "reopen", "wait"]), st.sampled_from("abc"), st.text(max_size=3)
    ),
    max_size=25,
)


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_the_store_agrees_with_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.mktemp("store") / FILE_NAME

    async def run() -> None:
        store = Store(Database(path))
        model: dict[str, tuple[str, bool]] = {}
        highest = 0
        for what, name, data in steps:
            match what:
                case "put" | "volatile":
                    if data.encode("utf-8", "ignore").decode() != data:
                        continue
                    kept = what == "put"
                    store.put(key(name), obj(name, data), keep=kept)
                    model[name] = (data, kept)
                case "remove":
                    if model.pop(name, None) is not None:
                        store.remove(key(name), obj(name))
                case "reopen":
                    await store.settle()
                    on_disk = {entry.key.name for entry in store.entries("configmaps")}
                    assert on_disk == model.keys()
                    if any(not kept for _, kept in model.values()):
                        continue
                    await store.close()
                    store = Store(Database(path))
                case _:
                    await store.settle()
            latest = {n: e.object()["data"] for n in "abc" if (e := store.latest(key(n))) is not None}
            assert latest == {name: data for name, (data, _) in model.items()}
            assert store.revision >= highest
            highest = store.revision
        await store.settle()
        found = {entry.key.name: entry.object()["data"] for entry in store.entries("configmaps")}
        assert found == {name: data for name, (data, _) in model.items()}
        await store.close()

    asyncio.run(run())


def change(revision: int, size: int = 10) -> Change:
    entry = Entry(key("a"), "u", revision, b"x" * size, {}, (), ())
    return Change(ChangeType.MODIFIED, entry, None)


def test_a_window_forgets_the_oldest_and_says_so() -> None:
    window = Window(10)
    window.extend([change(n) for n in range(11, 11 + MAX_CHANGES + 5)])
    assert window.complete_since == 15
    assert len(window.after(15)) == MAX_CHANGES
    with pytest.raises(ApiError) as refused:
        window.after(14)
    assert (refused.value.code, refused.value.reason) == (410, "Expired")
    window.extend([change(99_999, 8 << 20)])
    assert [one.entry.revision for one in window.after(99_998)] == [99_999], "the newest stays, however large"
