"""Watches: everything that happens is told once, in order; who comes too late is told to begin anew."""

from __future__ import annotations

import asyncio
import json

from api.fakeagent import FakeAgent
from api.httpclient import MAPS, PODS, Client, config_map, pod

from nodeguard.api.resource import find_kind
from nodeguard.api.rest.form import Form
from nodeguard.api.rest.selector import parse_selector
from nodeguard.api.rest.watch import Watch
from nodeguard.api.store.entry import Change, ChangeType, Entry, Key, make_entry
from nodeguard.api.store.window import Window


def test_changes_come_as_they_happen(client: Client) -> None:
    since = client.get(MAPS)["metadata"]["resourceVersion"]
    with client.watch(f"{MAPS}?watch=1&resourceVersion={since}") as events:
        made = client.make(MAPS, config_map("w", {"a": "1"}))
        client.patch(f"{MAPS}/w", {"data": {"a": "2"}})
        client("DELETE", f"{MAPS}/w")
        found = [next(events) for _ in range(3)]
    assert [one["type"] for one in found] == ["ADDED", "MODIFIED", "DELETED"]
    assert found[0]["object"] == made
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in found]
    assert versions == sorted(set(versions)), "a deletion has a version of its own"


def test_a_watch_goes_on_from_any_version_it_has_seen(client: Client) -> None:
    made = client.make(MAPS, config_map("again", {"a": "1"}))
    for number in range(3):
        client.patch(f"{MAPS}/again", {"data": {"a": f"x{number}"}})
    with client.watch(f"{MAPS}?watch=1&resourceVersion={made['metadata']['resourceVersion']}") as events:
        assert [next(events)["object"]["data"]["a"] for _ in range(3)] == ["x0", "x1", "x2"]


def test_without_a_version_it_begins_with_what_is_there(client: Client) -> None:
    client.make(MAPS, config_map("there", labels={"begin": "x"}))
    with client.watch(f"{MAPS}?watch=1&labelSelector=begin") as events:
        assert next(events)["object"]["metadata"]["name"] == "there"
        client.make(MAPS, config_map("more", labels={"begin": "x"}))
        assert next(events)["object"]["metadata"]["name"] == "more"


def test_a_streamed_list_says_where_it_ends(client: Client) -> None:
    client.make(MAPS, config_map("streamed", labels={"stream": "x"}))
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    with client.watch(f"{MAPS}?{query}&labelSelector=stream") as events:
        first, second = next(events), next(events)
    assert first["type"] == "ADDED"
    assert second["type"] == "BOOKMARK"
    assert second["object"]["kind"] == "ConfigMap"
    assert second["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(second["object"]["metadata"]["resourceVersion"]) > 0


def test_what_enters_a_selection_is_added_and_what_leaves_it_deleted(client: Client) -> None:
    client.make(MAPS, config_map("moving", labels={"in": "no"}))
    since = client.get(MAPS)["metadata"]["resourceVersion"]
    with client.watch(f"{MAPS}?watch=1&resourceVersion={since}&labelSelector=in%3Dyes") as events:
        for value in ("yes", "yes", "no", "yes"):
            client.patch(f"{MAPS}/moving", {"metadata": {"labels": {"in": value}}, "data": {"a": value}})
        client.patch(f"{MAPS}/moving", {"data": {"a": "last"}})
        found = [next(events) for _ in range(4)]
    assert [one["type"] for one in found] == ["ADDED", "DELETED", "ADDED", "MODIFIED"]
    assert found[1]["object"]["metadata"]["labels"] == {"in": "yes"}, "as it was last seen"


def test_one_object_and_other_namespaces(client: Client) -> None:
    since = client.get(MAPS)["metadata"]["resourceVersion"]
    other = "/api/v1/namespaces/kube-public/configmaps"
    with client.watch(f"{MAPS}?watch=1&resourceVersion={since}&fieldSelector=metadata.name%3Dmine") as events:
        client.make(other, config_map("mine"))
        client.make(MAPS, config_map("not-mine"))
        client.make(MAPS, config_map("mine"))
        assert next(events)["object"]["metadata"]["namespace"] == "default"
    with client.watch(f"{MAPS}/mine?watch=1&resourceVersion={since}") as events:
        assert next(events)["object"]["metadata"]["name"] == "mine"


def test_rows_come_with_columns_once(client: Client) -> None:
    since = client.get(MAPS)["metadata"]["resourceVersion"]
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    with client.watch(f"{MAPS}?watch=1&resourceVersion={since}", accept=accept) as events:
        client.make(MAPS, config_map("row"))
        client.patch(f"{MAPS}/row", {"data": {"a": "1"}})
        first, second = next(events)["object"], next(events)["object"]
    assert first["columnDefinitions"]
    assert not second["columnDefinitions"]
    assert second["rows"][0]["cells"][:2] == ["row", 1]


def test_who_comes_too_late_is_told(agent: FakeAgent, client: Client) -> None:
    since = client.get(MAPS)["metadata"]["resourceVersion"]
    agent.restart()
    answer = client("GET", f"{MAPS}?watch=1&resourceVersion={since}")
    assert (answer.code, answer.reason) == (410, "Expired")
    assert client("GET", f"{MAPS}?watch=1&sendInitialEvents=true").code == 422


def test_it_ends_when_its_time_is_over(client: Client) -> None:
    since = client.get(MAPS)["metadata"]["resourceVersion"]
    with client.watch(f"{MAPS}?watch=1&resourceVersion={since}&timeoutSeconds=1") as events:
        assert list(events) == []


def test_the_life_of_a_pod(agent: FakeAgent, client: Client) -> None:
    since = client.get(PODS)["metadata"]["resourceVersion"]
    with client.watch(f"{PODS}?watch=1&resourceVersion={since}") as events:
        client.make(PODS, pod("life"))
        phases = [next(events)["object"]["status"]["phase"] for _ in range(2)]
        client("DELETE", f"{PODS}/life")
        ending, end = next(events), next(events)
    assert phases == ["Pending", "Running"]
    assert ending["object"]["metadata"]["deletionGracePeriodSeconds"] == 30
    assert end["type"] == "DELETED"


def large_maps(count: int) -> list[Entry]:
    data = {"a": "x" * 100_000}
    return [
        make_entry(Key("configmaps", "default", f"m{number}"), config_map(f"m{number}", data), number)
        for number in range(1, count + 1)
    ]


def watch_over(window: Window) -> Watch:
    resource = find_kind("v1", "ConfigMap")
    assert resource is not None
    return Watch(window, Form(resource=resource, style=""), parse_selector("", "", ()), 0, lambda: 0.0)


def test_who_reads_slowly_keeps_no_copies() -> None:
    class Seen(list[Entry]):
        taken = 0

        def __iter__(self):  # type: ignore[no-untyped-def]
            for entry in list.__iter__(self):
                self.taken += 1
                yield entry

    entries = Seen(large_maps(20))
    lines = watch_over(Window(0)).initial(entries, tell_end=False)
    next(lines)
    assert entries.taken == 1
    assert sum(1 for _ in lines) == 19


def test_many_changes_are_told_a_piece_at_a_time_and_all_of_them() -> None:
    async def story() -> list[list[bytes]]:
        window = Window(0)
        watch = watch_over(window)
        window.extend(Change(ChangeType.ADDED, entry, None) for entry in large_maps(15))
        pieces: list[list[bytes]] = []
        while sum(map(len, pieces)) < 15:
            pieces.append(await watch.next())
        return pieces

    pieces = asyncio.run(story())
    assert max(sum(map(len, piece)) for piece in pieces) < 400_000
    names = [json.loads(line)["object"]["metadata"]["name"] for piece in pieces for line in piece]
    assert names == [f"m{number}" for number in range(1, 16)]
