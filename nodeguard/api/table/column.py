"""What a Table is made of: columns, cells, the age of things.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/util/duration/duration.go, HumanDuration;
pkg/printers/internalversion/printers.go, translateTimestampSince.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nodeguard.model.instant import parse_rfc3339

Object = dict[str, Any]
Cells = list[Any]
UNKNOWN = "<unknown>"
NONE = "<none>"


class Column(NamedTuple):
    """One column; ``priority`` 1 is shown by ``-o wide`` only."""

    name: str
    doc: str
    type: str = "string"
    format: str = ""
    priority: int = 0


class Printer(NamedTuple):
    """The columns of a kind, and what makes an object's cells and its row's conditions; cells need to know now."""

    columns: tuple[Column, ...]
    cells: Callable[[Object, float], Cells]
    conditions: Callable[[Object], list[Object]] | None = None


NAME = Column("Name", "Name, unique in its namespace.", format="name")
AGE = Column("Age", "Time since the object was created.")


def age(text: str | None, now: float) -> str:
    """How long ago an instant was, ``5m3s``; ``<unknown>`` when there is none."""
    at = parse_rfc3339(text) if text else None
    return UNKNOWN if at is None else human_duration(now - at)


def human_duration(seconds: float) -> str:
    """A length of time in two units at most, the finer the shorter it is; ``0s`` for a little in the future."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 60 * 2:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 60 * 3:
        return f"{minutes}m"
    hours = whole // 3600
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 24 * 8:
        return _two(hours // 24, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{hours // 24}d"
    years = hours // (24 * 365)
    if hours < 24 * 365 * 8:
        return _two(years, "y", hours // 24 % 365, "d")
    return f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
