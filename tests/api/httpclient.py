"""Requests over the Unix socket, each on a connection of its own."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Object = dict[str, Any]

PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        for _ in range(200):  # the first requests may come before the server listens
            try:
                return self.sock.connect(str(self._path))
            except BlockingIOError:
                time.sleep(0.05)
        raise TimeoutError(str(self._path))


class Answer:
    """Code, headers and the decoded body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.code, self.headers = response.status, response.headers
        self.text = response.read()

    @property
    def json(self) -> Object:
        value: Object = json.loads(self.text)
        return value

    @property
    def reason(self) -> str:
        return str(self.json.get("reason", ""))


class Client:
    """The verbs. A body that is no bytes is sent as JSON."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", headers: Mapping[str, str] = {}
    ) -> Answer:
        connection = _Connection(self._path)
        try:
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            given = {"content-type": kind, "user-agent": "test/1"} if data is not None else {"user-agent": "test/1"}
            connection.request(method, path, data, {**given, **headers})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Object:
        answer = self("GET", path, headers=headers)
        assert answer.code == 200, answer.text
        return answer.json

    def make(self, path: str, obj: Object) -> Object:
        answer = self("POST", path, obj)
        assert answer.code == 201, answer.text
        return answer.json

    def patch(self, path: str, value: Any, kind: str = "merge-patch+json") -> Answer:
        return self("PATCH", path, value, f"application/{kind}")

    @contextmanager
    def watch(self, path: str, **headers: str) -> Iterator[Iterator[Object]]:
        """The events of a watch, as they come."""
        connection = _Connection(self._path)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            yield (json.loads(line) for line in iter(response.readline, b""))
        finally:
            connection.close()

    def until(self, path: str, holds: Any, seconds: float = 20.0) -> Object:
        """The object, once it is as wanted."""
        end = time.monotonic() + seconds
        while True:
            answer = self("GET", path)
            if answer.code == 200 and holds(answer.json):
                return answer.json
            assert time.monotonic() < end, answer.text
            time.sleep(0.02)

    def until_gone(self, path: str, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while self("GET", path).code != 404:
            assert time.monotonic() < end, path
            time.sleep(0.02)


def pod(name: str, **metadata: Any) -> Object:
    container = {"name": "c", "image": "host", "command": ["sleep", "1000"]}
    meta = {"name": name, **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}


def config_map(name: str, data: Mapping[str, str] | None = None, **metadata: Any) -> Object:
    meta = {"name": name, **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(data or {})}
