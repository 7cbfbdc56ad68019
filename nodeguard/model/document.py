"""YAML and JSON text to plain values, each with the line it stands on.

Nothing here raises; what is wrong becomes findings of the document. Refused on purpose: duplicate keys (kubectl may
only warn) and keys that are not strings (kubectl makes text of them).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from nodeguard.model.finding import Finding, Severity
from nodeguard.model.scalar import resolve

MAX_BYTES = 8 * 1024 * 1024
"""Larger inputs are refused; who opens files looks at the size before reading."""
MAX_DEPTH = 100
MAX_NODES = 200_000
"""Values in one input, each alias counted with all that it stands for."""
MAX_DOCUMENTS = 10_000
_MAX_SYNTAX_ERRORS = 20

Path = tuple[str | int, ...]
"""Where a value stands: keys and list positions from the document's root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document: ``value`` is made of dict, list, str, int, float, bool and None.

    ``lines`` knows every value that was written out; below an alias the line of the alias counts. ``value`` is None
    when the document could not be read: then ``findings`` says why.
    """

    value: Any
    source: str
    lines: Mapping[Path, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def line(self, path: Path) -> int:
        """The line of the value at ``path``, or of the nearest value around it."""
        for end in range(len(path), -1, -1):
            line = self.lines.get(path[:end])
            if line is not None:
                return line
        return 0


def format_path(path: Path) -> str:
    """``spec.containers[0].resources.limits[nvidia.com/gpu]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{step}]"
    return text


def parse(text: str | bytes, source: str) -> list[Document]:
    """Every document of the input that is not empty; after an error reading goes on at the next ``---``."""

    def refused(message: str, line: int = 0) -> list[Document]:
        return [Document(value=None, source=source, findings=(_error(source, line, "", message),))]

    if len(text) > MAX_BYTES:
        return refused(f"{len(text)} bytes are too much for a manifest; at most {MAX_BYTES} are read")
    if isinstance(text, bytes):
        if text.startswith((b"\xff\xfe", b"\xfe\xff")):
            return refused("the text is UTF-16; save it as UTF-8")
        try:
            text = text.decode()
        except UnicodeDecodeError as e:
            line = e.object.count(b"\n", 0, e.start) + 1
            return refused(f"byte 0x{e.object[e.start]:02x} is not UTF-8; save the file as UTF-8", line)
    text = text.removeprefix("\ufeff")
    unreadable = _UNREADABLE.search(text)
    if unreadable is not None:
        name = "a NUL byte" if unreadable[0] == "\0" else f"the control character U+{ord(unreadable[0]):04X}"
        return refused(f"{name} is not allowed in YAML or JSON", _line_at(text, unreadable.start()))
    if text.lstrip(" \t\r\n").startswith("{"):
        text = _SURROGATES.sub(_join_surrogates, text)
    return _Reader(source).read(text)


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_$-]+")
_UNREADABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATES = re.compile(r"((?<!\\)(?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)


class _Refused(Exception):
    """Reading stops here for good; carries line and message."""


class _Reader:
    """Builds values from parser events, so that depth and size are known before anything is built."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._nodes = 0
        self._documents: list[Document] = []
        self._offset = 0
        self._document_line = 0

    def read(self, text: str) -> list[Document]:
        start = 0
        for _ in range(_MAX_SYNTAX_ERRORS):
            broken_line = self._read_stream(text[start:] if start else text)
            if broken_line is None:
                break
            position = start
            for _ in range(max(broken_line, self._document_line + 1) - 1 - self._offset):
                position = text.find("\n", position) + 1 or len(text)
            separator = _SEPARATOR.search(text, position)
            if separator is None:
                break
            self._offset += text.count("\n", start, separator.start())
            start = separator.start()
        return self._documents

    def _read_stream(self, text: str) -> int | None:
        """Read documents up to a syntax error; its line is returned, or None when there is nothing more to read."""
        self._begin()
        loader = _LOADER(text)
        self._next = loader.get_event
        try:
            self._next()
            while True:
                event = self._next()
                if isinstance(event, yaml.StreamEndEvent):
                    return None
                self._begin()
                self._document_line = self._line(event)
                if len(self._documents) >= MAX_DOCUMENTS:
                    raise _Refused(self._line(event), f"more than {MAX_DOCUMENTS} documents in one input")
                value = self._node(self._next(), (), 0)
                self._next()
                if value is not None or self._findings:
                    self._finish(value)
        except yaml.YAMLError as e:
            mark = getattr(e, "problem_mark", None) or getattr(e, "context_mark", None)
            line = mark.line + 1 + self._offset if mark is not None else 0
            self._report(line, (), _explain(e, text))
            self._finish(None)
            return line or None
        except _Refused as e:
            line, message = e.args
            self._report(line, (), message)
            self._finish(None)
            return None
        finally:
            loader.dispose()

    def _begin(self) -> None:
        self._lines: dict[Path, int] = {}
        self._findings: list[Finding] = []
        self._anchors: dict[str, tuple[Any, int] | None] = {}

    def _finish(self, value: Any) -> None:
        self._documents.append(
            Document(value=value, source=self._source, lines=self._lines, findings=tuple(self._findings))
        )

    def _line(self, event: Any) -> int:
        return int(event.start_mark.line) + 1 + self._offset

    def _report(self, line: int, path: Path, message: str) -> None:
        self._findings.append(_error(self._source, line, format_path(path), message))

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _Refused(line, f"more than {MAX_NODES} values (aliases counted with all they stand for)")

    def _node(self, event: Any, path: Path, depth: int) -> Any:
        line = self._line(event)
        self._lines.setdefault(path, line)
        if depth > MAX_DEPTH:
            raise _Refused(line, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), path, depth, line)
        before = self._nodes
        self._count(1, line)
        anchor: str | None = event.anchor
        if anchor is not None:
            self._anchors[anchor] = None
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, path, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._check_tag(event, "tag:yaml.org,2002:seq", path, line)
            value = self._sequence(path, depth)
        else:
            self._check_tag(event, "tag:yaml.org,2002:map", path, line)
            value = self._mapping(path, depth)
        if anchor is not None:
            self._anchors[anchor] = (value, self._nodes - before)
        return value

    def _alias(self, anchor: str, path: Path, depth: int, line: int) -> Any:
        if anchor not in self._anchors:
            self._report(line, path, f"alias *{anchor} has no anchor &{anchor} before it")
            return None
        known = self._anchors[anchor]
        if known is None:
            self._report(line, path, f"anchor &{anchor} contains itself")
            return None
        value, nodes = known
        self._count(nodes, line)
        return _copy(value, depth, line)

    def _scalar(self, event: Any, path: Path, line: int) -> Any:
        text: str = event.value
        tag: str | None = event.tag
        if "\0" in text:
            self._report(line, path, "a NUL character is not allowed in a value")
            return text.replace("\0", "")
        if (tag is None and not event.implicit[0]) or tag in ("!", "tag:yaml.org,2002:str"):
            return text
        value = resolve(text)
        if isinstance(value, float) and not math.isfinite(value):
            self._report(line, path, f"{text} is not a number JSON knows; allowed are finite numbers")
            return None
        if tag is not None:
            wanted = _TAGS.get(tag)
            if wanted is None:
                self._report(line, path, f"tag {_shown_tag(tag)} is not allowed; only plain YAML types are")
            elif type(value) not in wanted:
                self._report(line, path, f"{text!r} is not of the type {_shown_tag(tag)} it is tagged with")
        return value

    def _check_tag(self, event: Any, allowed: str, path: Path, line: int) -> None:
        if event.tag is not None and event.tag not in (allowed, "!"):
            self._report(line, path, f"tag {_shown_tag(event.tag)} is not allowed; only plain YAML types are")

    def _sequence(self, path: Path, depth: int) -> list[Any]:
        items: list[Any] = []
        event = self._next()
        while not isinstance(event, yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items)), depth + 1))
            event = self._next()
        return items

    def _mapping(self, path: Path, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        merged: list[tuple[int, Any]] = []
        event = self._next()
        while not isinstance(event, yaml.MappingEndEvent):
            line = self._line(event)
            if _is_merge_key(event):
                merged.append((line, self._node(self._next(), (*path, "<<"), depth + 1)))
                event = self._next()
                continue
            key = self._key(event, path, depth, line)
            if key in first_lines:
                self._report(line, (*path, key), f"duplicate key {key!r}, first on line {first_lines[key]}")
            first_lines.setdefault(key, line)
            self._lines.setdefault((*path, key), line)
            values[key] = self._node(self._next(), (*path, key), depth + 1)
            event = self._next()
        for line, sources in merged:
            self._merge(values, sources, path, line)
        return values

    def _key(self, event: Any, path: Path, depth: int, line: int) -> str:
        key = self._node(event, (*path, "?"), depth + 1)
        self._lines.pop((*path, "?"), None)
        if isinstance(key, str):
            return key
        if isinstance(key, dict | list):
            self._report(line, path, "a key must be a string, not a list or an object")
            return "?"
        shown = str(getattr(event, "value", key))
        meaning = "nothing" if key is None else str(key).lower() if isinstance(key, bool) else "a number"
        self._report(line, path, f"key {shown or 'null'} must be a string, but means {meaning}; write it in quotes")
        return shown

    def _merge(self, values: dict[str, Any], sources: Any, path: Path, line: int) -> None:
        """Add what ``<<`` brings; keys written out win, then earlier sources."""
        for source in sources if isinstance(sources, list) else [sources]:
            if not isinstance(source, dict):
                self._report(line, path, "<< needs an object, or a list of objects, to merge")
                return
            for key, value in source.items():
                if key not in values:
                    values[key] = value
                    self._lines[(*path, key)] = line


_TAGS: dict[str, tuple[type, ...]] = {
    "tag:yaml.org,2002:int": (int,),
    "tag:yaml.org,2002:float": (float, int),
    "tag:yaml.org,2002:bool": (bool,),
    "tag:yaml.org,2002:null": (type(None),),
}


def _is_merge_key(event: Any) -> bool:
    return (
        isinstance(event, yaml.ScalarEvent)
        and event.value == "<<"
        and (event.tag == "tag:yaml.org,2002:merge" or (event.tag is None and bool(event.implicit[0])))
    )


def _copy(value: Any, depth: int, line: int) -> Any:
    """A copy of an anchored value: what stands behind two aliases can then be changed apart."""
    if depth > MAX_DEPTH:
        raise _Refused(line, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {key: _copy(item, depth + 1, line) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item, depth + 1, line) for item in value]
    return value


def _shown_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _join_surrogates(match: re.Match[str]) -> str:
    """JSON writes characters beyond U+FFFF as two escapes; YAML knows them as one."""
    high, low = int(match[2], 16), int(match[3], 16)
    return match[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _error(source: str, line: int, path: str, message: str) -> Finding:
    return Finding(severity=Severity.ERROR, source=source, line=line, path=path, message=message)


def _explain(error: yaml.YAMLError, text: str) -> str:
    """The parser's complaint in words that say what to do."""
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    if "cannot start any token" in problem:
        found = _character(error, text)
        if found == "\t":
            return "a tab stands where YAML allows only spaces; indent with spaces"
        return f"not readable as YAML: {found!r} cannot start a value; put the value in quotes"
    if "mapping values are not allowed" in problem:
        return "not readable as YAML: a ': ' that does not fit here; check the indentation, or put the value in quotes"
    if "could not find expected ':'" in problem:
        return "not readable as YAML: a key without ':'"
    if "did not find expected key" in problem or "did not find expected '-' indicator" in problem:
        return "not readable as YAML: check the indentation of this line and the one before it"
    context = getattr(error, "context", None)
    return f"not readable as YAML: {context}, {problem}" if context else f"not readable as YAML: {problem}"


def _character(error: yaml.YAMLError, text: str) -> str:
    """The character the parser stopped at."""
    mark = getattr(error, "problem_mark", None)
    line = text.split("\n", mark.line + 1)[mark.line] if mark is not None and mark.line <= text.count("\n") else ""
    return line[mark.column : mark.column + 1] if mark is not None else ""
