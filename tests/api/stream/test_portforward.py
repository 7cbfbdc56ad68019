"""Ports of a pod in the host's network: what a pod's own network adds is in tests/root/test_exec.py."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from streamserver import Pods, Server, pod, serving
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.typing import Subprotocol

from nodeguard.api.stream import spdy
from nodeguard.api.stream.spdy import Framer
from nodeguard.api.stream.tunnel import MAX_STREAMS

TARGET = "/api/v1/namespaces/default/pods/p/portforward"
KUBECTL = "SPDY/3.1+portforward.k8s.io"


@contextmanager
def listening() -> Iterator[int]:
    """A program that sends back what it got, after its end, twice."""

    def answer(connection: socket.socket) -> None:
        with connection:
            heard = b""
            while piece := connection.recv(65536):
                heard += piece
            connection.sendall(heard * 2)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,)).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def pods(tmp_path: Path) -> Pods:
    pods = Pods(run_dir=tmp_path / "run", log_dir=tmp_path / "log")
    pods.add(pod())["spec"]["hostNetwork"] = True
    return pods


@pytest.fixture
def server(pods: Pods) -> Iterator[Server]:
    with serving(pods) as server:
        yield server


class Client:
    """kubectl's side of a tunnel."""

    def __init__(self, server: Server) -> None:
        # this library, too, knows no slash in a subprotocol: the header is written by hand
        connection = server.connect()
        connection.sendall(
            f"GET {TARGET} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: {KUBECTL}\r\n\r\n".encode()
        )
        self.socket, self.framer, self.buffer = connection, Framer(), b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += connection.recv(1)
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")

    def send(self, data: bytes) -> None:
        """One masked binary message; a mask of zeros changes nothing."""
        size = (
            struct.pack(">BBH", 0x82, 0xFE, len(data))
            if len(data) < 1 << 16
            else struct.pack(">BBQ", 0x82, 0xFF, len(data))
        )
        self.socket.sendall(size + b"\0\0\0\0" + data)

    def receive(self) -> list[spdy.Frame]:
        """The frames of the next message; none at the end."""
        head = self._take(2)
        if not head or head[0] & 0xF == 8:
            return []
        length = head[1]
        if length == 126:
            length = struct.unpack(">H", self._take(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self._take(8))[0]
        return self.framer.feed(self._take(length)) or self.receive()

    def _take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            piece = self.socket.recv(65536)
            if not piece:
                return b""
            self.buffer += piece
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def open(self, port: int, number: int) -> tuple[int, int]:
        """The pair of streams of one connection: error, data."""
        error, data = 4 * number + 1, 4 * number + 3
        for stream, kind in ((error, "error"), (data, "data")):
            headers = {"streamtype": kind, "port": str(port), "requestid": str(number)}
            self.send(self.framer.syn_stream(stream, headers, fin=kind == "error"))
        return error, data

    def collect(self, *streams: int) -> dict[int, bytes]:
        """All that comes on these streams, to their ends."""
        told, left = dict.fromkeys(streams, b""), set(streams)
        while left:
            frames = self.receive()
            assert frames, "the tunnel has ended"
            for frame in frames:
                if isinstance(frame, spdy.Data):
                    told[frame.stream] = told.get(frame.stream, b"") + frame.data
                    if frame.fin:
                        left.discard(frame.stream)
        return told


def test_connections_side_by_side_through_one_tunnel(server: Server) -> None:
    with listening() as port:
        client = Client(server)
        assert KUBECTL.encode() in client.head
        pairs = [client.open(port, number) for number in range(5)]
        for number, (_, data) in enumerate(pairs):
            client.send(spdy.data(data, str(number).encode() * 100_000))
            client.send(spdy.data(data, b"", fin=True))
        told = client.collect(*(stream for pair in pairs for stream in pair))
        for number, (error, data) in enumerate(pairs):
            assert told[error] == b""
            assert told[data] == str(number).encode() * 200_000
        client.socket.close()


def test_a_closed_port_is_told_on_the_error_stream(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = Client(server)
    error, data = client.open(port, 0)
    assert client.collect(error, data)[error].decode() == (
        f"error forwarding port {port} to pod u1, uid : dial tcp4 127.0.0.1:{port}: connect: connection refused"
    )
    client.send(spdy.ping(9))
    assert client.receive() == [spdy.Ping(9)]
    client.socket.close()


def test_streams_are_bounded(server: Server) -> None:
    client = Client(server)
    for number in range(MAX_STREAMS + 1):
        headers = {"streamtype": "error", "port": "1", "requestid": str(number)}
        client.send(client.framer.syn_stream(2 * number + 1, headers))
    frames = client.receive()
    assert frames == [spdy.Reset(2 * MAX_STREAMS + 1)]
    client.socket.close()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"streamtype": "data", "port": "80", "requestid": "1"}, id="data without its error stream"),
        pytest.param({"streamtype": "other", "port": "80", "requestid": "1"}, id="another kind"),
        pytest.param({"streamtype": "error", "port": "99999", "requestid": "1"}, id="no port"),
        pytest.param({}, id="nothing"),
    ],
)
def test_streams_that_are_refused(server: Server, headers: dict[str, str]) -> None:
    client = Client(server)
    client.send(client.framer.syn_stream(1, headers))
    assert client.receive() == [spdy.Reset(1)]
    client.socket.close()


def test_what_is_no_spdy_ends_the_tunnel(server: Server) -> None:
    client = Client(server)
    client.send(b"\xff" * 100)
    assert client.receive() == []
    client.socket.close()


def channels(server: Server, query: str) -> ClientConnection:
    return server.websocket(f"{TARGET}?{query}", Subprotocol("v4.channel.k8s.io"))


def test_two_channels_for_each_port(server: Server) -> None:
    with listening() as port, socket.create_server(("127.0.0.1", 0)) as other:
        closed = other.getsockname()[1]
        other.close()
        with channels(server, f"ports={port}&ports={closed}") as client:
            told: dict[int, bytes] = {}
            while not told.get(3, b"").endswith(b"refused"):
                message = client.recv(20)
                assert isinstance(message, bytes)
                told[message[0]] = told.get(message[0], b"") + message[1:]
            assert [told[n][:2] for n in (0, 1, 2, 3)] == [struct.pack("<H", p) for p in (port, port, closed, closed)]
            client.send(b"\x00abc")
    with listening() as port, channels(server, f"ports={port}") as client:
        assert [client.recv(20), client.recv(20)] == [bytes((n,)) + struct.pack("<H", port) for n in (0, 1)]


@pytest.mark.parametrize("query", ["", "ports=0", "ports=abc", "ports=" + ",".join(["1"] * 65)])
def test_ports_are_checked(server: Server, query: str) -> None:
    with pytest.raises(InvalidStatus) as refused, channels(server, query):
        pass
    assert refused.value.response.status_code == 400


def test_a_pod_that_does_not_run(server: Server, pods: Pods) -> None:
    pods.add(pod(phase="Succeeded"))
    with pytest.raises(InvalidStatus) as refused, channels(server, "ports=80"):
        pass
    assert b"Current status=Succeeded" in (refused.value.response.body or b"")
    assert server.status(TARGET, "POST")[0] == 500


def test_a_connection_that_the_program_ends(server: Server) -> None:
    with listening() as port:
        client = Client(server)
        error, data = client.open(port, 0)
        client.send(spdy.data(data, b"x", fin=True))
        assert client.collect(error, data)[data] == b"xx"
        client.socket.close()
