"""The SQLite file of the objects: what is in it, how it is opened, what happens when it is damaged.

One process has it open at a time. WAL with an exclusive lock keeps the index of the log in the process' own memory;
the mapped file it would be otherwise is SIGBUS on a full disk with small blocks. Measured: one fsync a commit, where
the rollback journal needs three.
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from nodeguard.api.store.entry import Entry, Key
from nodeguard.errors import NodeguardError

log = logging.getLogger(__name__)

FILE_NAME = "objects.db"
SCHEMA_VERSION = 1
_BUSY_SECONDS = 5.0
_LOG_BYTES = 1 << 20
_RESERVE_BYTES = 2 << 20
"""Kept on the disk for when it is full: so that deletions, by which it becomes less so, can still be written."""
_RESERVE_RETRY_SECONDS = 1.0
_FULL = (errno.ENOSPC, errno.EDQUOT)
_KEPT_DAMAGED = 3
_AHEAD = 10_000

_TABLES = """
CREATE TABLE object (
    resource TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE revision (ceiling INTEGER NOT NULL);
INSERT INTO revision VALUES (0);
"""


class StoreRefused(NodeguardError):
    """The file is sound, and was not made for this version."""


class StoreFailed(NodeguardError):
    """Nothing was written; ``is_full``: because the disk, or its quota, takes no more."""

    def __init__(self, message: str, *, is_full: bool) -> None:
        super().__init__(message)
        self.is_full = is_full


class Database:
    """The open file. ``write`` may run in another thread than the rest, one at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. A damaged one is set aside: ``damaged`` then says where it is and why.

        Raises:
            StoreRefused: a newer nodeguard made it, or another process has it.
            StoreFailed: it can be neither read nor made.
        """
        self.path = path
        self.damaged = ""
        self._ceiling = 0
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._reserve = path.with_name(f"{path.name}.reserve")
        self._has_reserve, self._reserve_tried_at = False, -_RESERVE_RETRY_SECONDS
        try:
            try:
                self._connection = _connect(path)
            except sqlite3.DatabaseError as e:
                if not _is_damage(e):
                    raise
                self._set_aside(str(e))
                self._connection = _connect(path)
        except (sqlite3.Error, OSError) as e:
            raise _failure(path, e) from e

    def load(self) -> tuple[list[tuple[Key, bytes]], int]:
        """Every object, and the revision from which to count on: higher than any that was ever told.

        Raises:
            StoreFailed: reading failed.
        """
        try:
            rows = [
                (Key(resource, namespace, name), body)
                for resource, namespace, name, body in self._connection.execute("SELECT * FROM object")
            ]
            (self._ceiling,) = self._connection.execute("SELECT ceiling FROM revision").fetchone()
        except sqlite3.Error as e:
            raise _failure(self.path, e) from e
        # After damage nobody knows what was told; the clock is ahead of any count.
        return rows, max(self._ceiling, int(time.time()) if self.damaged else 0)

    def write(self, changes: Iterable[tuple[Key, Entry | None]], revision: int) -> None:
        """Have all of it on the disk, or, after an exception, nothing. An entry of None is a deletion.

        Raises:
            StoreFailed: it was not written.
        """
        try:
            self._write(changes, revision)
        except (sqlite3.Error, OSError) as e:
            raise _failure(self.path, e) from e

    def has_room(self) -> bool:
        """Whether there is room for more than deletions: the reserve is kept, or could be kept again just now."""
        now = time.monotonic()
        if not self._has_reserve and now - self._reserve_tried_at >= _RESERVE_RETRY_SECONDS:
            self._reserve_tried_at = now
            self._has_reserve = _allocate(self._reserve)
        return self._has_reserve

    def give_up_reserve(self) -> bool:
        """Leave the kept room to the file; whether there was any."""
        self._has_reserve, self._reserve_tried_at = False, time.monotonic()
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def rebuild(self, entries: Iterable[tuple[Key, Entry | None]], revision: int) -> None:
        """Begin a new file with these entries; the one that turned out to be damaged is set aside once that is whole.

        Raises:
            StoreFailed: that failed, too, and the damaged one is in use still.
        """
        beside = self.path.with_name(f"{self.path.name}.new")
        damaged, ceiling = self._connection, self._ceiling
        try:
            _remove_all(beside)
            self._connection, self._ceiling = _connect(beside), 0
            self._write(entries, revision)
            self._connection.close()
        except (sqlite3.Error, OSError) as e:
            if self._connection is not damaged:
                self._connection.close()
            self._connection, self._ceiling = damaged, ceiling
            raise _failure(self.path, e) from e
        with suppress(sqlite3.Error):
            damaged.close()
        try:
            self._set_aside("damaged while it was used")
            beside.rename(self.path)
            self._connection = _connect(self.path)
        except (sqlite3.Error, OSError) as e:
            raise _failure(self.path, e) from e

    def close(self) -> None:
        """Close the file; what is in it stays."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _write(self, changes: Iterable[tuple[Key, Entry | None]], revision: int) -> None:
        ceiling = self._ceiling
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for key, entry in changes:
                if entry is None:
                    connection.execute("DELETE FROM object WHERE resource = ? AND namespace = ? AND name = ?", key)
                else:
                    connection.execute("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?)", (*key, entry.body))
            if revision >= ceiling:
                # Not every revision is written, so a new process begins where no old one can have been.
                ceiling = revision + _AHEAD
                connection.execute("UPDATE revision SET ceiling = ?", (ceiling,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
        self._ceiling = ceiling

    def _set_aside(self, fault: str) -> None:
        name = f"{self.path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        for earlier in sorted(self.path.parent.glob(f"{self.path.name}.damaged-*[0-9]Z"))[: 1 - _KEPT_DAMAGED]:
            _remove_all(earlier)
        for suffix in ("-journal", "-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).rename(self.path.with_name(name + suffix))
        self.damaged = f"{self.path} was damaged ({fault}): kept as {name}, a new one is begun"
        log.error("store damaged path=%s fault=%s kept_as=%s", self.path, fault, name)


def is_damage(failure: StoreFailed) -> bool:
    """Whether it failed because the file makes no sense."""
    return isinstance(failure.__cause__, sqlite3.DatabaseError) and _is_damage(failure.__cause__)


def _connect(path: Path) -> sqlite3.Connection:
    with suppress(FileExistsError):  # for root alone, which SQLite then heeds for the files beside it
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()  # before WAL: else the index is mapped
        _begin(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _begin(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise StoreRefused(
            f"{path}: a newer nodeguard made it (version {version}, this one reads up to {SCHEMA_VERSION}); "
            "install that one again, or move the file away to begin without objects"
        )
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -512")
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}").fetchall()
    found = [text for (text,) in connection.execute("PRAGMA integrity_check(3)")]
    if found != ["ok"]:
        raise _damage("; ".join(found))
    if version == 0:
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables:
            raise _damage("it has tables of something else")
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")


def _allocate(path: Path) -> bool:
    """Whether the reserve is there; True as well when it cannot be kept for a reason other than room."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, _RESERVE_BYTES)
        finally:
            os.close(fd)
    except OSError as e:
        if e.errno not in _FULL:
            return True
        with suppress(OSError):
            path.unlink()
        return False
    return True


def _damage(fault: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(fault)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)  # the last: other tables


def _failure(path: Path, error: Exception) -> NodeguardError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_BUSY:
        return StoreRefused(f"{path}: another process has it open")
    is_full = code == sqlite3.SQLITE_FULL or "disk is full" in str(error) or getattr(error, "errno", 0) in _FULL
    return StoreFailed(f"{path}: {error}", is_full=is_full)


def _remove_all(path: Path) -> None:
    for one in _beside(path):
        with suppress(FileNotFoundError):
            one.unlink()


def _beside(path: Path) -> Iterator[Path]:
    return (path.with_name(path.name + suffix) for suffix in ("", "-journal", "-wal", "-shm"))
