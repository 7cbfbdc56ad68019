"""attach: what a container's first process says and hears, through conmon's socket."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from contextlib import suppress

from starlette.datastructures import QueryParams
from starlette.websockets import WebSocket

from nodeguard.api.status import ApiError, internal_error
from nodeguard.api.stream.channel import (
    STDERR,
    STDOUT,
    Channels,
    Input,
    InputEnd,
    Resize,
    cancel,
    choose_protocol,
    exit_status,
    refuse,
)
from nodeguard.api.stream.exec import check_streams, find_running
from nodeguard.api.stream.pod import PodSource, container_spec
from nodeguard.api.stream.query import read_flag
from nodeguard.runtime.attach import PACKET_BYTES, READ_BYTES, STDERR_PACKET, STDOUT_PACKET, open_attach, resize
from nodeguard.runtime.container import Bundle

_CHANNELS = {STDOUT_PACKET: STDOUT, STDERR_PACKET: STDERR}

BACKLOG_BYTES = 8 << 20
"""What a client may be behind. conmon waits for whoever is slow, and then so does the container: he has to go."""


def check_attach(pods: PodSource, namespace: str, name: str, query: QueryParams) -> tuple[Bundle, bool]:
    """The container, and whether it hears what is said.

    Raises:
        ApiError: something of it is wrong.
    """
    pod, container, bundle = find_running(pods, namespace, name, query)
    check_streams(query)
    return bundle, bool(container_spec(pod, container).get("stdin"))


async def serve_attach(pods: PodSource, client: WebSocket) -> None:
    """One attachment, from the upgrade to its end."""
    query, path = client.query_params, client.path_params
    try:
        bundle, has_stdin = check_attach(pods, path["namespace"], path["name"], query)
        protocol = choose_protocol(client.scope["subprotocols"])
        conmon = open_attach(bundle.directory)
    except ApiError as e:
        await refuse(client, e)
        return
    except OSError as e:
        await refuse(client, internal_error(f"error attaching to container: {e.strerror}"))
        return
    wanted = {channel: read_flag(query, name) for channel, name in ((STDOUT, "stdout"), (STDERR, "stderr"))}
    with conmon:
        await client.accept(subprotocol=protocol)
        attachment = _Attachment(conmon, bundle, wanted, has_stdin=has_stdin and read_flag(query, "stdin"))
        await attachment.run(Channels(client, protocol))


class _Attachment:
    """One client of one container."""

    def __init__(self, conmon: socket.socket, bundle: Bundle, wanted: dict[int, bool], *, has_stdin: bool) -> None:
        self._conmon, self._bundle, self._wanted, self._has_stdin = conmon, bundle, wanted, has_stdin
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._is_over = False

    async def run(self, channels: Channels) -> None:
        """Until the container ends, or the client goes."""
        with suppress(ConnectionError):
            await channels.send(STDOUT if self._wanted[STDOUT] else STDERR, b"")  # tells that it is connected
            tasks = [
                asyncio.create_task(each) for each in (self._listen(channels), self._collect(), self._tell(channels))
            ]
            listening, _, telling = tasks
            try:
                await asyncio.wait((listening, telling), return_when=asyncio.FIRST_COMPLETED)
                if telling.done():
                    telling.result()
                    await channels.end(self._status())
            finally:
                await cancel(*tasks)

    def _status(self) -> dict[str, object]:
        if self._waiting_bytes > BACKLOG_BYTES:
            return internal_error(f"the client is more than {BACKLOG_BYTES} bytes behind").object()
        return exit_status(0)

    async def _listen(self, channels: Channels) -> None:
        loop = asyncio.get_running_loop()
        while (word := await channels.receive()) is not None:
            if isinstance(word, Resize):
                resize(self._bundle.directory, word.columns, word.rows)
            elif isinstance(word, InputEnd) and self._has_stdin:
                self._end_input()
            elif isinstance(word, Input) and self._has_stdin:
                for start in range(0, len(word.data), PACKET_BYTES):
                    try:
                        await loop.sock_sendall(self._conmon, word.data[start : start + PACKET_BYTES])
                    except OSError:  # the container has ended
                        self._has_stdin = False

    def _end_input(self) -> None:
        self._has_stdin = False
        with suppress(OSError):
            self._conmon.shutdown(socket.SHUT_WR)

    async def _collect(self) -> None:
        """Take what conmon gives, at once."""
        loop = asyncio.get_running_loop()
        while self._waiting_bytes <= BACKLOG_BYTES:
            try:
                packet = await loop.sock_recv(self._conmon, READ_BYTES)
            except ConnectionError:
                packet = b""
            if not packet:
                break
            channel = _CHANNELS.get(packet[0])
            if channel is not None and self._wanted[channel]:
                self._waiting.append((channel, packet[1:]))
                self._waiting_bytes += len(packet) - 1
                self._news.set()
        self._is_over = True
        self._news.set()

    async def _tell(self, channels: Channels) -> None:
        """Hand it on as fast as the client takes it."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting and self._waiting_bytes <= BACKLOG_BYTES:
                channel, data = self._waiting.popleft()
                await channels.send(channel, data)
                self._waiting_bytes -= len(data)
            if self._is_over:
                return
