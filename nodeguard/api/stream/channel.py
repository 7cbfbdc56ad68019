"""The channels of one WebSocket: the first byte of a message says which stream it belongs to.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go;
staging/src/k8s.io/client-go/tools/remotecommand/websocket.go; apiserver/pkg/util/proxy/streamtranslator.go.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from nodeguard.api.status import ApiError, bad_request

log = logging.getLogger(__name__)

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""The best first; v5 has the message that closes stdin."""

_MAX_SIZE = (1 << 16) - 1


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes for stdin."""

    data: bytes


@dataclass(frozen=True, slots=True)
class InputEnd:
    """No more of them."""


@dataclass(frozen=True, slots=True)
class Resize:
    """The client's terminal has this size."""

    columns: int
    rows: int


Word = Input | InputEnd | Resize


def choose_protocol(offered: list[str], known: tuple[str, ...] = PROTOCOLS) -> str:
    """The best of what the client offers.

    Raises:
        ApiError: none of it is known here.
    """
    for protocol in known:
        if protocol in offered:
            return protocol
    told = ", ".join(offered) or "none"
    raise bad_request(f"unable to upgrade: subprotocols offered: {told}; supported: {', '.join(known)}")


def parse(message: bytes, *, has_close: bool) -> Word | None:
    """What a client's message says; None when it says nothing that is known."""
    if not message:
        return None
    channel, data = message[0], message[1:]
    if channel == STDIN:
        return Input(data) if data else None
    if channel == RESIZE:
        return parse_size(data)
    if channel == CLOSE and has_close and data == bytes((STDIN,)):
        return InputEnd()
    return None


def parse_size(data: bytes) -> Resize | None:
    """``{"Width": 80, "Height": 24}``; None when it is not."""
    try:
        size = json.loads(data)
        columns, rows = int(size["Width"]), int(size["Height"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Resize(columns, rows) if 0 < columns <= _MAX_SIZE and 0 < rows <= _MAX_SIZE else None


def exit_status(exit_code: int) -> dict[str, Any]:
    """How a command ended.

    Source: kubernetes, staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand/exec.go.
    """
    if exit_code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {exit_code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(exit_code)}]},
    }


class Channels:
    """One accepted WebSocket."""

    def __init__(self, socket: WebSocket, protocol: str) -> None:
        self._socket = socket
        self._has_close = protocol == PROTOCOLS[0]

    async def receive(self) -> Word | None:
        """The next word of the client's; None when it has gone."""
        while True:
            message = await receive_bytes(self._socket)
            if message is None:
                return None
            word = parse(message, has_close=self._has_close)
            if word is not None:
                return word

    async def send(self, channel: int, data: bytes) -> None:
        """A piece of a stream; waits while the client takes nothing.

        Raises:
            ConnectionError: it has gone.
        """
        await send_bytes(self._socket, bytes((channel,)) + data)

    async def end(self, status: Mapping[str, Any]) -> None:
        """The last word, on the error channel."""
        await self.send(ERROR, json.dumps(status).encode())
        await close(self._socket)


async def receive_bytes(socket: WebSocket) -> bytes | None:
    """The next message, text as its bytes; None when the client has gone."""
    message = await socket.receive()
    if message["type"] != "websocket.receive":
        return None
    data: bytes | None = message.get("bytes")
    return data if data is not None else message["text"].encode()


async def send_bytes(socket: WebSocket, data: bytes) -> None:
    """One binary message.

    Raises:
        ConnectionError: the client has gone.
    """
    try:
        await socket.send_bytes(data)
    except (WebSocketDisconnect, RuntimeError, OSError) as e:
        raise ConnectionError("the client has gone") from e


async def close(socket: WebSocket) -> None:
    """The end, if the client is still there to hear it."""
    try:
        await socket.close()
    except (WebSocketDisconnect, RuntimeError, OSError):
        return


async def cancel(*tasks: asyncio.Task[None]) -> None:
    """The tasks have ended. What they failed with is logged, unless it is that the client has gone."""
    for task in tasks:
        task.cancel()
    for told in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(told, Exception) and not isinstance(told, ConnectionError):
            log.error("stream failed error=%r", told)


async def refuse(socket: WebSocket, error: ApiError) -> None:
    """The answer to an upgrade that is not to be: plain HTTP with a Status."""
    body = json.dumps(error.object()).encode()
    await socket.send_denial_response(
        Response(body, status_code=error.code, headers=error.headers, media_type="application/json")
    )
