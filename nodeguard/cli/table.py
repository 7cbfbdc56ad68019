"""Tables as kubectl prints them; what is in them comes from the API. Pure.

Source: kubernetes, staging/src/k8s.io/cli-runtime/pkg/printers/tableprinter.go, tabwriter.go (6 wide at least, 3 blanks
between columns).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MIN_WIDTH = 6
GAP = 3


class TablePrinter:
    """Lines of Tables, one after the other; columns keep the width they once had, so that a watch stays aligned."""

    def __init__(
        self,
        *,
        wide: bool = False,
        headers: bool = True,
        namespaces: bool = False,
        labels: bool = False,
        prefix: str = "",
        keeps_case: bool = False,
    ) -> None:
        self._wide, self._headers = wide, headers
        self._namespaces, self._labels, self._prefix = namespaces, labels, prefix
        self._keeps_case = keeps_case
        self._columns: list[Mapping[str, Any]] = []
        self._widths: list[int] = []

    def render(self, table: Mapping[str, Any]) -> str:
        """The Table's lines, with a header if its columns are new."""
        lines: list[list[str]] = []
        columns = table.get("columnDefinitions") or self._columns
        if columns != self._columns:
            self._columns, self._widths = columns, []
            if self._headers:
                lines.append(self._header())
        lines += [self._cells(row) for row in table.get("rows") or ()]
        return self._aligned(lines)

    def _header(self) -> list[str]:
        names = [column["name"] for column in self._columns if self._is_shown(column)]
        shown = names if self._keeps_case else [name.upper() for name in names]
        return [*(["NAMESPACE"] if self._namespaces else []), *shown, *(["LABELS"] if self._labels else [])]

    def _cells(self, row: Mapping[str, Any]) -> list[str]:
        pairs = zip(self._columns, row["cells"], strict=False)
        cells = [_text(cell) for column, cell in pairs if self._is_shown(column)]
        metadata = (row.get("object") or {}).get("metadata") or {}
        if self._prefix and cells:
            cells[0] = self._prefix + cells[0]
        if self._namespaces:
            cells.insert(0, metadata.get("namespace", ""))
        if self._labels:
            labels = metadata.get("labels") or {}
            cells.append(",".join(f"{key}={labels[key]}" for key in sorted(labels)) or "<none>")
        return cells

    def _is_shown(self, column: Mapping[str, Any]) -> bool:
        return self._wide or not column.get("priority")

    def _aligned(self, lines: Sequence[Sequence[str]]) -> str:
        for line in lines:
            self._widths += [MIN_WIDTH - GAP] * (len(line) - len(self._widths))
            for column, cell in enumerate(line):
                self._widths[column] = max(self._widths[column], len(cell))
        text = ""
        for line in lines:
            padded = [cell.ljust(width + GAP) for cell, width in zip(line[:-1], self._widths, strict=False)]
            text += "".join((*padded, *line[-1:])) + "\n"
        return text


def _text(cell: Any) -> str:
    """A cell on one line.

    Source: tableprinter.go, printRows (line ends and control characters are escaped).
    """
    if cell is None:
        return "<none>"
    if isinstance(cell, bool):
        return str(cell).lower()
    text = str(cell)
    if text.isprintable():
        return text
    first, end, _ = text.partition("\n")
    return "".join(char if char.isprintable() else "?" for char in first) + ("..." if end else "")
