"""The streaming part of the API on a Unix socket, with pods that a test invents; and a client for it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from websockets.sync.client import ClientConnection, unix_connect

from nodeguard.api.listen import Listeners
from nodeguard.api.status import ApiError
from nodeguard.api.stream.route import stream_routes

Json = dict[str, Any]


@dataclass
class Pods:
    """What the handlers ask: see ``nodeguard.api.stream.pod.PodSource``."""

    run_dir: Path
    log_dir: Path
    runtime: str = "runc"
    objects: dict[tuple[str, str], Json] = field(default_factory=dict)

    @property
    def runtime_root(self) -> Path:
        return self.run_dir / "runtime"

    def find(self, namespace: str, name: str) -> Json | None:
        return self.objects.get((namespace, name))

    def add(self, pod: Json) -> Json:
        self.objects[pod["metadata"]["namespace"], pod["metadata"]["name"]] = pod
        return pod


def pod(name: str = "p", uid: str = "u1", *, phase: str = "Running", **containers: Json) -> Json:
    """A pod; each container with its status, such as ``main={"state": {"running": {}}}``."""
    every = containers or {"main": {"state": {"running": {}}, "containerID": f"nodeguard://{uid}_main_0"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": uid},
        "spec": {"containers": [{"name": each} for each in every]},
        "status": {"phase": phase, "containerStatuses": [{"name": each, **told} for each, told in every.items()]},
    }


class Server:
    """One API process's listeners, in a thread."""

    def __init__(self, path: Path, routes: list[BaseRoute], tls: socket.socket | None = None, pki: Path | None = None):
        self.path = path
        app = Starlette(routes=routes, exception_handlers={ApiError: _api_error})
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(512)
        self._listener.setblocking(False)
        self._stop: Callable[[], None] = lambda: None
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(app, tls, pki or path.parent / "pki")))

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._is_up.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._thread.join()
        self._listener.close()

    async def _serve(self, app: Starlette, tls: socket.socket | None, pki: Path) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)  # type: ignore[assignment]
        listeners = Listeners(app, pki)
        await listeners.start(self._listener, tls)
        self._is_up.set()
        await stop.wait()
        await listeners.stop()

    def connect(self) -> socket.socket:
        """A plain connection."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(30)
        connection.connect(str(self.path))
        return connection

    def get(self, target: str, method: str = "GET", body: bytes | None = None) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self.connect()
        try:
            connection.request(method, target, body)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers.items()), answer.read()
        finally:
            connection.close()

    def status(self, target: str, method: str = "GET") -> tuple[int, str]:
        """Code and message of a Status."""
        code, _, body = self.get(target, method)
        return code, json.loads(body)["message"]

    def websocket(self, target: str, *protocols: str) -> ClientConnection:
        """An open WebSocket."""
        return unix_connect(str(self.path), f"ws://localhost{target}", subprotocols=protocols, compression=None)


@contextmanager
def serving(pods: Pods, *more: BaseRoute) -> Iterator[Server]:
    """The routes of ``nodeguard.api.stream``, and some more."""
    pods.run_dir.mkdir(parents=True, exist_ok=True)
    with Server(pods.run_dir / "api.sock", [*stream_routes(pods, time.time), *more]) as server:
        yield server


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What the condition says once it is true."""
    deadline = time.monotonic() + seconds
    while not (told := condition()):
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.02)
    return told


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, and not for ever."""
    return asyncio.run(asyncio.wait_for(work, 60))


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.object(), error.code, error.headers)
