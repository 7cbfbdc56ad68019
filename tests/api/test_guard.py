"""Hostile clients of one connection each: whatever they do ends, and others are served meanwhile."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from streamserver import Server, until

from nodeguard.api import guard

LARGE = b"x" * (8 << 20)


async def large(_: Request) -> PlainTextResponse:
    return PlainTextResponse(LARGE)


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HEADER_SECONDS", "BODY_SECONDS", "UNREAD_SECONDS"):
        monkeypatch.setattr(guard, name, 0.5)
    routes = [Route("/large", large), Route("/p/log", large), Route("/echo", echo, methods=["GET", "POST"])]
    with Server(tmp_path / "api.sock", routes) as server:
        yield server
        assert server.get("/echo")[0] == 200
    until(lambda: guard._connections._peers == {})
    assert not guard._connections._count


def ends(connection: socket.socket) -> bool:
    """Whether the server closes it; it has long enough."""
    with suppress(ConnectionError):
        while connection.recv(1 << 16):
            pass
    return True


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET", id="half a line"),
        pytest.param(b"GET /echo HTTP/1.1\r\nhost: x\r\na: ", id="half a header"),
        pytest.param(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nab", id="half a body"),
        pytest.param(b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\na", id="half a chunk"),
        pytest.param(b"GET /echo HTTP/1.1\r\nhost: x\r\n\r\nGET /e", id="half a second request"),
    ],
)
def test_who_does_not_go_on_is_left(server: Server, said: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(said)
        assert ends(connection)


def test_a_byte_now_and_then_buys_no_time(server: Server) -> None:
    with server.connect() as connection:
        gone = threading.Event()
        thread = threading.Thread(target=lambda: (ends(connection), gone.set()))
        thread.start()
        with suppress(ConnectionError):
            connection.sendall(b"GET /echo HTTP/1.1\r\nhost: x\r\nx: ")
            while not gone.wait(0.1):
                connection.sendall(b"a")
        thread.join(20)
        assert gone.is_set()


def test_who_does_not_read_is_left(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        head = connection.recv(100)
        assert b"200" in head
        until(lambda: server.get("/echo")[0] == 200 and not _is_served(server))
        received = len(head)
        with suppress(ConnectionError):
            while piece := connection.recv(1 << 20):
                received += len(piece)
        assert received < len(LARGE)


def _is_served(server: Server) -> bool:
    return len(guard._connections._peers) > 0


def test_who_reads_a_log_slowly_may(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /p/log HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        head = connection.recv(100)
        threading.Event().wait(1.5)  # three times what other answers have
        received = len(head)
        while piece := connection.recv(1 << 20):
            received += len(piece)
        assert received > len(LARGE)


def test_connections_of_one_client_are_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_CONNECTIONS_OF_PEER", 5)
    every = [server.connect() for _ in range(8)]
    try:
        until(lambda: sum(map(_is_closed, every)) >= 3)
    finally:
        for each in every:
            each.close()
    until(lambda: server.get("/echo")[0] == 200)


def test_connections_are_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_CONNECTIONS", 5)
    every = [server.connect() for _ in range(20)]
    try:
        until(lambda: sum(map(_is_closed, every)) >= 15)
    finally:
        for each in every:
            each.close()
    until(lambda: _serves(server))


def _serves(server: Server) -> bool:
    with suppress(ConnectionError, OSError):
        return server.get("/echo")[0] == 200
    return False


def _is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_headers_are_bounded(server: Server) -> None:
    with server.connect() as connection, suppress(ConnectionError):
        connection.sendall(b"GET /echo HTTP/1.1\r\nhost: x\r\na: " + b"b" * (2 * guard.MAX_HEADER_BYTES))
        answer = connection.recv(4096)
        assert answer == b"" or b" 400 " in answer


def test_noise(server: Server) -> None:
    """Requests with bytes changed, cut and doubled: none may end the server."""
    die = random.Random(20261121)
    models = [
        b"GET /echo?a=%41 HTTP/1.1\r\nhost: x\r\naccept: */*\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"GET /x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: v4.channel.k8s.io\r\n\r\n",
    ]
    for _ in range(300):
        text = bytearray(die.choice(models))
        for _ in range(die.randrange(1, 6)):
            place = die.randrange(len(text))
            change = die.randrange(3)
            if change == 0:
                text[place] = die.randrange(256)
            elif change == 1:
                del text[place : place + die.randrange(1, 20)]
            else:
                text[place:place] = text[: die.randrange(1, 40)]
            text = text or bytearray(b"G")
        with server.connect() as connection, suppress(ConnectionError):
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
    assert server.get("/echo", "POST", b"still here")[2] == b"still here"


def test_no_descriptor_is_lost(server: Server) -> None:
    assert server.get("/echo")[0] == 200
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        with server.connect() as connection:
            connection.sendall(b"GET /echo HTTP/1.1\r\n")
    until(lambda: len(os.listdir("/proc/self/fd")) <= before)
