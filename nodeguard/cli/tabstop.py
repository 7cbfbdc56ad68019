"""Elastic tab stops: lines with tabs become columns, each as wide as its neighbours need. Pure.

Source: Go, text/tabwriter, as kubectl describe sets it up (padding 2, blanks; kubectl, pkg/describe/describe.go,
tabbedString).
"""

from __future__ import annotations

from collections.abc import Iterable

PADDING = 2


def align(lines: Iterable[str]) -> list[str]:
    """The lines with every tab in place of which there are blanks.

    A column is a run of lines that have a cell there which ends with a tab; what follows a line's last tab does not
    count. Runs do not know of each other.
    """
    rows = [line.split("\t") for line in lines]
    widths = [[0] * len(row) for row in rows]
    _measure(rows, widths, 0, len(rows), 0)
    return [
        "".join(cell.ljust(width) for cell, width in zip(row[:-1], row_widths, strict=False)) + row[-1]
        for row, row_widths in zip(rows, widths, strict=True)
    ]


def _measure(rows: list[list[str]], widths: list[list[int]], start: int, end: int, column: int) -> None:
    place = start
    while place < end:
        if len(rows[place]) <= column + 1:
            place += 1
            continue
        run_end = place
        while run_end < end and len(rows[run_end]) > column + 1:
            run_end += 1
        width = max(len(row[column]) for row in rows[place:run_end]) + PADDING
        for each in range(place, run_end):
            widths[each][column] = width
        _measure(rows, widths, place, run_end, column + 1)
        place = run_end
