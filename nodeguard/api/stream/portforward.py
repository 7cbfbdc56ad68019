"""port-forward: kubectl's tunnel, or two channels for each port as the Python client has it.

Source: kubernetes, staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from starlette.datastructures import QueryParams
from starlette.websockets import WebSocket

from nodeguard.api.status import ApiError, bad_request
from nodeguard.api.stream import dial
from nodeguard.api.stream.channel import (
    PROTOCOLS,
    cancel,
    choose_protocol,
    close,
    receive_bytes,
    refuse,
    send_bytes,
)
from nodeguard.api.stream.pod import Json, PodSource, get_pod
from nodeguard.api.stream.tunnel import CHUNK_BYTES, OFFERED, PROTOCOL, WAITING_PIECES, Tunnel, write_all

MAX_PORTS = 64


def check_portforward(pods: PodSource, namespace: str, name: str, _: QueryParams) -> tuple[Json, Path | None]:
    """The pod and its network.

    Raises:
        ApiError: there is no such pod, or it does not run.
    """
    pod = get_pod(pods, namespace, name)
    return pod, dial.network_of(pods, pod)


async def serve_portforward(pods: PodSource, client: WebSocket) -> None:
    """One port-forward, from the upgrade to its end."""
    path = client.path_params
    try:
        pod, network = check_portforward(pods, path["namespace"], path["name"], client.query_params)
        protocol = choose_protocol(client.scope["subprotocols"], (OFFERED, PROTOCOLS[1]))
        ports = [] if protocol == OFFERED else _ports(client.query_params)
    except ApiError as e:
        await refuse(client, e)
        return
    if protocol == OFFERED:
        await client.accept(subprotocol=PROTOCOL)
        await Tunnel(client, network, pod).run()
    else:
        await client.accept(subprotocol=protocol)
        await _Ports(client, network, pod, ports).run()
    await close(client)


class _Ports:
    """Port number n has channel 2n for data and 2n + 1 for a complaint; each begins with the port."""

    def __init__(self, client: WebSocket, network: Path | None, pod: Json, ports: Sequence[int]) -> None:
        self._client, self._network, self._pod, self._ports = client, network, pod, ports
        self._incoming: list[asyncio.Queue[bytes]] = [asyncio.Queue(WAITING_PIECES) for _ in ports]

    async def run(self) -> None:
        """Until the client goes, or every connection has ended."""
        listening = asyncio.create_task(self._listen())
        forwarding = [asyncio.create_task(self._forward(number)) for number in range(len(self._ports))]
        ended = asyncio.gather(*forwarding, return_exceptions=True)
        try:
            await asyncio.wait((listening, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(listening, *forwarding)

    async def _listen(self) -> None:
        while (message := await receive_bytes(self._client)) is not None:
            number, is_error = divmod(message[0], 2) if message else (0, 1)
            if not is_error and number < len(self._ports) and len(message) > 1:
                await self._incoming[number].put(message[1:])

    async def _forward(self, number: int) -> None:
        port, data_channel = self._ports[number], bytes((2 * number,))
        error_channel = bytes((2 * number + 1,))
        for channel in (data_channel, error_channel):
            await send_bytes(self._client, channel + struct.pack("<H", port))
        try:
            sock = await dial.connect(self._network, port)
        except OSError as e:
            await send_bytes(self._client, error_channel + dial.complaint(e, port, self._pod).encode())
            return
        with sock:
            writing = asyncio.create_task(write_all(sock, self._incoming[number]))
            try:
                with suppress(ConnectionResetError):
                    while piece := await asyncio.get_running_loop().sock_recv(sock, CHUNK_BYTES):
                        await send_bytes(self._client, data_channel + piece)
            finally:
                await cancel(writing)


def _ports(query: QueryParams) -> list[int]:
    """The ports of the query, ``ports=80&ports=443`` or ``ports=80,443``.

    Raises:
        ApiError: there are none, too many, or this is no port.
    """
    words = [word for text in query.getlist("ports") for word in text.split(",")]
    if not words:
        raise bad_request('query parameter "ports" is required')
    if len(words) > MAX_PORTS:
        raise bad_request(f"no more than {MAX_PORTS} ports at once")
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) < 6 and 0 < int(word) < 1 << 16):
            raise bad_request(f'unable to parse "{word}" as a port')
    return [int(word) for word in words]
