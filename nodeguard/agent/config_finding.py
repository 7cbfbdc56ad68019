"""What is wrong with a configuration, or has no effect: one way to say it for all layers. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from nodeguard.model.finding import Finding, Severity


def error(source: str, line: int, path: str, message: str) -> Finding:
    """What has to be mended; ``path`` is the setting's name."""
    return Finding(severity=Severity.ERROR, source=source, line=line, path=path, message=message)


def warning(source: str, line: int, path: str, message: str) -> Finding:
    """What is accepted, but does nothing here."""
    return Finding(severity=Severity.WARNING, source=source, line=line, path=path, message=message)


def suggestion(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one, ready to follow a message; empty when none is."""
    from difflib import get_close_matches  # 4 ms, and only when something is wrong

    close = get_close_matches(word, list(known), n=1)
    return f", did you mean {close[0]!r}" if close else ""
