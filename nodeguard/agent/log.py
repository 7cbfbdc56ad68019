"""One container's log file (CRI format, written by conmon): followed, and rotated as the kubelet does.

Source: kubelet, pkg/kubelet/logs/container_log_manager.go (N.log → N.log.<time>, older ones gzipped).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import gmtime, strftime

from nodeguard.runtime.conmon import parse_cri_line

CHUNK_BYTES = 16 * 1024
"""Read at once: a few milliseconds of work."""

DRESSING_BYTES = 64
"""More than time, stream and tag take at the start of an entry."""

LINE_BYTES = 16 * 1024
"""A line without an end is handed on in pieces of this size, as the CRI log format itself does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line a container wrote, without its end; ``stream`` is ``stdout`` or ``stderr``."""

    stream: str
    content: bytes


class ContainerLog:
    """Reads what is new in a log file; every whole line goes to ``sink``. Without one nothing is read at all."""

    def __init__(self, path: Path, sink: Callable[[LogLine], None] | None, *, max_bytes: int, max_files: int) -> None:
        self.path = path
        self._sink = sink
        self._max_bytes, self._max_files = max_bytes, max_files
        self._fd = -1
        self._rest = b""
        self._partial: dict[str, bytes] = {}

    def read_some(self) -> bool:
        """Hand on the complete lines of one piece of what is new; whether there may be more, after a rotation in the
        new file. A writer may be faster than any reader, so nobody reads to the end at once."""
        is_replaced = self._is_replaced()  # asked first: once there is a new file nothing is added to the old one
        if self._fd < 0:
            with suppress(FileNotFoundError):
                self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            if self._fd < 0:
                return False
        chunk = b"" if self._sink is None else os.read(self._fd, CHUNK_BYTES)
        if chunk:
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._hand_on(line)
            return True
        if is_replaced:
            self._close_fd()
        return is_replaced

    def skip(self) -> None:
        """What is there by now has been handed on, or never will be."""
        with suppress(FileNotFoundError):
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            os.lseek(self._fd, 0, os.SEEK_END)

    def wants_rotation(self) -> bool:
        """The file has grown past its limit, read or not, and has not been moved aside yet."""
        is_large = self._fd >= 0 and os.fstat(self._fd).st_size > self._max_bytes
        return is_large and self._inode_at_path() == os.fstat(self._fd).st_ino

    def rotate(self, at: float) -> Path:
        """Move the file aside and forget the oldest ones; the writer must now be told to reopen its log.

        Returns the path the old file has now.
        """
        aside = self.path.with_name(f"{self.path.name}.{strftime('%Y%m%d-%H%M%S', gmtime(at))}")
        self.path.rename(aside)
        for old in self._rotated()[: -(self._max_files - 1)]:
            old.unlink(missing_ok=True)
        return aside

    def close(self) -> None:
        """Hand on what had no end, and let go."""
        if self._rest:
            self._hand_on(self._rest)
            self._rest = b""
        for stream, content in self._partial.items():
            self._say(LogLine(stream=stream, content=content))
        self._partial.clear()
        self._close_fd()

    def tail(self, max_lines: int, max_bytes: int) -> str:
        """The last lines written, for ``terminationMessagePolicy: FallbackToLogsOnError``."""
        with suppress(OSError), self.path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - max_bytes - max_lines * DRESSING_BYTES))
            lines = [parse_cri_line(line) for line in file.read().splitlines()[-max_lines:]]
            text = b"\n".join(line.content for line in lines if line is not None)
            return text[-max_bytes:].decode(errors="replace")
        return ""

    def _rotated(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{self.path.name}.*"))

    def _hand_on(self, raw: bytes) -> None:
        line = parse_cri_line(raw)
        if line is None:
            return
        content = self._partial.pop(line.stream, b"") + line.content
        if line.partial and len(content) < LINE_BYTES:
            self._partial[line.stream] = content
        else:
            self._say(LogLine(stream=line.stream, content=content))

    def _say(self, line: LogLine) -> None:
        if self._sink is not None:
            self._sink(line)

    def _is_replaced(self) -> bool:
        """The writer has opened a new file after a rotation."""
        return self._fd >= 0 and self._inode_at_path() not in (None, os.fstat(self._fd).st_ino)

    def _inode_at_path(self) -> int | None:
        with suppress(FileNotFoundError):
            return self.path.lstat().st_ino
        return None

    def _close_fd(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
