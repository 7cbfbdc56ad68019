"""The commonest question, ``get TYPE``, answered before click and http.client are imported.

Only the plainest command lines are taken; for every other one, and for every answer that is not a table, ``get`` in
``get_objects`` begins from the start. Both print the same (tests/cli/test_quick.py).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from nodeguard.client.kind import Kind, find

_FLAGS = {
    "-A": "all",
    "--all-namespaces": "all",
    "--no-headers": "bare",
    "--show-labels": "labels",
}
_VALUES = {"-n": "namespace", "--namespace": "namespace", "-o": "output", "--output": "output"}
_VALUES |= {"-l": "selector", "--selector": "selector"}


class Question:
    """What is asked: objects of one kind, or one object."""

    def __init__(self, kind: Kind, name: str, options: dict[str, str]) -> None:
        self.kind, self.name, self.options = kind, name, options

    @property
    def namespace(self) -> str | None:
        """None for all."""
        return None if "all" in self.options else self.options.get("namespace", "default")


def parse(arguments: Sequence[str]) -> Question | None:
    """What the arguments behind ``get`` ask; None when it takes more to tell. Pure."""
    words: list[str] = []
    options: dict[str, str] = {}
    rest = iter(arguments)
    for argument in rest:
        option, equals, value = argument.partition("=")
        if argument in _FLAGS:
            options[_FLAGS[argument]] = ""
        elif argument in _VALUES:
            options[_VALUES[argument]] = next(rest, "")
        elif equals and option.startswith("--") and option in _VALUES:
            options[_VALUES[option]] = value
        elif argument.startswith("-") or not argument:
            return None
        else:
            words.append(argument)
    if len(words) == 1 and "/" in words[0]:
        words = words[0].split("/")
    kind = find(words[0]) if 1 <= len(words) <= 2 else None
    name = words[1] if len(words) == 2 else ""
    is_odd = not all(words) or options.get("output", "wide") != "wide" or (name and {"all", "selector"} & {*options})
    return (
        None
        if kind is None or is_odd or "" in (options.get("namespace", "x"), options.get("selector", "x"))
        else (Question(kind, name, options))
    )


def answer(arguments: Sequence[str]) -> bool:
    """Whether the table was printed; if not, nothing was."""
    question = parse(arguments)
    if question is None:
        return False
    from nodeguard.cli.agent_socket import socket_path

    try:
        text = _tables(str(socket_path()), question)
    except Exception:  # whatever it was, the ordinary way finds it again and tells it properly
        return False
    if text is None:
        return False
    sys.stdout.write(text)
    return True


def _tables(path: str, question: Question) -> str | None:
    import json
    from urllib.parse import urlencode

    from nodeguard.cli.table import TablePrinter
    from nodeguard.client.quick import read

    table = None
    target = question.kind.path(question.namespace, question.name)
    query = {} if question.name else {"limit": "500"}
    if "selector" in question.options:
        query["labelSelector"] = question.options["selector"]
    while True:
        body = read(
            path, f"{target}?{urlencode(query)}" if query else target, "application/json;as=Table;g=meta.k8s.io;v=v1"
        )
        page = json.loads(body) if body is not None else {}
        if page.get("kind") != "Table" or not page.get("rows"):
            return None
        if table is None:
            table = page
        else:
            table["rows"] += page["rows"]
        token = page["metadata"].get("continue")
        if not token:
            break
        query["continue"] = token
    options = question.options
    printer = TablePrinter(
        wide="output" in options,
        headers="bare" not in options,
        namespaces="all" in options and question.kind.namespaced,
        labels="labels" in options,
    )
    return printer.render(table)
