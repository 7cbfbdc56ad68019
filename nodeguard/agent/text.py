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
