"""kubectl's port-forward: SPDY in a WebSocket, any number of connections to any port.

Each connection is two streams with the same ``requestid``: ``error`` first, for a complaint, then ``data``.

Source: kubernetes, staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/httpstream.go;
apimachinery/pkg/util/portforward/constants.go.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from starlette.websockets import WebSocket

from nodeguard.api.stream import dial, spdy
from nodeguard.api.stream.channel import cancel, receive_bytes, send_bytes
from nodeguard.api.stream.pod import Json
from nodeguard.api.stream.spdy import Framer, SpdyFault

log = logging.getLogger(__name__)

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
OFFERED = PROTOCOL.replace("/", "_")
"""as it is seen behind the WebSocket library, which takes no slash (nodeguard/api/guard.py)"""

MAX_STREAMS = 256
CHUNK_BYTES = 32 << 10
WAITING_PIECES = 64
"""What may wait for a slow program in the pod; then the whole tunnel waits, as everywhere in Kubernetes."""


@dataclass(eq=False)
class _Connection:
    """One TCP connection."""

    error_stream: int
    data_stream: int
    port: int
    incoming: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(WAITING_PIECES))
    """an empty piece is the end"""
    task: asyncio.Task[None] | None = None


class Tunnel:
    """One WebSocket of kubectl's."""

    def __init__(self, client: WebSocket, network: Path | None, pod: Json) -> None:
        self._client, self._network, self._pod = client, network, pod
        self._framer = Framer()
        self._errors: dict[str, tuple[int, int]] = {}
        self._open: dict[int, _Connection] = {}
        self._last_stream = 0

    async def run(self) -> None:
        """Until the client goes."""
        try:
            with suppress(ConnectionError):
                while (piece := await receive_bytes(self._client)) is not None:
                    for frame in self._framer.feed(piece):
                        if isinstance(frame, spdy.GoAway):
                            return
                        await self._act(frame)
        except SpdyFault as e:
            log.warning("port-forward ends error=%s", e)
        finally:
            await cancel(*(each.task for each in self._open.values() if each.task is not None))

    async def _act(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.SynStream():
                await self._begin(frame)
            case spdy.Data():
                connection = self._open.get(frame.stream)
                if connection is not None and connection.data_stream == frame.stream:
                    if frame.data:
                        await connection.incoming.put(frame.data)
                    if frame.fin:
                        await connection.incoming.put(b"")
            case spdy.Reset():
                connection = self._open.pop(frame.stream, None)
                if connection is not None and connection.task is not None:
                    connection.task.cancel()
            case spdy.Ping():
                await self._send(spdy.ping(frame.number))
            case spdy.GoAway():
                return

    async def _begin(self, frame: spdy.SynStream) -> None:
        """An error stream is noted; its data stream makes the connection."""
        kind, request = frame.headers.get("streamtype", ""), frame.headers.get("requestid", "")
        port = _port(frame.headers.get("port", ""))
        is_new = frame.stream > self._last_stream and frame.stream % 2 == 1
        self._last_stream = max(self._last_stream, frame.stream)
        has_room = len(self._errors) + len(self._open) < MAX_STREAMS
        if not is_new or not has_room or port is None or kind not in ("error", "data"):
            await self._send(spdy.reset(frame.stream, spdy.REFUSED_STREAM))
            return
        if kind == "error":
            self._errors[request] = (frame.stream, port)
            await self._send(self._framer.syn_reply(frame.stream, {}))
            return
        error_stream, _ = self._errors.pop(request, (0, 0))
        if not error_stream:
            await self._send(spdy.reset(frame.stream, spdy.REFUSED_STREAM))
            return
        await self._send(self._framer.syn_reply(frame.stream, {}))
        connection = _Connection(error_stream, frame.stream, port)
        if frame.fin:
            await connection.incoming.put(b"")
        self._open[frame.stream] = connection
        connection.task = asyncio.create_task(self._forward(connection))

    async def _forward(self, connection: _Connection) -> None:
        try:
            with suppress(ConnectionError):
                try:
                    sock = await dial.connect(self._network, connection.port)
                except OSError as e:
                    message = dial.complaint(e, connection.port, self._pod)
                    await self._send(spdy.data(connection.error_stream, message.encode()))
                else:
                    with sock:
                        await self._copy(connection, sock)
                await self._send(spdy.data(connection.data_stream, b"", fin=True))
                await self._send(spdy.data(connection.error_stream, b"", fin=True))
        finally:
            self._open.pop(connection.data_stream, None)

    async def _copy(self, connection: _Connection, sock: socket.socket) -> None:
        """Until the pod's side has said everything; what the client says meanwhile goes there."""
        loop = asyncio.get_running_loop()
        writing = asyncio.create_task(write_all(sock, connection.incoming))
        try:
            with suppress(ConnectionResetError):
                while piece := await loop.sock_recv(sock, CHUNK_BYTES):
                    await self._send(spdy.data(connection.data_stream, piece))
        finally:
            await cancel(writing)

    async def _send(self, frame: bytes) -> None:
        await send_bytes(self._client, frame)


async def write_all(sock: socket.socket, pieces: asyncio.Queue[bytes]) -> None:
    """Write what comes, then the end; once nobody reads it, it is thrown away."""
    loop, is_open = asyncio.get_running_loop(), True
    while piece := await pieces.get():
        if is_open:
            try:
                await loop.sock_sendall(sock, piece)
            except OSError:
                is_open = False
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)


def _port(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text[:6]) < 1 << 16 else None
