"""Values as people read them; data for programs keeps plain numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns aligned to the left, two blanks apart, as kubectl prints them; the last one is not padded."""
    lines = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


def format_bytes(count: int) -> str:
    """``12.3Mi``: for people; data keeps plain integers."""
    if count < 1024:
        return str(count)
    amount = float(count)
    for unit in ("Ki", "Mi", "Gi", "Ti"):
        amount /= 1024
        if amount < 1023.95 or unit == "Ti":
            break
    return f"{amount:.1f}".removesuffix(".0") + unit


def format_age(seconds: float) -> str:
    """``3d4h``: as kubectl tells ages, the finer the younger.

    Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/util/duration/duration.go, HumanDuration.
    """
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    minutes, hours = max(total, 0) // 60, max(total, 0) // 3600
    if total < 120:
        return f"{max(total, 0)}s"
    if minutes < 10:
        return _with_rest(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _with_rest(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 24 * 8:
        return _with_rest(hours // 24, "d", hours % 24, "h")
    days = hours // 24
    if days < 365 * 2:
        return f"{days}d"
    return _with_rest(days // 365, "y", days % 365, "d") if days < 365 * 8 else f"{days // 365}y"


def _with_rest(count: int, unit: str, rest: int, rest_unit: str) -> str:
    return f"{count}{unit}{rest}{rest_unit}" if rest else f"{count}{unit}"
