"""A real API process and a client that means it harm: the process lives, its memory is bounded, others are served."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api.fakeagent import FakeAgent

PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
MAX_MIB = 400
"""What no attack below may take; an idle process has some 50."""


class Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeAgent]:
    with FakeAgent(tmp_path_factory.mktemp("api")) as agent:
        yield agent


@pytest.fixture(autouse=True)
def lives(agent: FakeAgent) -> Iterator[None]:
    """After each attack: the same process, which answers, and has not grown too large."""
    pid = agent.process.pid
    yield
    assert agent.process.pid == pid
    assert agent.process.poll() is None
    assert ask(agent, "/version")[0] == 200
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert peak is not None
    assert int(peak[1]) >> 10 < MAX_MIB


def ask(agent: FakeAgent, target: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, bytes]:
    connection = Connection(agent.socket)
    try:
        text = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, target, text, {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def raw(agent: FakeAgent, said: bytes) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(str(agent.socket))
    with contextlib.suppress(ConnectionError):
        connection.sendall(said)
    return connection


@contextlib.contextmanager
def others(agent: FakeAgent) -> Iterator[list[int]]:
    """Meanwhile somebody else, on a connection that he has, asks for small things; the codes he gets."""
    codes: list[int] = []
    stop = threading.Event()

    def ask_again() -> None:
        while not stop.is_set():
            codes.append(ask(agent, "/api/v1/namespaces/default")[0])

    thread = threading.Thread(target=ask_again)
    thread.start()
    try:
        yield codes
        deadline = time.monotonic() + 30
        before = len(codes)
        while len(codes) < before + 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(codes) >= before + 3
    finally:
        stop.set()
        thread.join()
    assert set(codes) == {200}


def test_bodies_that_are_too_large(agent: FakeAgent) -> None:
    with others(agent):
        for _ in range(5):
            code, _ = ask(agent, CONFIG_MAPS, "POST", b'{"data": {"a": "' + b"x" * (4 << 20) + b'"}}')
            assert code == 413


def test_bodies_that_are_too_deep(agent: FakeAgent) -> None:
    with others(agent):
        for text in (b"[" * 1_000_000, b'{"a":' * 500_000, b'{"metadata":' * 200 + b"1" + b"}" * 200):
            assert ask(agent, CONFIG_MAPS, "POST", text)[0] == 400


def test_more_watches_than_there_are_places_for(agent: FakeAgent) -> None:
    """One client gets half of its connections and of the watches, the rest is turned away."""
    request = f"GET {PODS}?watch=1 HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    watches: list[socket.socket] = []
    accepted = 0
    try:
        for _ in range(1200):
            with contextlib.suppress(OSError):
                watches.append(raw(agent, request))
        for each in watches:
            each.settimeout(20)
            with contextlib.suppress(OSError):
                accepted += each.recv(12) == b"HTTP/1.1 200"
    finally:
        for each in watches:
            each.close()
    assert 100 <= accepted <= 512
    deadline = time.monotonic() + 30
    while ask_quietly(agent) != 200 and time.monotonic() < deadline:
        time.sleep(0.1)


def ask_quietly(agent: FakeAgent) -> int:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return ask(agent, "/version")[0]
    return 0


def test_huge_lists_by_many_that_do_not_read(agent: FakeAgent) -> None:
    for number in range(20):
        body = {"metadata": {"name": f"big-{number}"}, "data": {"a": "x" * 900_000}}
        assert ask(agent, CONFIG_MAPS, "POST", body)[0] == 201
    request = f"GET {CONFIG_MAPS} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    with others(agent):
        readers = [raw(agent, request) for _ in range(60)]
        time.sleep(1)
        for each in readers:
            each.close()
    assert ask(agent, CONFIG_MAPS, "DELETE")[0] == 200


def test_slow_senders(agent: FakeAgent) -> None:
    with others(agent):
        senders = [raw(agent, b"POST /api/v1/pods HTTP/1.1\r\nhost: x\r\ncontent-le") for _ in range(300)]
        for each in senders:
            each.close()


def test_too_many_requests_on_one_connection(agent: FakeAgent) -> None:
    connection = Connection(agent.socket)
    codes = set()
    for _ in range(3000):
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        answer.read()
        codes.add(answer.status)
        if answer.status == 429:
            assert answer.headers["retry-after"] == "1"
            break
    connection.close()
    assert codes == {200, 429}


PIECES = (
    *("..", "%2e%2e", "%2f", "%00", "\u00e9", "api", "apis", "v1", "pods", "namespaces", "default", "log", "exec"),
    *("proxy", "status", "x" * 300, "?watch=1", "?limit=-1", "?continue=AAAA", "?labelSelector=((", "?fieldSelector=a"),
    *("?resourceVersion=99999999999999999999", "?timeoutSeconds=x", "?container=..%2f..", "*", "events", "nodes"),
    *("metrics.k8s.io", "v1beta1", "node1", "openapi", "v3", "?fieldManager=" + "m" * 200, "?dryRun=x", "?watch=1"),
)


def test_paths_and_bodies_of_all_kinds(agent: FakeAgent) -> None:
    """Nothing that can be asked is a fault of the server's: no 500 but where 500 is the answer."""
    die = random.Random(5)
    bodies = [b"", b"{", b"null", b"[]", b'{"kind":5}', b'{"kind":"Pod","apiVersion":"v1","metadata":[]}', b"\xff\xfe"]
    bodies += [b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"%s"},"spec":{"containers":7}}' % (b"a" * 300,)]
    faults = []
    with others(agent):
        for _ in range(600):
            target = "/" + "/".join(die.choice(PIECES) for _ in range(die.randrange(1, 8)))
            target = target.replace("/?", "?").encode("ascii", "ignore").decode()
            method = die.choice(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "BREW"])
            kind = die.choice(["application/json", "application/apply-patch+yaml", "application/json-patch+json", "x"])
            connection = Connection(agent.socket)
            connection.timeout = 5
            try:
                connection.connect()
                connection.sock.settimeout(5)
                connection.request(method, target, die.choice(bodies), {"content-type": kind})
                code = connection.getresponse().status
                if code == 500:
                    faults.append((method, target))
            except (TimeoutError, http.client.HTTPException, ConnectionError):
                pass  # a watch that waits, or no HTTP at all
            finally:
                connection.close()
    assert faults == []
