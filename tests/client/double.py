"""A server on a Unix socket that answers as a test says, to see what a client does with odd answers."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Double:
    """Gives each connection one of the ``scripts``, in order: bytes to send after a request was read."""

    def __init__(self, path: Path, scripts: list[list[bytes]]) -> None:
        self.path, self.requests = path, list[bytes]()
        self._scripts = scripts
        self._talkers: list[tuple[socket.socket, threading.Thread]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._listener.close()
        self._thread.join()
        for connection, talker in self._talkers:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            talker.join()

    def _serve(self) -> None:
        for answers in self._scripts:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            talker = threading.Thread(target=self._talk, args=(connection, answers), daemon=True)
            talker.start()
            self._talkers.append((connection, talker))

    def _talk(self, connection: socket.socket, answers: list[bytes]) -> None:
        with connection, suppress(OSError):
            for answer in answers:
                request = b""
                while not _is_whole(request) and (data := connection.recv(65536)):
                    request += data
                self.requests += [request] if request else []
                connection.sendall(answer)


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return bool(end) and len(body) >= int(length[1] if length else 0)


@contextmanager
def double(path: Path, *scripts: list[bytes]) -> Iterator[Double]:
    """Serve these connections, each with these answers, and close each when it has no more."""
    server = Double(path, list(scripts))
    try:
        yield server
    finally:
        server.close()


def answer(body: bytes, code: int = 200, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {code} X", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def chunked(*pieces: bytes, ends: bool = True) -> bytes:
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + (b"0\r\n\r\n" if ends else b"")
