"""Connections: how many, from whom, and how long one may take to say or to hear something.

uvicorn waits for ever for a request that comes byte by byte, and for a client that does not read its answer. Both cost
memory and descriptors, so here both end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from nodeguard.api.identity import Identity, identify
from nodeguard.api.rate import Bucket

MAX_CONNECTIONS = 1024
MAX_CONNECTIONS_OF_PEER = 512
MAX_HANDSHAKES = 128
"""Anybody on this host may begin one, certificate or not: they take no place of those who are known."""
HANDSHAKE_SECONDS = 5.0
HEADER_SECONDS = 10.0
BODY_SECONDS = 30.0
UNREAD_SECONDS = 30.0
"""How long an answer, watches and logs aside, may wait for its client to read on."""

MAX_HEADER_BYTES = 128 << 10
"""kubectl puts the whole command of an exec into the address."""
MAX_MESSAGE_BYTES = 4 << 20

_FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Connections:
    """All that are open, and whose they are; one whose TLS handshake goes on is nobody's yet, and counted apart."""

    def __init__(self) -> None:
        self._peers: WeakKeyDictionary[asyncio.Protocol, str] = WeakKeyDictionary()
        self._count: Counter[str] = Counter()
        self._handshakes: WeakSet[asyncio.Protocol] = WeakSet()

    def has_room(self, *, for_handshake: bool) -> bool:
        """Whether one more may come."""
        handshakes = len(self._handshakes)
        if for_handshake and handshakes >= MAX_HANDSHAKES:
            return False
        return len(self._peers) - handshakes < MAX_CONNECTIONS

    def begin(self, protocol: asyncio.Protocol) -> None:
        """One more."""
        self._peers[protocol] = ""

    def begin_handshake(self, protocol: asyncio.Protocol) -> None:
        """It has to say first who it is; one that fails to is forgotten with its object."""
        self._handshakes.add(protocol)

    def belongs(self, protocol: asyncio.Protocol, peer: str) -> bool:
        """It is this peer's from now on; whether that is not one too many."""
        self._handshakes.discard(protocol)
        self._peers[protocol] = peer
        self._count[peer] += 1
        return self._count[peer] <= MAX_CONNECTIONS_OF_PEER

    def end(self, protocol: asyncio.Protocol) -> None:
        """It is closed, or another protocol has taken it over."""
        self._handshakes.discard(protocol)
        peer = self._peers.pop(protocol, "")
        if peer:
            self._count[peer] -= 1
            if not self._count[peer]:
                del self._count[peer]


_connections = Connections()


class _Refusal(asyncio.Protocol):
    """For a connection too many: it ends before a word is said."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


class GuardedHttp(H11Protocol):
    """HTTP/1.1 with limits. ``scope["state"]`` of what it serves has ``identity`` and ``bucket``."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._awaited = ""
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._has_begun = False
        _connections.begin(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out who it is."""
        assert isinstance(transport, asyncio.Transport)
        super().connection_made(transport)
        identity = identify(transport)
        if identity is None:
            transport.write(_FORBIDDEN)
            transport.close()
        elif not _connections.belongs(self, identity.peer):
            transport.abort()
        else:
            self.app_state = {**self.app_state, "identity": identity, "bucket": Bucket()}
            self._await("headers")

    def data_received(self, data: bytes) -> None:
        """As it is, and not for too long."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """The next request may have been waiting."""
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._leave()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """From here on another protocol has the connection. It knows no slash in the name of a subprotocol."""
        self._leave()
        self.headers = [
            (name, value.replace(b"/", b"_") if name == b"sec-websocket-protocol" else value)
            for name, value in self.headers
        ]
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        """The client does not read; unless it may, it has some time to begin again."""
        super().pause_writing()
        if self._unread is None and not _may_be_slow(self.scope):
            self._unread = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads on."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _look(self) -> None:
        state = self.conn.their_state
        self._has_begun = self._has_begun or state is not h11.IDLE
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._await("")
        elif state is h11.SEND_BODY:
            self._await("body")
        elif state is h11.IDLE and (not self._has_begun or self.conn.trailing_data[0]):
            self._await("headers")
        else:
            self._await("")

    def _await(self, what: str) -> None:
        """Whatever comes meanwhile does not give it more time."""
        if what == self._awaited:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._awaited = what
        if what:
            seconds = HEADER_SECONDS if what == "headers" else BODY_SECONDS
            self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _leave(self) -> None:
        _connections.end(self)
        self._await("")
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket, counted as the connection it is."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        _connections.begin(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The identity has been found out by the protocol before this one."""
        super().connection_made(transport)
        identity: Identity = self.app_state["identity"]
        _connections.belongs(self, identity.peer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        _connections.end(self)
        super().connection_lost(exc)


class GuardedServer(uvicorn.Server):
    """uvicorn for one listening socket, without its signal handlers; a TLS handshake has an end, too."""

    def __init__(self, app: Any, tls: ssl.SSLContext | None = None) -> None:
        config = uvicorn.Config(
            app,
            http=GuardedHttp,
            ws=GuardedWebSocket,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            # a ping that cannot be written finds out that a client is gone; one that is busy need not answer
            ws_ping_timeout=None,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        super().__init__(config)
        self._tls = tls
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Have ``serve`` return at once, whatever is under way."""
        self.should_exit = self.force_exit = True
        self._ended.set()

    async def main_loop(self) -> None:
        """Until the end: once a second for the Date header, where uvicorn's own wakes ten times."""
        while not self.should_exit:
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 1.0)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: several servers run in one process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""

        def protocol() -> asyncio.Protocol:
            is_tls = self._tls is not None
            if not _connections.has_room(for_handshake=is_tls):
                return _Refusal()
            made = GuardedHttp(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
            if is_tls:
                _connections.begin_handshake(made)
            return made

        handshake = HANDSHAKE_SECONDS if self._tls is not None else None
        self.servers = [
            await asyncio.get_running_loop().create_server(
                protocol, sock=sock, ssl=self._tls, ssl_handshake_timeout=handshake, backlog=self.config.backlog
            )
            for sock in sockets or ()
        ]
        self.started = True


def _may_be_slow(scope: Any) -> bool:
    """A log that is paged through, or a watch: these keep little waiting."""
    if not scope:
        return False
    query = scope["query_string"]
    return scope["path"].endswith("/log") or b"watch=1" in query or b"watch=true" in query
