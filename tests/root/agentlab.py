"""A running `nodeguard agent`, asked over its socket: what the tests of the daemon share."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from root.lab import Json
from sandbox import Running, Sandbox, patient

PODS = "/api/v1/namespaces/default/pods"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=patient(30))
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Api:
    """The API of the agent of a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._path = sandbox.run_dir / "nodeguard.sock"

    def ask(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        connection = _Connection(self._path)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def create(self, path: str, body: Json) -> Json:
        code, answer = self.ask("POST", path, body)
        assert code == 201, answer
        return answer

    def pod(self, name: str) -> Json | None:
        code, answer = self.ask("GET", f"{PODS}/{name}")
        return answer if code == 200 else None

    def phase(self, name: str) -> str:
        found = self.pod(name)
        return "gone" if found is None else found.get("status", {}).get("phase", "")

    def state(self, name: str) -> Json:
        """That of the first container."""
        found = self.pod(name)
        statuses = (found or {}).get("status", {}).get("containerStatuses", [])
        state: Json = statuses[0]["state"] if statuses else {}
        return state

    def wait(self, done: Callable[[], Any], *, timeout: float = 60.0) -> Any:
        """What ``done()`` says once it says something."""
        deadline = time.monotonic() + patient(timeout)
        while True:
            try:
                if found := done():
                    return found
            except (OSError, http.client.HTTPException):
                pass  # between two API servers
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)

    def wait_for_phase(self, name: str, phase: str) -> None:
        self.wait(lambda: self.phase(name) == phase)


@contextmanager
def running(sandbox: Sandbox, *arguments: str | Path, env: dict[str, str] | None = None) -> Iterator[Running]:
    """An agent that is ready; it is asked to end afterwards, and pods stay."""
    manifests = () if "--pod-manifest-path" in arguments else ("--pod-manifest-path", "")
    with sandbox.start("agent", *manifests, *arguments, env=env) as agent:
        agent.read_until("agent ready", timeout=60)
        yield agent
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0


def first_pid(sandbox: Sandbox, uid: str) -> int:
    """The first process of the only container of a pod."""
    (bundle,) = (sandbox.run_dir / "pods" / uid / "bundles").iterdir()
    return int((bundle / "pidfile").read_text())
