"""The paths of everything that flows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from nodeguard.api.status import bad_request
from nodeguard.api.stream.attach import check_attach, serve_attach
from nodeguard.api.stream.exec import check_exec, serve_exec
from nodeguard.api.stream.log import serve_log
from nodeguard.api.stream.pod import PodSource
from nodeguard.api.stream.portforward import check_portforward, serve_portforward

_POD = "/api/v1/namespaces/{namespace}/pods/{name}"


def stream_routes(pods: PodSource, now: Callable[[], float]) -> list[BaseRoute]:
    """Routes for logs, exec, attach and port-forward; ``now()`` in UNIX seconds."""

    async def log(request: Request) -> Response:
        return await serve_log(pods, request, now())

    async def exec_(socket: WebSocket) -> None:
        await serve_exec(pods, socket)

    async def attach(socket: WebSocket) -> None:
        await serve_attach(pods, socket)

    async def portforward(socket: WebSocket) -> None:
        await serve_portforward(pods, socket)

    return [
        Route(f"{_POD}/log", log, methods=["GET"]),
        WebSocketRoute(f"{_POD}/exec", exec_),
        Route(f"{_POD}/exec", _without_upgrade(pods, check_exec), methods=["GET", "POST"]),
        WebSocketRoute(f"{_POD}/attach", attach),
        Route(f"{_POD}/attach", _without_upgrade(pods, check_attach), methods=["GET", "POST"]),
        WebSocketRoute(f"{_POD}/portforward", portforward),
        Route(f"{_POD}/portforward", _without_upgrade(pods, check_portforward), methods=["GET", "POST"]),
    ]


def _without_upgrade(pods: PodSource, check: Callable[..., Any]) -> Callable[[Request], Any]:
    """A request that is no WebSocket hears what is wrong with it, too: kubectl asks so when a WebSocket was refused."""

    async def answer(request: Request) -> Response:
        check(pods, request.path_params["namespace"], request.path_params["name"], request.query_params)
        raise bad_request("unable to upgrade: only WebSockets are spoken here, not SPDY (kubectl 1.31 or later)")

    return answer
