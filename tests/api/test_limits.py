from __future__ import annotations

import asyncio
from typing import Any

import pytest
from streamserver import run

from nodeguard.api import limits
from nodeguard.api.limits import Limits, Places, kind_of
from nodeguard.api.rate import Bucket


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("GET /api/v1/pods", "list"),
        ("GET /api/v1/namespaces/default/pods", "list"),
        ("GET /apis/events.k8s.io/v1/namespaces/default/events?limit=500", "list"),
        ("GET /apis/metrics.k8s.io/v1beta1/pods", "list"),
        ("GET /api/v1/namespaces/default/pods?watch=true", "watch"),
        ("GET /api/v1/namespaces/default/pods?watch=0", "list"),
        ("GET /api/v1/watch/pods", "watch"),
        ("GET /api/v1/namespaces/default/pods/p", "request"),
        ("GET /api/v1/namespaces/default", "request"),
        ("GET /api/v1/namespaces/default/pods/p/log", "request"),
        ("GET /api/v1/namespaces/default/pods/p/log?follow=true", "log"),
        ("POST /api/v1/namespaces/default/pods", "request"),
        ("GET /healthz", "request"),
        ("GET /", "request"),
        ("GET /api/v1/pods?" + "&" * 5000, "list"),
    ],
)
def test_kinds(target: str, kind: str) -> None:
    method, _, address = target.partition(" ")
    path, _, query = address.partition("?")
    assert kind_of({"type": "http", "method": method, "path": path, "query_string": query.encode()}) == kind


def test_a_websocket_is_a_session() -> None:
    assert kind_of({"type": "websocket", "path": "/x"}) == "session"


def test_half_of_the_places_are_for_others() -> None:
    places = Places("things", 4)
    assert [places.take("a"), places.take("a"), places.take("a")] == [True, True, False]
    assert [places.take("b"), places.take("b"), places.take("c")] == [True, True, False]
    places.leave("a")
    assert places.take("c")
    for peer in ("a", "b", "b", "c"):
        places.leave(peer)
    assert not places.taken


def test_whoever_waits_gets_the_place_that_becomes_free() -> None:
    async def story() -> None:
        places = Places("things", 2, waits_seconds=30)
        assert await places.enter("a")
        waiting = [asyncio.create_task(places.enter("a")) for _ in range(3)]
        for _ in range(3):
            await asyncio.sleep(0)
            places.leave("a")
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done = [task for task in waiting if task.done()]
            assert [task.result() for task in done] == [True]
            waiting = [task for task in waiting if not task.done()]

    run(story())


def test_nobody_waits_for_ever() -> None:
    async def story() -> None:
        places = Places("things", 2, waits_seconds=0.01)
        assert await places.enter("a")
        assert not await places.enter("a")

    run(story())


def test_a_bucket() -> None:
    bucket = Bucket(rate_per_second=10, burst=3)
    at = 1e9
    assert [bucket.take(at) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(at + 0.1), bucket.take(at + 0.1)] == [True, False]
    assert not bucket.take(at - 100)  # a clock that goes back gives nothing
    assert [bucket.take(at + 1000) for _ in range(4)] == [True, True, True, False]


class App:
    """Serves until it is let go."""

    def __init__(self) -> None:
        self.served = 0
        self.go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.served += 1
        await self.go.wait()


class Client:
    def __init__(self, app: Limits, target: str, **state: Any) -> None:
        path, _, query = target.partition("?")
        scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "state": state}
        self.told: list[Any] = []
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.told.append(message)


def test_too_many_watches_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_WATCHES", 10)

    async def story() -> None:
        app = App()
        guarded = Limits(app)
        clients = [Client(guarded, "/api/v1/pods?watch=1") for _ in range(8)]
        await asyncio.sleep(0.01)
        assert app.served == 5
        (start, _body) = next(client.told for client in clients if client.told)
        assert start["status"] == 429
        assert (b"retry-after", b"1") in start["headers"]
        other = Client(guarded, "/api/v1/namespaces/default/pods/p")
        await asyncio.sleep(0.01)
        assert app.served == 6
        assert not other.told
        app.go.set()
        await asyncio.gather(*(client.task for client in [*clients, other]))
        again = Client(guarded, "/api/v1/pods?watch=1")
        await again.task
        assert app.served == 7  # a watch that has ended gives its place back

    run(story())


def test_a_connection_that_asks_too_often() -> None:
    async def story() -> None:
        app = App()
        app.go.set()
        guarded, bucket = Limits(app), Bucket(rate_per_second=0, burst=2)
        clients = [Client(guarded, "/version", bucket=bucket) for _ in range(3)]
        await asyncio.gather(*(client.task for client in clients))
        assert app.served == 2
        assert clients[2].told[0]["status"] == 429

    run(story())
