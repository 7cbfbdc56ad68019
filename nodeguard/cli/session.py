"""A terminal, or a pipe, joined to a container's streams."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nodeguard.client.channel import STDERR, Channel

CHUNK_BYTES = 1 << 16


def join(channel: Channel, *, stdin: bool, tty: bool) -> None:
    """Copy both ways until the session is over. With ``tty`` our terminal is raw and tells its size meanwhile."""
    with _raw_terminal(tty), _window_changes(channel, tty):
        if stdin:
            threading.Thread(target=_copy_stdin, args=(channel,), daemon=True, name="stdin").start()
        for stream, data in channel.receive():
            file = sys.stderr.buffer if stream == STDERR else sys.stdout.buffer
            file.write(data)
            file.flush()


def _copy_stdin(channel: Channel) -> None:
    while True:
        try:
            data = os.read(0, CHUNK_BYTES)
        except OSError:  # a terminal that was taken away has no more to say
            data = b""
        if not data:
            channel.close_stdin()
            return
        channel.send(data)


@contextmanager
def _raw_terminal(tty: bool) -> Iterator[None]:
    """Every key goes to the container, Ctrl-C too; afterwards the terminal is as it was."""
    if not (tty and os.isatty(0)):
        yield
        return
    import termios
    import tty as terminal

    before = termios.tcgetattr(0)
    terminal.setraw(0, termios.TCSANOW)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def _window_changes(channel: Channel, tty: bool) -> Iterator[None]:
    """The container's terminal is as large as ours, from the start and after each change."""
    if not (tty and os.isatty(1)):
        yield
        return
    changes: queue.SimpleQueue[bool] = queue.SimpleQueue()  # a signal handler may put, but must not send

    def send_sizes() -> None:
        while changes.get():
            size = os.get_terminal_size(1)
            channel.resize(size.columns, size.lines)

    def changed(signum: int, frame: Any) -> None:  # noqa: ARG001 - as signal calls it
        changes.put(True)

    before = signal.signal(signal.SIGWINCH, changed)
    changes.put(True)
    thread = threading.Thread(target=send_sizes, daemon=True, name="window")
    thread.start()
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
        changes.put(False)
