"""What happened, kept on disk: decisions and events of the last seven days, within 64 MiB.

The loop never waits for the file: ``History`` does everything in a thread of its own. What cannot be written (no space
left, a disk that is read-only) waits in memory and is tried again; a damaged file is set aside, and a new one begun.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodeguard.agent.history_file import (
    JOURNAL_BYTES,
    RETENTION_BYTES,
    RETENTION_SECONDS,
    Unusable,
    connect,
    is_damage,
    make_file,
    transaction,
)
from nodeguard.model.instant import parse_rfc3339
from nodeguard.model.meta import Event
from nodeguard.model.unwire import from_wire
from nodeguard.model.wire import to_wire

if TYPE_CHECKING:
    from sqlite3 import Connection

    from nodeguard.model.decision import DecisionRecord, Progress

log = logging.getLogger(__name__)

LINGER_SECONDS = 0.5
"""Events wait this long for more of them; decisions do not wait."""
WAITING_AT_MOST = 5000
"""Writes that wait in memory while the disk takes none; beyond it the oldest are lost, and counted."""
RETRY_SECONDS = (0.2, 1.0, 5.0, 30.0)
_PRUNE_EVERY_SECONDS = 3600.0

Write = Callable[["Connection"], None]

_LEFT_OPEN: list[_Store] = []


def new_id() -> str:
    """A decision's id: 12 hexadecimal digits."""
    return os.urandom(6).hex()


class History:
    """The writing side. All methods return at once and may be called from any thread."""

    def __init__(
        self,
        path: Path,
        *,
        report: Callable[[str], None] = log.warning,
        max_bytes: int = RETENTION_BYTES,
        max_age_seconds: float = RETENTION_SECONDS,
    ) -> None:
        """``report(text)`` is called, from the history's thread, with what a person should know."""
        self._store = _Store(path, report, max_bytes, max_age_seconds)
        self._queue: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="history")
        self._thread.start()

    def append(self, make: Callable[[], DecisionRecord]) -> None:
        """Write the record that ``make`` makes, in the history's thread."""
        self._queue.put(_Job(lambda: _insert_decision(make()), is_urgent=True))

    def update(self, id_: str, progress: Progress) -> None:
        """Add to the record ``id_`` what has become known since."""
        self._queue.put(_Job(lambda: _update_decision(id_, progress), is_urgent=True))

    def event(self, event: Event) -> None:
        """Write an event down; ready to be a listener."""
        self._queue.put(_Job(lambda: _insert_event(event)))

    def close(self, timeout_seconds: float = 2.0) -> bool:
        """Write what is left; whether all of it was written in time.

        The file stays open until the process ends: closing it would have the disk take everything in, and removes the
        log that whoever opens it next makes again; 25 ms that each ``nodeguard run`` would wait for.
        """
        self._queue.put(_Job(None, is_urgent=True))
        _LEFT_OPEN.append(self._store)
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            self._store.report(f"not all was written within {timeout_seconds:g} s")
        return not self._thread.is_alive() and not self._store.waiting

    def _work(self) -> None:
        is_open = True
        while is_open:
            jobs = [job] if (job := self._next()) is not None else []
            if jobs and not jobs[0].is_urgent:
                jobs += self._more(time.monotonic() + LINGER_SECONDS)
            with suppress(queue.Empty):
                while True:
                    jobs.append(self._queue.get_nowait())
            is_open = all(job.make is not None for job in jobs)
            try:
                self._store.write(write for job in jobs if (write := job.made()) is not None)
            except Exception:
                log.exception("history not written")  # the thread goes on: others may have better luck
        self._store.give_up()

    def _next(self) -> _Job | None:
        """The next job; None when it is time to try again what could not be written."""
        try:
            return self._queue.get(timeout=self._store.retry_in())
        except queue.Empty:
            return None

    def _more(self, until: float) -> Iterator[_Job]:
        with suppress(queue.Empty):
            while (left := until - time.monotonic()) > 0:
                yield (job := self._queue.get(timeout=left))
                if job.is_urgent:
                    return


class _Job:
    """Something to write; without ``make`` it is the last one."""

    def __init__(self, make: Callable[[], Write] | None, *, is_urgent: bool = False) -> None:
        self.make, self.is_urgent = make, is_urgent

    def made(self) -> Write | None:
        try:
            return self.make() if self.make is not None else None
        except Exception:
            log.exception("a record could not be made")  # a fault of ours must not end the thread
            return None


class _Store:
    """The file and the writes that wait for it; belongs to one thread."""

    def __init__(self, path: Path, report: Callable[[str], None], max_bytes: int, max_age_seconds: float) -> None:
        self._path, self._tell = path, report
        self._max_bytes, self._max_age_seconds = max_bytes, max_age_seconds
        self._connection: Connection | None = None
        self._inode = 0
        self._pruned_at = -_PRUNE_EVERY_SECONDS
        self._failures = 0
        self._trouble = ""
        self.waiting: deque[Write] = deque()

    def report(self, text: str) -> None:
        """Tell a person."""
        self._tell(f"history {self._path}: {text}")

    def retry_in(self) -> float | None:
        """Seconds until another attempt is due, None when nothing waits."""
        if not self.waiting:
            return None
        return RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS)) - 1]

    def write(self, writes: Iterator[Write]) -> None:
        """Write these after all that wait; what cannot be written waits on."""
        self.waiting.extend(writes)
        if not self.waiting:
            return
        import sqlite3

        try:
            try:
                self._write_all()
            except sqlite3.DatabaseError as e:
                if not is_damage(e):
                    raise
                self._set_aside(str(e))
                self._write_all()
        except (sqlite3.Error, OSError, Unusable) as e:
            self._fail(e)
        else:
            if self._trouble:
                self.report("written again")
            self._failures, self._trouble = 0, ""

    def give_up(self) -> None:
        """The process ends: what waits still is lost."""
        if self.waiting:
            self.report(f"{len(self.waiting)} records are lost ({self._trouble})")

    def _write_all(self) -> None:
        connection = self._open()
        self._prune(connection)
        with transaction(connection):
            for write in self.waiting:
                _write_one(connection, write)
        self.waiting.clear()

    def _open(self) -> Connection:
        """The file, opened anew when somebody has put another one, or none, in its place."""
        with suppress(FileNotFoundError):
            if self._connection is not None and self._path.stat().st_ino == self._inode:
                return self._connection
        self._disconnect()
        self._inode = make_file(self._path)
        self._connection = connect(self._path)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _set_aside(self, fault: str) -> None:
        """Move the damaged file out of the way, unless another process has done so by now."""
        self._disconnect()
        name = self._path.name
        lock = os.open(self._path.with_name(f"{name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._path.exists() or self._path.stat().st_ino != self._inode:
                return
            for earlier in self._path.parent.glob(f"{name}.damaged*"):
                earlier.unlink()
            for suffix in ("-journal", "-wal", "-shm", ""):
                with suppress(FileNotFoundError):
                    self._path.with_name(name + suffix).rename(self._path.with_name(f"{name}.damaged{suffix}"))
        finally:
            os.close(lock)
        self.report(f"is damaged ({fault}): kept as {name}.damaged, a new one is begun")

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        with suppress(Exception):
            self._disconnect()
        lost = max(0, len(self.waiting) - WAITING_AT_MOST)
        for _ in range(lost):
            self.waiting.popleft()
        if lost:
            self.report(f"{lost} records are lost, nothing can be written ({error})")
        elif str(error) != self._trouble:
            waiting = f"{len(self.waiting)} records wait in memory"
            self.report(f"cannot be written ({error}); {waiting}")
        self._trouble = str(error)

    def _prune(self, connection: Connection) -> None:
        """Forget what is too old, and the oldest when there is too much of it."""
        now = time.monotonic()
        if now - self._pruned_at >= _PRUNE_EVERY_SECONDS:
            self._pruned_at = now
            connection.execute("DELETE FROM entry WHERE at < ?", (time.time() - self._max_age_seconds,))
        limit = self._max_bytes - min(JOURNAL_BYTES, self._max_bytes // 4)
        if _bytes(connection, "page_count") <= limit:
            return
        while _bytes(connection, "page_count") - _bytes(connection, "freelist_count") > limit * 7 // 8:
            (count,) = connection.execute("SELECT count(*) FROM entry").fetchone()
            if count < 2:
                break
            oldest = "SELECT number FROM entry ORDER BY at, number LIMIT ?"
            connection.execute(f"DELETE FROM entry WHERE number IN ({oldest})", (max(1, count // 10),))
        connection.execute("PRAGMA incremental_vacuum").fetchall()


def _write_one(connection: Connection, write: Write) -> None:
    """A row that the file does not take for its own sake must not keep the others from it."""
    import sqlite3

    try:
        write(connection)
    except (ValueError, sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError):
        log.exception("a record could not be written")


def _bytes(connection: Connection, pragma: str) -> int:
    (pages,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages * page_bytes)


def _insert_decision(record: DecisionRecord) -> Write:
    pod = record.pod
    row = ("decision", record.id, parse_rfc3339(record.at) or 0.0, pod.namespace, pod.name, _record_json(record))
    return lambda connection: _insert(connection, row)


def _insert_event(event: Event) -> Write:
    namespace, _, name = event.pod.rpartition("/")
    row = ("event", None, event.at, namespace, name or event.node, _json(to_wire(event)))
    return lambda connection: _insert(connection, row)


def _insert(connection: Connection, row: tuple[Any, ...]) -> None:
    columns = "kind, id, at, namespace, name, body"
    connection.execute(f"INSERT OR REPLACE INTO entry ({columns}) VALUES (?, ?, ?, ?, ?, ?)", row)


def _update_decision(id_: str, progress: Progress) -> Write:
    def write(connection: Connection) -> None:
        found = connection.execute("SELECT body FROM entry WHERE id = ?", (id_,)).fetchone()
        if found is None:  # pruned meanwhile
            return
        from nodeguard.model.decision import DecisionRecord
        from nodeguard.policy.decision import progressed

        record = progressed(from_wire(DecisionRecord, json.loads(found[0])), progress)
        connection.execute("UPDATE entry SET body = ? WHERE id = ?", (_record_json(record), id_))

    return write


def _record_json(record: DecisionRecord) -> str:
    """A scenario is plain already; to go through all of it again would keep the interpreter from the loop."""
    return _json({**to_wire(replace(record, scenario=None)), "scenario": record.scenario})


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
