"""Reading the history: decisions and events, for commands, which may wait."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from nodeguard.agent.history_file import BUSY_SECONDS, is_damage
from nodeguard.errors import HistoryDamaged, NodeguardError, PermissionDenied
from nodeguard.model.meta import Event
from nodeguard.model.unwire import from_wire


def read_decisions(
    path: Path, *, pod: str | None = None, since: float | None = None, ids: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Records as ``to_wire`` made them, oldest first; of ``namespace/name``, not older than ``since``, with these ids.

    Raises:
        PermissionDenied, HistoryDamaged: as the name says.
    """
    return [json.loads(body) for body in _bodies(path, "decision", pod, since, ids)]


def read_events(path: Path, *, pod: str | None = None, since: float | None = None) -> list[Event]:
    """Events, oldest first, as ``read_decisions``."""
    return [from_wire(Event, json.loads(body)) for body in _bodies(path, "event", pod, since)]


def count_evictions(path: Path) -> dict[str, int]:
    """Pods that had to go, by signal, as far as is remembered; what was only observed does not count.

    Raises:
        As ``read_decisions``.
    """
    query = (
        "SELECT json_extract(body, '$.signal') FROM entry WHERE kind = 'decision' "
        "AND json_extract(body, '$.type') IN (?, ?) AND json_extract(body, '$.action') = ?"
    )
    from nodeguard.model.decision import Action, DecisionType

    rows = _select(path, query, [DecisionType.EVICTION, DecisionType.LIMIT_EXCEEDED, Action.EVICT])
    return dict(Counter(signal for (signal,) in rows if signal is not None))


def _bodies(path: Path, kind: str, pod: str | None, since: float | None, ids: Collection[str] = ()) -> list[str]:
    where, values = ["kind = ?", "at >= ?"], [kind, since or 0.0]
    if pod is not None:
        namespace, _, name = pod.rpartition("/")
        where, values = [*where, "namespace = ?", "name = ?"], [*values, namespace, name]
    if ids:
        where, values = [*where, f"id IN ({', '.join('?' * len(ids))})"], [*values, *ids]
    return [body for (body,) in _select(path, f"SELECT body FROM entry WHERE {' AND '.join(where)}", values)]


def _select(path: Path, query: str, values: list[Any]) -> list[Any]:
    """All rows, ordered by time; none where there is no history yet."""
    import sqlite3
    from urllib.parse import quote

    try:
        if not path.exists() or path.stat().st_size == 0:
            return []
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=BUSY_SECONDS)
    except PermissionError as e:
        raise PermissionDenied(f"{path}: {e.strerror}; run with sudo") from e
    except sqlite3.Error as e:
        raise _reading_fault(path, e) from e
    try:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'entry'").fetchone():
            return []
        return connection.execute(f"{query} ORDER BY at, number", values).fetchall()
    except sqlite3.Error as e:
        raise _reading_fault(path, e) from e
    finally:
        connection.close()


def _reading_fault(path: Path, error: Exception) -> NodeguardError:
    if is_damage(error):
        return HistoryDamaged(f"{path} is damaged ({error}); the next nodeguard that writes to it sets it aside")
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        return PermissionDenied(f"{path}: Permission denied; run with sudo")
    return NodeguardError(f"{path} cannot be read ({error})")
