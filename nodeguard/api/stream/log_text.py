"""Entries of a CRI log file → the text a client gets.

Source: kubernetes, pkg/kubelet/cri-client/pkg/logs (logWriter).
"""

from __future__ import annotations

from nodeguard.api.stream.log_option import LogOptions
from nodeguard.model.instant import parse_rfc3339
from nodeguard.runtime.conmon import LogLine, parse_cri_line

_SECONDS_WIDTH = len("2026-11-21T10:54:12")


class LogText:
    """Keeps what is wanted of the entries that are fed to it, in order."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._open: dict[str, bool] = {}
        self._left = options.limit_bytes
        self._is_recent = options.since is None
        self._second: tuple[bytes, float] = (b"", 0.0)

    @property
    def is_full(self) -> bool:
        """As many bytes were given as were wanted."""
        return self._left == 0

    def feed(self, entries: list[bytes]) -> bytes:
        """The text of whole entries, without their line ends."""
        parts: list[bytes] = []
        for entry in entries:
            line = parse_cri_line(entry)
            if line is not None and line.stream in self._options.streams and self._is_wanted(line):
                parts.append(self._text(line))
        text = b"".join(parts)
        if self._left is not None:
            text = text[: self._left]
            self._left -= len(text)
        return text

    def _text(self, line: LogLine) -> bytes:
        continues = self._open.get(line.stream, False)
        self._open[line.stream] = line.partial
        begin = b"" if continues or not self._options.timestamps else _shown(line.timestamp)
        return begin + line.content + (b"" if line.partial else b"\n")

    def _is_wanted(self, line: LogLine) -> bool:
        """Entries are in the order of their time: after the first recent one all are."""
        if not self._is_recent and self._options.since is not None:
            self._is_recent = self._at(line.timestamp) >= self._options.since
        return self._is_recent

    def _at(self, timestamp: str) -> float:
        """UNIX seconds; the same second is read once. What is no time is long ago."""
        text = timestamp.encode()
        second = text[:_SECONDS_WIDTH]
        if second != self._second[0]:
            whole = f"{timestamp[:_SECONDS_WIDTH]}{_zone(timestamp)}"
            self._second = (second, parse_rfc3339(whole) or 0.0)
        digits = timestamp[_SECONDS_WIDTH : len(timestamp) - len(_zone(timestamp))]
        return self._second[1] + (float(f"0{digits}") if digits[:1] == "." and digits[1:].isdigit() else 0.0)


def _zone(timestamp: str) -> str:
    return "Z" if timestamp.endswith("Z") else timestamp[-6:]


def _shown(timestamp: str) -> bytes:
    """As Go prints it: UTC is Z."""
    return (timestamp.removesuffix("+00:00") + "Z " if timestamp.endswith("+00:00") else f"{timestamp} ").encode()
