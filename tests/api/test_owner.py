"""Deletion and what follows: dependents, finalizers, namespaces, collections, evictions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from api.fakeagent import FakeAgent, running_status
from api.httpclient import MAPS, PODS, Client, config_map, pod

from nodeguard.api.context import Context
from nodeguard.api.resource import find_kind
from nodeguard.api.rest.remove import DeleteOptions, remove
from nodeguard.api.store.database import Database
from nodeguard.api.store.entry import Key
from nodeguard.api.store.store import Store
from nodeguard.model.link import PodMessage

NAMESPACES = "/api/v1/namespaces"


def owner(made: dict[str, Any], **more: Any) -> dict[str, Any]:
    metadata = made["metadata"]
    return {"apiVersion": "v1", "kind": made["kind"], "name": metadata["name"], "uid": metadata["uid"], **more}


def test_dependents_go_with_their_owner(client: Client) -> None:
    made = client.make(MAPS, config_map("bg"))
    below = client.make(MAPS, config_map("bg-1", ownerReferences=[owner(made)]))
    client.make(MAPS, config_map("bg-2", ownerReferences=[owner(below)]))
    answer = client("DELETE", f"{MAPS}/bg")
    assert answer.json["status"] == "Success"
    client.until_gone(f"{MAPS}/bg-2")
    client.until_gone(f"{MAPS}/bg-1")


def test_who_has_another_owner_stays(client: Client) -> None:
    one, two = client.make(MAPS, config_map("two-1")), client.make(MAPS, config_map("two-2"))
    client.make(MAPS, config_map("two-below", ownerReferences=[owner(one), owner(two)]))
    client("DELETE", f"{MAPS}/two-1")
    found = client.until(f"{MAPS}/two-below", lambda obj: len(obj["metadata"]["ownerReferences"]) == 1)
    assert found["metadata"]["ownerReferences"][0]["name"] == "two-2"


def test_orphans_stay(client: Client) -> None:
    made = client.make(MAPS, config_map("orphaned"))
    client.make(MAPS, config_map("orphan", ownerReferences=[owner(made)]))
    client("DELETE", f"{MAPS}/orphaned?propagationPolicy=Orphan")
    client.until_gone(f"{MAPS}/orphaned")
    assert "ownerReferences" not in client.get(f"{MAPS}/orphan")["metadata"]


def test_in_the_foreground_the_owner_goes_last(client: Client) -> None:
    made = client.make(MAPS, config_map("fg"))
    reference = owner(made, blockOwnerDeletion=True)
    client.make(MAPS, config_map("fg-1", ownerReferences=[reference], finalizers=["example.com/wait"]))
    answer = client("DELETE", f"{MAPS}/fg", {"kind": "DeleteOptions", "propagationPolicy": "Foreground"})
    assert answer.json["metadata"]["finalizers"] == ["foregroundDeletion"]
    client.until(f"{MAPS}/fg-1", lambda obj: obj["metadata"].get("deletionTimestamp"))
    assert client("GET", f"{MAPS}/fg").code == 200
    client.patch(f"{MAPS}/fg-1", {"metadata": {"finalizers": []}})
    client.until_gone(f"{MAPS}/fg")


def test_of_owners_that_never_were(client: Client) -> None:
    absent = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "0"}
    client.make(MAPS, config_map("lost", ownerReferences=[absent]))
    client.until_gone(f"{MAPS}/lost")
    foreign = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "0"}
    client.make(MAPS, config_map("foreign", ownerReferences=[foreign]))
    client.make(MAPS, config_map("lost", ownerReferences=[absent]))
    client.until_gone(f"{MAPS}/lost")
    assert client("GET", f"{MAPS}/foreign").code == 200, "of kinds that are not served nobody knows"


def test_a_pod_goes_with_its_owner(agent: FakeAgent, client: Client) -> None:
    made = client.make(MAPS, config_map("pods-owner"))
    client.make(PODS, pod("owned", ownerReferences=[owner(made)]))
    client("DELETE", f"{MAPS}/pods-owner")
    client.until_gone(f"{PODS}/owned")


@pytest.mark.parametrize(
    ("conditions", "code"),
    [({"uid": "other"}, 409), ({"resourceVersion": "1"}, 409), ({}, 200)],
)
def test_preconditions(client: Client, conditions: dict[str, str], code: int) -> None:
    client("POST", MAPS, config_map("guarded"))
    assert client("DELETE", f"{MAPS}/guarded", {"preconditions": conditions}).code == code


@pytest.mark.parametrize(
    "options",
    [
        {"gracePeriodSeconds": -1},
        {"gracePeriodSeconds": "x"},
        {"propagationPolicy": "Spam"},
        {"propagationPolicy": "Orphan", "orphanDependents": True},
        {"preconditions": []},
        {"dryRun": ["Some"]},
        {"kind": "Pod"},
        [],
    ],
)
def test_options_that_make_no_sense(client: Client, options: Any) -> None:
    client("POST", MAPS, config_map("sturdy"))
    assert client("DELETE", f"{MAPS}/sturdy", options).code in (400, 422)
    assert client("GET", f"{MAPS}/sturdy").code == 200


def test_a_collection_is_deleted_as_selected(client: Client) -> None:
    for name in ("col-1", "col-2"):
        client.make(MAPS, config_map(name, labels={"col": "x"}))
    client.make(MAPS, config_map("col-3", labels={"col": "y"}))
    answer = client("DELETE", f"{MAPS}?labelSelector=col%3Dx")
    assert [one["metadata"]["name"] for one in answer.json["items"]] == ["col-1", "col-2"]
    assert [one["metadata"]["name"] for one in client.get(f"{MAPS}?labelSelector=col")["items"]] == ["col-3"]


def test_a_namespace_takes_everything_along(agent: FakeAgent, client: Client) -> None:
    made = client.make(NAMESPACES, {"metadata": {"name": "short"}})
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "short"}
    client.until(f"{NAMESPACES}/short/serviceaccounts/default", lambda _: True)
    client.make(f"{NAMESPACES}/short/pods", pod("p"))
    client.make(f"{NAMESPACES}/short/configmaps", config_map("held", finalizers=["example.com/x"]))
    answer = client("DELETE", f"{NAMESPACES}/short")
    assert answer.json["status"]["phase"] == "Terminating"
    refused = client("POST", f"{NAMESPACES}/short/pods", pod("late"))
    assert (refused.code, refused.json["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    client.until_gone(f"{NAMESPACES}/short/pods/p")
    assert client("GET", f"{NAMESPACES}/short").code == 200
    client.patch(f"{NAMESPACES}/short/configmaps/held", {"metadata": {"finalizers": None}})
    client.until_gone(f"{NAMESPACES}/short")
    client.make(NAMESPACES, {"metadata": {"name": "short"}})
    assert client.get(f"{NAMESPACES}/short/pods")["items"] == []


def test_the_default_account_comes_back(client: Client) -> None:
    path = f"{NAMESPACES}/default/serviceaccounts/default"
    first = client.get(path)
    assert client("DELETE", path).code == 200
    client.until(path, lambda found: found["metadata"]["uid"] != first["metadata"]["uid"])


def test_an_eviction_deletes(agent: FakeAgent, client: Client) -> None:
    client.make(PODS, pod("evicted"))
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "evicted"}}
    assert client("POST", f"{PODS}/evicted/eviction", {**body, "metadata": {"name": "other"}}).code == 400
    assert client("POST", f"{PODS}/evicted/eviction", {**body, "deleteOptions": {"dryRun": ["All"]}}).code == 201
    assert client("GET", f"{PODS}/evicted").code == 200
    answer = client("POST", f"{PODS}/evicted/eviction", body)
    assert (answer.code, answer.json["status"]) == (201, "Success")
    client.until_gone(f"{PODS}/evicted")


def test_an_eviction_of_another_pod_than_the_one_meant_leaves_no_trace(tmp_path: Path) -> None:
    with FakeAgent(tmp_path, runs=False) as quiet:
        client = Client(quiet.socket)
        uid = client.make(PODS, pod("p"))["metadata"]["uid"]
        quiet.report(uid, running_status(quiet.wait_for(PodMessage).object))
        evict_with_preconditions(client, client.until(f"{PODS}/p", lambda one: one["status"]["phase"] == "Running"))


def evict_with_preconditions(client: Client, made: dict[str, Any]) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    for wrong in ({"uid": "another"}, {"resourceVersion": "1"}):
        answer = client("POST", f"{PODS}/p/eviction", {**body, "deleteOptions": {"preconditions": wrong}})
        assert answer.code == 409
    assert client.get(f"{PODS}/p") == made
    right = {"uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"]}
    assert client("POST", f"{PODS}/p/eviction", {**body, "deleteOptions": {"preconditions": right}}).code == 201
    assert client.get(f"{PODS}/p")["metadata"]["deletionTimestamp"]


def test_a_deletion_undoes_nothing_that_was_put_meanwhile(tmp_path: Path) -> None:
    async def story() -> dict[str, Any]:
        store = Store(Database(tmp_path / "objects.db"))
        resource, key = find_kind("v1", "ConfigMap"), Key("configmaps", "default", "m")
        assert resource is not None
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "default", "uid": "u"}}
        seen = await store.put(key, obj)
        held = {**seen.object(), "metadata": {**seen.object()["metadata"], "finalizers": ["example.com/x"]}}
        store.put(key, held)
        context = cast(Context, SimpleNamespace(store=store, now=lambda: 0.0, node_name="node1"))
        _, is_gone = await remove(context, resource, seen, DeleteOptions())
        assert not is_gone
        left = store.get(key)
        await store.close()
        assert left is not None
        return left.object()

    assert asyncio.run(story())["metadata"]["finalizers"] == ["example.com/x"]


def test_a_bound_pod_is_not_bound_again(client: Client) -> None:
    client.make(PODS, pod("bound"))
    body = {"kind": "Binding", "metadata": {"name": "bound"}, "target": {"kind": "Node", "name": "node2"}}
    assert client("POST", f"{PODS}/bound/binding", body).code == 409
