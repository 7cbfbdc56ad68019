"""Tables and tab stops, as kubectl lays them out."""

from typing import Any

from nodeguard.cli.table import TablePrinter
from nodeguard.cli.tabstop import align

COLUMNS = [{"name": "Name"}, {"name": "Ready"}, {"name": "IP", "priority": 1}]


def table(*rows: tuple[Any, ...], columns: Any = COLUMNS, **metadata: Any) -> dict[str, Any]:
    return {"columnDefinitions": columns, "rows": [{"cells": row, "object": {"metadata": metadata}} for row in rows]}


def test_columns_are_at_least_six_wide_and_three_apart() -> None:
    assert TablePrinter().render(table(("a", "1/1", "x"), ("longer", "0/1", "x"))) == (
        "NAME     READY\na        1/1\nlonger   0/1\n"
    )
    assert TablePrinter().render(table(("a", "1/1", "x"))) == "NAME   READY\na      1/1\n"


def test_wide_namespaces_labels_and_kinds() -> None:
    printer = TablePrinter(wide=True, namespaces=True, labels=True, prefix="pod/")
    text = printer.render(table(("a", "1/1", None), namespace="default", labels={"b": "2", "a": "1"}))
    assert text.splitlines() == [
        "NAMESPACE   NAME    READY   IP       LABELS",
        "default     pod/a   1/1     <none>   a=1,b=2",
    ]


def test_a_watch_keeps_header_and_widths() -> None:
    printer = TablePrinter()
    printer.render(table(("long-name", "1/1", "")))
    assert printer.render(table(("b", "0/1", ""), columns=[])) == "b           0/1\n"
    assert TablePrinter(headers=False).render(table(("b", "0/1", ""))) == "b     0/1\n"


def test_a_cell_is_one_line() -> None:
    assert TablePrinter(headers=False).render(table(("a", "one\ntwo", ""))) == "a     one...\n"
    assert TablePrinter(headers=False).render(table(("a", "\x1b[31m", ""))) == "a     ?[31m\n"
    assert TablePrinter(headers=False).render(table(("a", True, ""))) == "a     true\n"


def test_tab_stops_hold_for_neighbours_only() -> None:
    assert align(["a:\tb", "long:\tc", "title", "x:\ty"]) == ["a:     b", "long:  c", "title", "x:  y"]
    assert align(["a\tb\tc", "a\tbbb\tc", "aaaa\tx"]) == ["a     b    c", "a     bbb  c", "aaaa  x"]
    assert align([]) == []
