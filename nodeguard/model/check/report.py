"""The findings of one object, with lines and paths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nodeguard.model.document import Document, Path, format_path
from nodeguard.model.finding import Fault, Finding, Severity

_SHOWN = 60


class Report:
    """Collects findings; paths are counted from the document's root."""

    def __init__(self, document: Document) -> None:
        self.findings: list[Finding] = []
        self._document = document
        self._warned: set[Path] = set()

    @property
    def has_errors(self) -> bool:
        """Something was found that Kubernetes would refuse."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    def error(self, path: Path, message: str, fault: Fault = Fault.INVALID) -> None:
        """Add what Kubernetes would refuse."""
        self._add(Severity.ERROR, path, message, fault)

    def missing(self, path: Path, message: str) -> None:
        """Add an error about a value that is not there, unless it was there and reported as wrong."""
        shown_path = format_path(path)
        if not any(finding.path == shown_path for finding in self.findings):
            self.error(path, message, Fault.REQUIRED)

    def unsupported(self, path: Path, message: str) -> None:
        """Add what is valid, but cannot be run."""
        self._add(Severity.UNSUPPORTED, path, message, Fault.FORBIDDEN)

    def warn(self, path: Path, message: str) -> None:
        """Add what has no effect, once for all list entries that have it."""
        kind = tuple(step for step in path if isinstance(step, str))
        if kind not in self._warned:
            self._warned.add(kind)
            self._add(Severity.WARNING, path, message)

    def where(self, path: Path) -> str:
        """``on line 3``; in an object that came without lines, ``at spec.containers[0].name``."""
        line = self._document.line(path)
        return f"on line {line}" if line else f"at {format_path(path)}"

    def place(self, path: Path) -> str:
        """Where ``path`` stands, and in which input."""
        return f"{self._document.source}:{self._document.line(path)}"

    def _add(self, severity: Severity, path: Path, message: str, fault: Fault = Fault.INVALID) -> None:
        self.findings.append(
            Finding(
                severity=severity,
                source=self._document.source,
                line=self._document.line(path),
                path=format_path(path),
                message=message,
                fault=fault,
            )
        )


def shown(value: Any) -> str:
    """A value the way a message names it."""
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        return "a very large number"
    return f"the number {value}"


def guess(word: str, words: Iterable[str]) -> str:
    """The one of ``words`` that ``word`` was probably meant to be, or ``""``."""
    known = {known_word.lower(): known_word for known_word in words}
    if word.lower() in known:
        return known[word.lower()]
    from difflib import get_close_matches  # rarely needed, and slow to import

    close = get_close_matches(word.lower()[:_SHOWN], known, n=1, cutoff=0.7)
    return known[close[0]] if close else ""
