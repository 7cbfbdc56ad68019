"""The agent's end of the link to its API server.

Two threads wait for the socket, so that the loop never does: one reads, decodes and hands messages to the loop one at
a time, each when the one before has been dealt with; the other encodes and writes what the loop left for it. What the
API server does not take is bounded: past the bound the link is given up, and with it the API server.

Source of the bound: docs/decisions/0006-the-api-is-a-process-of-its-own.md.
"""

from __future__ import annotations

import fcntl
import logging
import socket
import struct
import termios
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress

from nodeguard.agent.loop import Loop
from nodeguard.errors import LinkFault
from nodeguard.model.link import Lines, Message, decode, encode

log = logging.getLogger(__name__)

MAX_PENDING = 4096
"""Messages that wait to be written: all pods of a node and a storm of events."""

PIECE_BYTES = 1 << 16
STUCK_LOOKS = 3
"""So many times the API server was seen not to read, at `look`, until it counts as stuck."""

Translate = Callable[[Message], Iterable[Callable[[], None]]]
"""Called in the reading thread: a message as calls for the loop, made one by one."""


class Link:
    """One life of the link. All methods are called in the loop's thread; ``lost(why)`` is called there, once."""

    def __init__(self, loop: Loop, end: socket.socket, translate: Translate, lost: Callable[[str], None]) -> None:
        self._loop, self._socket, self._translate, self._lost = loop, end, translate, lost
        self._changed = threading.Condition()
        self._pending: OrderedDict[object, Message] = OrderedDict()
        self._handled = threading.Semaphore(1)
        self._is_open = True
        self._unread_bytes = self._sent_bytes = self._sent_before = self._looks = 0
        self._threads = 2
        for work, name in ((self._read, "link-reader"), (self._write, "link-writer")):
            threading.Thread(target=self._until_lost, args=(work,), daemon=True, name=name).start()

    def send(self, message: Message, key: object = None) -> None:
        """Have it written. What waits under the same ``key`` (not None) is replaced: only the latest counts."""
        with self._changed:
            if not self._is_open:
                return
            if key is None:
                key = object()
            else:
                self._pending.pop(key, None)
            self._pending[key] = message
            is_too_much = len(self._pending) > MAX_PENDING
            self._changed.notify()
        if is_too_much:
            self._give_up(f"{MAX_PENDING} messages wait to be read")

    def look(self) -> None:
        """Give the link up when the other side has not read for some looks; to be called every few seconds."""
        unread, sent = self._unread(), self._sent_bytes
        # The kernel counts a little more than was sent. Whoever has read anything has less than all that came since.
        has_all = unread > 0 and unread >= self._unread_bytes + sent - self._sent_before
        self._unread_bytes, self._sent_before = unread, sent
        self._looks = self._looks + 1 if has_all else 0
        if self._looks >= STUCK_LOOKS:
            self._give_up("it does not read what it is told")

    def close(self) -> None:
        """The other side sees the end; ``lost`` is not called any more."""
        with self._changed:
            if not self._is_open:
                return
            self._is_open = False
            self._pending.clear()
            self._changed.notify_all()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes both threads
        self._handled.release()

    def _give_up(self, why: str) -> None:
        if self._is_open:
            self.close()
            self._lost(why)

    def _unread(self) -> int:
        """What the other side has not taken out of the socket, in the kernel's bytes.

        Source: Linux, man 7 unix (SIOCOUTQ).
        """
        if not self._is_open:
            return 0
        answer = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
        return int(struct.unpack("i", answer)[0])

    # the two threads

    def _until_lost(self, work: Callable[[], str]) -> None:
        try:
            why = work()
        except OSError as e:
            why = e.strerror or str(e)
        except LinkFault as e:
            why = str(e)
        except Exception as e:
            log.exception("link failed")
            why = f"internal error: {e}"
        self._loop.call_soon(lambda: self._give_up(why))
        with self._changed:
            self._threads -= 1
            if not self._threads:  # sooner, its number could be another file's while one of them still uses it
                self._socket.close()

    def _read(self) -> str:
        lines = Lines()
        while self._is_open:
            data = self._socket.recv(PIECE_BYTES)
            if not data:
                return "it was closed by the API server"
            lines.feed(data)
            while (line := lines.next_line()) is not None:
                for call in self._translate(decode(line)):
                    self._hand_over(call)
        return "closed"

    def _hand_over(self, call: Callable[[], None]) -> None:
        """Wait until the loop has made the call: however fast messages come, it deals with one at a time."""
        self._handled.acquire()

        def make() -> None:
            try:
                if self._is_open:
                    call()
            finally:
                self._handled.release()

        self._loop.call_soon(make)

    def _write(self) -> str:
        while True:
            with self._changed:
                while self._is_open and not self._pending:
                    self._changed.wait()
                if not self._is_open:
                    return "closed"
                _, message = self._pending.popitem(last=False)
            try:
                line = encode(message)
            except LinkFault as e:  # one that is too long is not sent, the others are
                log.error("not told to the API server: %s", e)
                continue
            self._socket.sendall(line)
            self._sent_bytes += len(line)
