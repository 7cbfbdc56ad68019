"""kubectl's JSONPath, as far as ``wait`` and ``-o jsonpath=`` need it: ``{.status.phase}``, ``[0]``, ``[*]``,
``['a.b']``, ``[?(@.type=="Ready")]``, and text between the braces. Pure.

Source: kubernetes, staging/src/k8s.io/client-go/util/jsonpath.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from nodeguard.errors import UsageError

_STEP = re.compile(
    r"""\.(?P<key>(?:[^\s.,*\[\]$@{}\\]|\\.)+) | \.\* | \[(?P<index>-?\d+)\] | \[\*\]
      | \.?\[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]
      | \[\?\(\s*@(?P<path>[^=!<>\s)]*)\s*(?:(?P<operator>==|!=)\s*(?P<value>'[^']*'|"[^"]*"|[^\s)]+))?\s*\)\]""",
    re.VERBOSE,
)
_TEMPLATE = re.compile(r"\{([^{}]*)\}")
_ESCAPES = {"\\n": "\n", "\\t": "\t"}


def evaluate(template: str, value: Any) -> list[Any]:
    """What the template stands for, part by part: text as it is, and every value that an expression finds.

    Raises:
        UsageError: it is no such template.
    """
    if "{" not in template:
        template = "{" + (template if template.startswith((".", "[")) else f".{template}") + "}"
    found: list[Any] = []
    end = 0
    for match in _TEMPLATE.finditer(template):
        found += [template[end : match.start()]] if match.start() > end else []
        found += _expression(match[1].strip(), value, template)
        end = match.end()
    rest = template[end:]
    if "{" in rest or "}" in rest:
        raise UsageError(f"JSONPath {template!r}: a brace has no partner")
    return found + ([rest] if rest else [])


def text_of(parts: Iterable[Any]) -> str:
    """As kubectl prints them: values of one expression a blank apart, what is no text as JSON."""
    return "".join(_text(part) for part in parts)


class _Found(list[Any]):
    """The values of one expression."""


def _expression(text: str, value: Any, template: str) -> list[Any]:
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1:
        literal = text[1:-1]
        for escape, char in _ESCAPES.items():
            literal = literal.replace(escape, char)
        return [literal]
    path = text.removeprefix("$").removeprefix("@")
    if path and not path.startswith((".", "[")):
        raise UsageError(
            f"JSONPath {template!r}: {text!r} is not supported (paths, [0], [*], ['key'], [?(@.a==\"b\")])"
        )
    return [_Found(find(path, value))]


def find(path: str, value: Any) -> list[Any]:
    """Every value at ``path`` below ``value``; none where a key is missing. Raises as ``evaluate``."""
    values = [value]
    position = 0
    while position < len(path) and path != ".":
        match = _STEP.match(path, position)
        if match is None:
            raise UsageError(
                f"JSONPath: {path[position:]!r} is not supported (paths, [0], [*], ['key'], [?(@.a==\"b\")])"
            )
        values = [below for one in values for below in _step(match, one)]
        position = match.end()
    return values


def _step(match: re.Match[str], value: Any) -> Iterator[Any]:
    key = match["quoted"] if match["quoted"] is not None else match["key"]
    if key is not None:
        name = re.sub(r"\\(.)", r"\1", key)
        if isinstance(value, dict) and name in value:
            yield value[name]
    elif match["index"] is not None:
        index = int(match["index"])
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]
    elif match["path"] is not None:
        yield from (one for one in _children(value) if _passes(match, one))
    else:
        yield from _children(value)


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        return value
    return value.values() if isinstance(value, dict) else ()


def _passes(match: re.Match[str], value: Any) -> bool:
    found = find(match["path"], value)
    if match["operator"] is None:
        return bool(found)
    same = any(_text(one) == match["value"].strip("'\"") for one in found)
    return same if match["operator"] == "==" else not same


def _text(value: Any) -> str:
    if isinstance(value, _Found):
        return " ".join(_text(one) for one in value)
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
