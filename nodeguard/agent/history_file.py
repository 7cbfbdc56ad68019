"""The file of the history: its name and bounds, its tables, and how it is opened.

Any number of processes write to one SQLite file; a process may be killed at any moment: a transaction is there or not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite3 import Connection

FILE_NAME = "history.db"
RETENTION_SECONDS = 7 * 24 * 3600
RETENTION_BYTES = 64 << 20
RETENTION = "7 days or 64 MiB"
"""The two above, for people."""

SCHEMA_VERSION = 1
JOURNAL_BYTES = 4 << 20
BUSY_SECONDS = 5.0
"""How long to wait for another process that writes."""
_CACHE_KIB = 256

_TABLES = """
CREATE TABLE entry (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT UNIQUE,
    at REAL NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX entry_at ON entry (at);
CREATE INDEX entry_pod ON entry (namespace, name);
"""


class Unusable(Exception):
    """The file is fine, and not for us."""


def make_file(path: Path) -> int:
    """The file's inode; it is made where there is none, for root alone, which SQLite then heeds beside it, too."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return path.stat().st_ino


def connect(path: Path) -> Connection:
    """The file opened for writing, with its tables.

    Raises:
        Unusable, sqlite3.Error: as the name says.
    """
    import sqlite3

    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only a file without tables can still be made so
        # Not WAL: its index is a mapped file, and to touch that on a full disk with small blocks is SIGBUS: our end.
        connection.execute("PRAGMA journal_mode = TRUNCATE").fetchall()
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}").fetchall()
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        with transaction(connection):
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise Unusable(f"a newer nodeguard made it (version {version})")
            if version == 0:
                for statement in filter(str.strip, _TABLES.split(";")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All of it is in the file, or, after an exception, nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def is_damage(error: Exception) -> bool:
    """Whether SQLite says so of the file, and not of the disk or of who asks."""
    import sqlite3

    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)  # the last: other tables
