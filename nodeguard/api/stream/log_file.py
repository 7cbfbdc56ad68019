"""The files of one container's log, oldest first: read from a place on, also while they are rotated.

The writer's file is ``N.log``; a rotation moves it to ``N.log.TIME`` and lets the writer open a new one. Every file is
opened beneath the log directory without following any link: what containers can do to their volumes cannot lead here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from nodeguard.kernel.path import open_beneath
from nodeguard.runtime.conmon import parse_cri_line

CHUNK_BYTES = 256 << 10
_TAIL_BYTES = 64 << 10

MAX_ENTRY_BYTES = 1 << 20
"""conmon's entries have some 8 KiB; what goes on for longer without an end is nothing of its."""


class LogFiles:
    """One reader. Methods may wait for the disk; they are for a thread, and for one at a time."""

    def __init__(self, log_dir: Path, directory: str, attempt: int) -> None:
        """``directory`` is the container's, relative to ``log_dir``."""
        self._log_dir, self._directory, self._name = log_dir, directory, f"{attempt}.log"
        self._fd = -1
        self._inode = 0
        self._rest = b""

    def open(self, tail_lines: int | None) -> None:
        """Begin at the first entry, or so that as many lines come as are wanted.

        Raises:
            OSError: there is no log.
        """
        names = self._names()
        if tail_lines is None:
            for name in names:
                with suppress(FileNotFoundError):  # rotated away at this moment
                    self._take(self._open(name))
                    return
            raise FileNotFoundError(2, os.strerror(2), self._directory)
        self._open_tail(names, tail_lines)

    def read(self) -> list[bytes]:
        """Some more whole entries, without line ends; none when there is nothing new at this moment."""
        while True:
            if self._fd < 0:
                return []
            is_replaced = self._is_replaced()  # asked first: once there is a new file nothing is added to the old one
            chunk = os.read(self._fd, CHUNK_BYTES)
            if chunk:
                *entries, self._rest = (self._rest + chunk).split(b"\n")
                if len(self._rest) > MAX_ENTRY_BYTES:
                    self._rest = b""
                if entries:
                    return entries
            elif not is_replaced or not self._take_next():
                return []

    def has_news(self) -> bool:
        """Whether reading is worth a thread; looks at most at two inodes."""
        if self._fd < 0:
            return False
        return os.fstat(self._fd).st_size > os.lseek(self._fd, 0, os.SEEK_CUR) or self._is_replaced()

    def close(self) -> None:
        """Let go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open_tail(self, names: list[str], lines: int) -> None:
        """Go back from the end until there are enough lines, through older files if need be."""
        wanted = lines
        opened = -1
        for name in reversed(names):
            try:
                fd = self._open(name)
            except FileNotFoundError:
                continue
            if opened >= 0:
                os.close(opened)
            opened = fd
            start, found = tail_start(fd, wanted)
            os.lseek(fd, start, os.SEEK_SET)
            wanted -= found
            if wanted <= 0:
                break
        if opened < 0:
            raise FileNotFoundError(2, os.strerror(2), self._directory)
        self._take(opened)

    def _names(self) -> list[str]:
        """Rotated files by their times, then the one that is written."""
        fd = open_beneath(self._log_dir, self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            every = os.listdir(fd)
        finally:
            os.close(fd)
        return [*sorted(each for each in every if each.startswith(f"{self._name}.")), self._name]

    def _open(self, name: str) -> int:
        fd = open_beneath(self._log_dir, f"{self._directory}/{name}", os.O_RDONLY | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise FileNotFoundError(2, "no regular file", name)
        return fd

    def _take(self, fd: int) -> None:
        self.close()
        self._fd, self._inode, self._rest = fd, os.fstat(fd).st_ino, b""

    def _take_next(self) -> bool:
        """Go on with the file that followed; when ours is gone altogether, with the oldest there is."""
        opened: list[int] = []
        try:
            for name in self._names():
                with suppress(FileNotFoundError):
                    opened.append(self._open(name))
            inodes = [os.fstat(fd).st_ino for fd in opened]
            position = inodes.index(self._inode) + 1 if self._inode in inodes else 0
            if position >= len(opened):
                return False
            self._take(opened.pop(position))
            return True
        except FileNotFoundError:  # the pod has been removed
            return False
        finally:
            for fd in opened:
                os.close(fd)

    def _is_replaced(self) -> bool:
        try:
            return os.lstat(self._log_dir / self._directory / self._name).st_ino != self._inode
        except OSError:
            return False


def tail_start(fd: int, lines: int) -> tuple[int, int]:
    """Where the last ``lines`` lines of a file begin, and how many there are (all of them when they are fewer).

    A line may be several entries: those that are continued do not count.
    """
    found = 0
    for stop, entry in entries_backwards(fd):
        line = parse_cri_line(entry)
        if line is not None and not line.partial:
            if found == lines:
                return stop, found
            found += 1
    return 0, found


def entries_backwards(fd: int) -> Iterator[tuple[int, bytes]]:
    """The whole entries of a file from the last to the first, each with the place where the next one begins."""
    position, text = os.fstat(fd).st_size, b""
    while position > 0:
        size = min(_TAIL_BYTES, position)
        position -= size
        text = os.pread(fd, size, position) + text
        first, *entries = text.split(b"\n")
        if entries:
            stop = position + len(text) - len(entries.pop())  # what has no line end is no entry yet
            for entry in reversed(entries):
                yield stop, entry
                stop -= len(entry) + 1
            text = first + b"\n"
        if len(text) > MAX_ENTRY_BYTES:
            text = b""
    if text.endswith(b"\n"):
        yield len(text), text[:-1]
