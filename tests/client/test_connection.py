"""Requests and streams over a Unix socket, also with a server that behaves badly."""

import json
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from client.double import answer, chunked, double

from nodeguard.client.client import TABLE, Client
from nodeguard.client.follow import LISTED, follow
from nodeguard.client.kind import POD
from nodeguard.client.wait import wait_for, wait_until_gone
from nodeguard.errors import AgentUnreachable, Expired, InvalidInput, NotFound, PermissionDenied, TimedOut


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "nodeguard.sock"


@pytest.fixture
def client(path: Path) -> Iterator[Client]:
    found = Client(path, timeout_seconds=30)
    yield found
    found.close()


def pods(version: str, *names: str) -> bytes:
    items = [{"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version}} for name in names]
    return answer(json.dumps({"kind": "PodList", "metadata": {"resourceVersion": version}, "items": items}).encode())


def event(type_: str, name: str, version: str) -> bytes:
    item = {"kind": "Pod", "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version}}
    return json.dumps({"type": type_, "object": item}).encode() + b"\n"


def test_nobody_there(path: Path, client: Client) -> None:
    with pytest.raises(AgentUnreachable, match="no agent answers") as caught:
        client.get(POD, "default", "web")
    assert caught.value.exit_code == 7


def test_a_socket_of_others(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(PermissionDenied, match="run with sudo or join group nodeguard"):
        client.get(POD, "default", "web")


def test_one_connection_for_several_requests_and_another_when_it_was_cut(path: Path, client: Client) -> None:
    with double(path, [pods("1", "a"), pods("2", "b")], [pods("3", "c")]) as server:
        names = [client.list(POD, "default")["items"][0]["metadata"]["name"] for _ in range(3)]
    assert names == ["a", "b", "c"]
    assert len(server.requests) == 3


def test_a_change_is_not_asked_twice(path: Path, client: Client) -> None:
    with double(path, [pods("1"), b""], [pods("2")]):
        client.list(POD, "default")
        with pytest.raises(AgentUnreachable):
            client.create(POD, "default", {"metadata": {"name": "web"}})
        client.list(POD, "default")


def test_a_change_is_asked_when_the_kept_connection_was_closed_meanwhile(path: Path, client: Client) -> None:
    with double(path, [pods("1")], [answer(b"{}", 201)]) as server:
        client.list(POD, "default")
        kept = client._connection._http
        assert kept is not None
        select.select([kept.sock], [], [], 30)  # the double closes after its last answer
        client.create(POD, "default", {"metadata": {"name": "web"}})
    assert [request.partition(b" ")[0] for request in server.requests] == [b"GET", b"POST"]


def test_refusals_and_warnings(path: Path, client: Client) -> None:
    told: list[str] = []
    status = b'{"kind": "Status", "message": "pods \\"web\\" not found", "code": 404}'
    warning = 'Warning: 299 - "spec.x: has \\"no\\" effect"'
    with double(path, [answer(status, 404), answer(b"{}", 200, warning), answer(b"", 422), answer(b"<html>")]):
        client._connection._on_warning = told.append
        with pytest.raises(NotFound, match='pods "web" not found'):
            client.get(POD, "default", "web")
        client.create(POD, "default", {})
        assert told == ['spec.x: has "no" effect']
        with pytest.raises(InvalidInput):
            client.create(POD, "default", {})
        with pytest.raises(AgentUnreachable, match="not the API"):
            client.get(POD, "default", "web")


def test_silence_has_an_end(path: Path, client: Client) -> None:
    with double(path, [b"", b""]):
        client._connection._timeout_seconds = 0.05
        with pytest.raises(TimedOut):
            client.get(POD, "default", "web")


def test_a_long_list_comes_in_pages(path: Path, client: Client) -> None:
    first = {"metadata": {"continue": "go on"}, "items": [{"metadata": {"name": "a"}}]}
    with double(path, [answer(json.dumps(first).encode()), pods("2", "b")]) as server:
        items = client.list(POD, None, {"labelSelector": "x"})["items"]
    assert [(item["kind"], item["metadata"]["name"]) for item in items] == [("Pod", "a"), ("Pod", "b")]
    assert server.requests[0].startswith(b"GET /api/v1/pods?labelSelector=x&limit=500 ")
    assert b"continue=go+on" in server.requests[1]


def test_a_stream_is_read_as_it_comes_whatever_its_pieces(path: Path, client: Client) -> None:
    with double(path, [chunked(b"one\ntw", b"o\n", b"thr", b"ee")]), client.stream("/x") as stream:
        assert list(stream.lines()) == [b"one\n", b"two\n", b"three"]


def test_a_stream_that_is_cut_is_told(path: Path, client: Client) -> None:
    with double(path, [chunked(b"one\n", ends=False)]), client.stream("/x") as stream:
        lines = stream.lines()
        assert next(lines) == b"one\n"
        with pytest.raises(AgentUnreachable):
            next(lines)


def test_a_stream_may_be_refused(path: Path, client: Client) -> None:
    with double(path, [answer(b'{"kind": "Status", "message": "gone", "code": 410}', 410)]), pytest.raises(Expired):
        client.stream("/x")


def test_follow_goes_on_from_the_list_and_begins_anew_when_that_is_too_old(path: Path, client: Client) -> None:
    gone = json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}).encode()
    bookmark = event("BOOKMARK", "", "6")
    with double(
        path,
        [pods("5", "a"), pods("9", "c")],
        [chunked(event("ADDED", "b", "5"), bookmark)],
        [chunked(gone + b"\n")],
        [chunked(event("DELETED", "c", "10"), ends=False)],
    ) as server:
        changes = follow(client, POD, "default", {})
        seen = [next(changes) for _ in range(4)]
    assert [type_ for type_, _ in seen] == [LISTED, "ADDED", LISTED, "DELETED"]
    watches = [request for request in server.requests if b"watch=true" in request]
    assert [f"resourceVersion={version}&".encode() in watches[i] for i, version in enumerate("569")] == [True] * 3


def test_follow_waits_for_an_agent_as_long_as_it_has_patience(path: Path, client: Client) -> None:
    with pytest.raises(AgentUnreachable):
        next(follow(client, POD, "default", {}))
    seen: list[str] = []
    waiting = threading.Thread(
        target=lambda: seen.append(next(follow(client, POD, "default", {}, patience_seconds=30))[0])
    )
    waiting.start()
    with double(path, [pods("1", "a")]):
        waiting.join(30)
    assert seen == [LISTED]


def test_waiting(path: Path, client: Client) -> None:
    with double(path, [pods("1", "web")], [chunked(event("MODIFIED", "web", "2"), event("DELETED", "web", "3"))]):
        wait_until_gone(client, POD, "default", "web", "uid-web", 30)


def test_another_of_that_name_is_not_waited_for(path: Path, client: Client) -> None:
    with double(path, [pods("1", "web")]):
        wait_until_gone(client, POD, "default", "web", "an older uid", 30)


def test_waiting_has_an_end(path: Path, client: Client) -> None:
    with double(path, [pods("1", "web")], *[[chunked()]] * 500), pytest.raises(TimedOut, match="pods/web"):
        wait_for(client, POD, "default", "web", lambda item: False, 0.001)


def test_a_table_is_asked_for(path: Path, client: Client) -> None:
    table = {"kind": "Table", "metadata": {}, "columnDefinitions": [], "rows": [{"cells": ["a"]}]}
    with double(path, [answer(json.dumps(table).encode())]) as server:
        assert client.table(POD, "default")["rows"] == table["rows"]
    assert f"Accept: {TABLE}".encode() in server.requests[0]
