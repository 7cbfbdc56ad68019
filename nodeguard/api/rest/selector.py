"""labelSelector and fieldSelector of a list or a watch.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/labels/selector.go (Parser), pkg/fields/selector.go
(ParseSelector).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nodeguard.api.status import bad_request
from nodeguard.api.store.entry import Entry
from nodeguard.model.placement import Requirement
from nodeguard.model.syntax import label_value, qualified_name
from nodeguard.policy.selector import all_hold, number

MAX_CHARACTERS = 64 * 1024

_TOKEN = re.compile(r"\s*(==|!=|[=<>!(),]|[^\s=<>!(),]+)")
_SYMBOLS = frozenset(("==", "!=", "=", "<", ">", "!", "(", ")", ","))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """What a list shows: every rule holds."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[tuple[str, str, bool], ...] = ()
    """Path, value, and whether it has to be equal."""

    @property
    def is_everything(self) -> bool:
        """Whether it lets all pass."""
        return not self.labels and not self.fields

    def matches(self, entry: Entry) -> bool:
        """Whether an object is shown."""
        return all((entry.field(path) == value) is equal for path, value, equal in self.fields) and (
            not self.labels or all_hold(self.labels, entry.labels)
        )


def parse_selector(label_selector: str, field_selector: str, known_fields: tuple[str, ...]) -> Selector:
    """The selector of both texts.

    Raises:
        ApiError: 400, one makes no sense, or names a field that cannot be selected by.
    """
    if max(len(label_selector), len(field_selector)) > MAX_CHARACTERS:
        raise bad_request(f"a selector is longer than {MAX_CHARACTERS} characters")
    fields = parse_fields(field_selector)
    for path, _, _ in fields:
        if path not in ("metadata.name", "metadata.namespace", *known_fields):
            raise bad_request(f"field label not supported: {path}")
    return Selector(labels=parse_labels(label_selector), fields=fields)


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """The rules of a labelSelector: ``a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1``.

    Raises:
        ApiError: 400, it makes no sense.
    """
    try:
        return tuple(_Parser(text).rules())
    except ValueError as e:
        raise bad_request(f'unable to parse requirement: {e} in labelSelector "{text[:200]}"') from None


def parse_fields(text: str) -> tuple[tuple[str, str, bool], ...]:
    """The rules of a fieldSelector: ``a.b=c,d!=e``; ``\\`` makes the next character a plain one.

    Raises:
        ApiError: 400, it makes no sense.
    """
    return tuple(_field_rule(term) for term in _terms(text) if term)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise ValueError(f"unexpected {text[at]!r}")
            self._tokens.append(match[1])
            at = match.end()
        self._at = 0

    def rules(self) -> list[Requirement]:
        rules: list[Requirement] = []
        while self._at < len(self._tokens):
            rules.append(self._rule())
            if self._at < len(self._tokens):
                self._expect(",")
                if self._at == len(self._tokens):
                    raise ValueError("found nothing after ','")
        return rules

    def _rule(self) -> Requirement:
        if self._peek() == "!":
            self._at += 1
            return Requirement(key=self._key(), operator="DoesNotExist", values=())
        key, operator = self._key(), self._peek()
        if operator in ("", ","):
            return Requirement(key=key, operator="Exists", values=())
        self._at += 1
        match operator:
            case "=" | "==":
                return Requirement(key=key, operator="In", values=(self._value(),))
            case "!=":
                return Requirement(key=key, operator="NotIn", values=(self._value(),))
            case "<" | ">":
                value = self._value()
                if number(value) is None:
                    raise ValueError(f"for 'Gt', 'Lt' operators, the value must be an integer, found {value!r}")
                return Requirement(key=key, operator="Gt" if operator == ">" else "Lt", values=(value,))
            case "in" | "notin":
                return Requirement(key=key, operator="In" if operator == "in" else "NotIn", values=self._values())
            case _:
                raise ValueError(f"found {operator!r}, expected: in, notin, =, ==, !=, <, >")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _key(self) -> str:
        key = self._peek()
        if not key or key in _SYMBOLS:
            raise ValueError(f"found {key!r}, expected: !, identifier")
        if qualified_name(key) is not None:
            raise ValueError(f"{key!r} is no label's key")
        self._at += 1
        return key

    def _value(self) -> str:
        value = self._peek()
        if value in ("", ","):
            return ""
        if value in _SYMBOLS:
            raise ValueError(f"found {value!r}, expected: identifier")
        if label_value(value) is not None:
            raise ValueError(f"{value!r} is no label's value")
        self._at += 1
        return value

    def _values(self) -> tuple[str, ...]:
        self._expect("(")
        values = [self._value()]
        while self._peek() == ",":
            self._at += 1
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _expect(self, token: str) -> None:
        found = self._peek()
        if found != token:
            raise ValueError(f"found {found!r}, expected: {token!r}")
        self._at += 1


def _terms(text: str) -> list[str]:
    terms, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == ",":
            terms.append(text[start:at])
            start = at + 1
        at += 1
    terms.append(text[start:])
    return terms


def _field_rule(term: str) -> tuple[str, str, bool]:
    at = 0
    while at < len(term):
        if term[at] == "\\":
            at += 2
            continue
        for operator in ("!=", "==", "="):
            if term.startswith(operator, at):
                path, value = term[:at], term[at + len(operator) :]
                return path.strip(), _unescape(value), operator != "!="
        at += 1
    raise bad_request(f"invalid selector: '{term[:200]}'; can't understand '{term[:200]}'")


def _unescape(value: str) -> str:
    found, at = "", 0
    while at < len(value):
        if value[at] == "\\":
            at += 1
            if at == len(value) or value[at] not in "\\,=":
                raise bad_request(f"invalid field selector: bad escape in '{value[:200]}'")
        elif value[at] in "=,":
            raise bad_request(f"invalid field selector: unescaped '{value[at]}' in '{value[:200]}'")
        found += value[at]
        at += 1
    return found
