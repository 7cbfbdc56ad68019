"""One HTTP connection to the API server over its Unix socket.

``http.client`` speaks HTTP; this file opens the socket, reads answers, and turns refusals into errors.
"""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodeguard.client.status import error_of
from nodeguard.errors import AgentUnreachable, PermissionDenied, TimedOut

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 60.0
"""Longer than the API takes for anything that is not a stream."""
JSON = "application/json"

Query = Mapping[str, str]


def connect(path: Path) -> socket.socket:
    """A connected socket.

    Raises:
        AgentUnreachable: nobody listens there; PermissionDenied: this user may not.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_SECONDS)
    try:
        connection.connect(str(path))
    except PermissionError as e:
        connection.close()
        raise PermissionDenied(f"{path}: {e.strerror}; run with sudo or join group nodeguard") from e
    except OSError as e:
        connection.close()
        raise AgentUnreachable(f"no agent answers at {path} ({e.strerror or e}): start one with nodeguard agent") from e
    return connection


class Connection:
    """Requests one after the other over a connection that is kept; a stream takes a connection of its own."""

    def __init__(
        self,
        path: Path,
        *,
        on_warning: Callable[[str], None] | None = None,
        timeout_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._path, self._on_warning, self._timeout_seconds = path, on_warning, timeout_seconds
        self._http: HTTPConnection | None = None

    def close(self) -> None:
        """Closed; the next request opens it again."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> tuple[int, Any]:
        """The answer's code and its JSON value. What only reads is asked once more if the connection was cut.

        Raises:
            NodeguardError: what the API answered (``status.error_of``), or that it did not.
        """
        kept = self._http is not None
        try:
            code, data = self._exchange(method, target, body, content_type, accept)
        except AgentUnreachable:
            if not (kept and method == "GET"):
                raise
            code, data = self._exchange(method, target, body, content_type, accept)
        if code >= 400:
            raise error_of(code, data, sent=body is not None)
        try:
            return code, json.loads(data) if data else None
        except ValueError as e:
            raise AgentUnreachable(f"{self._path}: what answers there is not the API: {e}") from e

    def stream(self, target: str, *, accept: str = JSON, timeout_seconds: float | None = None) -> Stream:
        """The answer as it comes. Silence is normal there, so there is no timeout unless one is given."""
        http = self._open(CONNECT_SECONDS)
        try:
            # The head of a followed log may take as long as its first line.
            response = _asked(http, "GET", target, None, JSON, accept, timeout_seconds)
            self._warn(response)
            if response.status >= 400:
                raise error_of(response.status, response.read())
        except BaseException:
            http.close()
            raise
        return Stream(http, response)

    def _exchange(
        self, method: str, target: str, body: bytes | None, content_type: str, accept: str
    ) -> tuple[int, bytes]:
        from http.client import HTTPException

        if self._http is not None and _is_stale(self._http.sock):
            self.close()
        if self._http is None or self._http.sock is None:
            self._http = self._open(self._timeout_seconds)
        try:
            response = _asked(self._http, method, target, body, content_type, accept, self._timeout_seconds)
            data = response.read()
        except (OSError, HTTPException) as e:
            self.close()
            raise _broken(e) from e
        except BaseException:
            self.close()  # half an answer is of no use to the next request
            raise
        self._warn(response)
        return response.status, data

    def _open(self, timeout_seconds: float) -> HTTPConnection:
        from http.client import HTTPConnection

        http = HTTPConnection("localhost", timeout=timeout_seconds)
        http.auto_open = 0  # never to the TCP port that this name would mean
        http.sock = connect(self._path)
        return http

    def _warn(self, response: HTTPResponse) -> None:
        """Source: RFC 7234, 5.5; kubernetes, apimachinery/pkg/util/net/http.go, NewWarningHeader."""
        for value in response.headers.get_all("Warning", ()):
            _, _, text = value.partition('"')
            if self._on_warning is not None and text:
                self._on_warning(text.rpartition('"')[0].replace('\\"', '"').replace("\\\\", "\\"))


class Stream:
    """An answer that comes in pieces. Closed by ``close``, or by the end of ``with``."""

    def __init__(self, http: HTTPConnection, response: HTTPResponse) -> None:
        self._http, self._response = http, response

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Ended."""
        self._response.close()
        self._http.close()

    def chunks(self) -> Iterator[bytes]:
        """Bytes, as soon as there are some.

        Raises:
            AgentUnreachable: the connection was cut in the middle.
        """
        from http.client import HTTPException

        try:
            while data := self._response.read1(1 << 16):
                yield data
        except (OSError, HTTPException) as e:
            raise _broken(e) from e

    def lines(self) -> Iterator[bytes]:
        """Whole lines with their ends; the last one may have none. Raises as ``chunks``."""
        rest = b""
        for chunk in self.chunks():
            first, *others = chunk.split(b"\n")
            rest += first
            for other in others:
                yield rest + b"\n"
                rest = other
        if rest:
            yield rest


def _is_stale(kept: socket.socket | None) -> bool:
    """Whether the server has closed a connection that nothing was asked over for a while."""
    return kept is None or bool(select.select([kept], [], [], 0)[0])


def _asked(
    http: HTTPConnection,
    method: str,
    target: str,
    body: bytes | None,
    content_type: str,
    accept: str,
    timeout_seconds: float | None,
) -> HTTPResponse:
    """The answer, of which the head has been read."""
    from http.client import HTTPException

    headers = {"Accept": accept, "User-Agent": "nodeguard"}
    if body is not None:
        headers["Content-Type"] = content_type
    if http.sock is not None:
        http.sock.settimeout(timeout_seconds)
    try:
        http.request(method, target, body=body, headers=headers)
        return http.getresponse()
    except (OSError, HTTPException) as e:
        raise _broken(e) from e


def _broken(error: Exception) -> AgentUnreachable | TimedOut:
    if isinstance(error, TimeoutError):
        return TimedOut("the agent does not answer in time")
    return AgentUnreachable(f"the agent went away ({error})")
