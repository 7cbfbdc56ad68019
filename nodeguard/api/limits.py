"""How much at the same time: watches, streams and lists are counted, for all and for each client.

No client can take more than half of anything, so there is always some left for others.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nodeguard.api.status import ApiError

MAX_WATCHES = 1000
MAX_FOLLOWED_LOGS = 128
MAX_SESSIONS = 64
"""exec, attach and port-forward"""
MAX_LISTS = 4
"""each holds its whole answer in memory until the client has read it"""
MAX_REQUESTS = 256

LIST_SECONDS = 10.0
"""how long a list waits for its turn"""
LIST_READ_SECONDS = 120.0
"""how long its client may take to read it"""
_PIECE_BYTES = 256 << 10

_TRUE = ("1", "true", "True", "t", "T", "TRUE")


@dataclass(slots=True)
class Places:
    """A number of places, at most half of them for one peer."""

    what: str
    total: int
    waits_seconds: float = 0.0
    holds_seconds: float = 0.0
    taken: Counter[str] = field(default_factory=Counter)
    freed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, peer: str) -> bool:
        """Whether there was a place."""
        if self.taken.total() >= self.total or self.taken[peer] >= max(1, self.total // 2):
            return False
        self.taken[peer] += 1
        return True

    async def enter(self, peer: str) -> bool:
        """Take a place; where one is soon free again, wait for it."""
        if self.take(peer):
            return True
        if not self.waits_seconds:
            return False
        try:
            async with asyncio.timeout(self.waits_seconds):
                while not self.take(peer):
                    self.freed.clear()
                    await self.freed.wait()
        except TimeoutError:
            return False
        return True

    def leave(self, peer: str) -> None:
        """Give the place back."""
        self.taken[peer] -= 1
        if not self.taken[peer]:
            del self.taken[peer]
        self.freed.set()


class Limits:
    """ASGI middleware, around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._places = {
            "watch": Places("watches", MAX_WATCHES),
            "log": Places("followed logs", MAX_FOLLOWED_LOGS),
            "session": Places("streams", MAX_SESSIONS),
            "list": Places("lists", MAX_LISTS, waits_seconds=LIST_SECONDS, holds_seconds=LIST_READ_SECONDS),
            "request": Places("requests", MAX_REQUESTS),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or say that it is too much now."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        state = scope.get("state", {})
        identity, bucket = state.get("identity"), state.get("bucket")
        peer = identity.peer if identity is not None else ""
        if bucket is not None and not bucket.take():
            await refuse(scope, receive, send, _too_many("too many requests on this connection, slow down"))
            return
        places = self._places[kind_of(scope)]
        if not await places.enter(peer):
            message = f"too many {places.what} at the same time ({places.total} in all)"
            await refuse(scope, receive, send, _too_many(message))
            return
        try:
            if places.holds_seconds:
                # the server closes a connection whose answer is not whole
                with suppress(TimeoutError):
                    async with asyncio.timeout(places.holds_seconds):
                        await self._app(scope, receive, _piecemeal(send))
            else:
                await self._app(scope, receive, send)
        finally:
            places.leave(peer)


def _piecemeal(send: Send) -> Send:
    """Hand a large answer on as the client takes it; otherwise it is given away at once, and so is its place."""

    async def send_pieces(message: Message) -> None:
        body = message.get("body", b"")
        if message["type"] == "http.response.body" and len(body) > _PIECE_BYTES:
            last = (len(body) - 1) // _PIECE_BYTES * _PIECE_BYTES
            for start in range(0, last, _PIECE_BYTES):
                await send({**message, "body": body[start : start + _PIECE_BYTES], "more_body": True})
            message = {**message, "body": body[last:]}
        await send(message)

    return send_pieces


def kind_of(scope: Scope) -> str:
    """What a request takes up: watch, log, session, list or request."""
    if scope["type"] == "websocket":
        return "session"
    if scope["method"] != "GET":
        return "request"
    query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=None)
    parts = scope["path"].strip("/").split("/")
    if query.get("watch", [""])[-1] in _TRUE or "watch" in parts[2:4]:
        return "watch"
    if parts[-1] == "log":
        return "log" if query.get("follow", [""])[-1] in _TRUE else "request"
    return "list" if _is_collection(parts) else "request"


def _is_collection(parts: list[str]) -> bool:
    """``api/v1/pods``, ``api/v1/namespaces/NS/pods``, and the same below ``apis/GROUP/VERSION``."""
    rest = parts[2:] if parts[0] == "api" else parts[3:] if parts[0] == "apis" else []
    return len(rest) == 1 or (len(rest) == 3 and rest[0] == "namespaces")


def _too_many(message: str) -> ApiError:
    return ApiError(429, "TooManyRequests", message, details={"retryAfterSeconds": 1}, headers={"Retry-After": "1"})


async def refuse(scope: Scope, receive: Receive, send: Send, error: ApiError) -> None:
    """Answer with an error instead of passing the request on; a WebSocket is not opened."""
    body = json.dumps(error.object()).encode()
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        kind = "websocket.http.response"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    await send({"type": f"{kind}.start", "status": error.code, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
