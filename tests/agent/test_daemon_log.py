"""The agent's log: whoever reads it does not keep the agent waiting."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from nodeguard.agent import daemon_log
from nodeguard.agent.daemon_log import ThreadedHandler


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)
    os.close(write)


def record(text: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("x", level, "", 0, text, None, None)


def test_lines_are_written_whole(pipe: tuple[int, int]) -> None:
    handler = ThreadedHandler(pipe[1])
    handler.emit(record("one"))
    handler.emit(record("two\nlines"))
    handler.drain(30)
    assert os.read(pipe[0], 4096) == b"one\ntwo\n  lines\n"


def test_the_journal_is_told_how_bad_it_is(pipe: tuple[int, int]) -> None:
    handler = ThreadedHandler(pipe[1])
    handler.setFormatter(daemon_log._ForJournal())
    handler.emit(record("bad", logging.ERROR))
    handler.drain(30)
    assert os.read(pipe[0], 4096) == b"<3>bad\n"


def test_a_reader_that_is_stuck_keeps_nobody_waiting_and_is_told_what_it_missed(pipe: tuple[int, int]) -> None:
    handler = ThreadedHandler(pipe[1])
    for _ in range(3 * daemon_log.MAX_WAITING):
        handler.emit(record("x" * 1000))
    handler.drain(0.01)
    text = b""
    while text.count(b"\n") < daemon_log.MAX_WAITING:
        text += os.read(pipe[0], 1 << 16)
    handler.drain(30)
    handler.emit(record("last"))
    handler.drain(30)
    os.set_blocking(pipe[0], False)
    try:
        while True:
            text += os.read(pipe[0], 1 << 16)
    except BlockingIOError:
        pass
    assert b" lines of the log were lost\nlast\n" in text
