"""``python -m bench.attack SOCKET``: keep an API server as busy as one client can, until killed.

Lists without end, bodies of three megabytes that are no objects, watches that come and go, requests that never end.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

PODS = "/api/v1/pods"
LISTERS, WRITERS, WATCHES, SLOW = 4, 2, 200, 100
_BODY = b'{"kind":"Pod","metadata":{"name":"x","labels":{' + b'"a":"b",' * 370_000 + b'"a":"b"}}}'


def connect(path: Path) -> socket.socket:
    """A connection to the API server."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(str(path))
    return connection


def ask(path: Path, method: str, target: str, body: bytes | None) -> None:
    """Requests on one connection, as fast as they are answered."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = connect(path)
    with contextlib.closing(connection):
        for _ in range(100):
            connection.request(method, target, body, {"content-type": "application/json"})
            connection.getresponse().read()


def hold(path: Path, said: bytes, count: int) -> None:
    """Connections that say this and then nothing; after a while all are given up."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(connect(path))
            connection.sendall(said)
        threading.Event().wait(2)


def again(work: Callable[[], None]) -> None:
    """Whatever comes of it, do it again."""
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            work()


def main() -> None:
    """Attack."""
    path = Path(sys.argv[1])
    watch = f"GET {PODS}?watch=1 HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    works: list[Callable[[], None]] = [
        *(lambda: ask(path, "GET", PODS, None) for _ in range(LISTERS)),
        *(lambda: ask(path, "POST", "/api/v1/namespaces/default/pods", _BODY) for _ in range(WRITERS)),
        lambda: hold(path, watch, WATCHES),
        lambda: hold(path, b"POST /api/v1/pods HTTP/1.1\r\nhost: x\r\ncontent-le", SLOW),
    ]
    threads = [threading.Thread(target=again, args=(work,)) for work in works]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
