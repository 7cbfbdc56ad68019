"""What the API server and the agent owe each other, across restarts of either."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api.fakeagent import FakeAgent, ended_status, running_status, started_event
from api.httpclient import MAPS, PODS, Client, config_map, pod

from nodeguard.model.link import ConfigMessage, EventMessage, Forget, Gone, NodeMessage, PodMessage, Settled, Sync


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[FakeAgent]:
    """An agent that does nothing by itself."""
    with FakeAgent(tmp_path, runs=False) as running:
        yield running


@pytest.fixture
def api(quiet: FakeAgent) -> Client:
    return Client(quiet.socket)


def uid_of(made: dict[str, object]) -> str:
    metadata = made["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["uid"])


def for_agent(shown: dict[str, Any]) -> dict[str, Any]:
    return {**shown, "metadata": {key: value for key, value in shown["metadata"].items() if key != "managedFields"}}


def test_a_final_status_is_settled_when_it_is_on_the_disk(quiet: FakeAgent, api: Client) -> None:
    uid = uid_of(api.make(PODS, pod("p")))
    told = quiet.wait_for(PodMessage).object
    assert told["spec"]["nodeName"] == "node1"
    quiet.report(uid, ended_status(told))
    quiet.wait_for(Settled, uid=uid)
    quiet.restart()
    assert api.get(f"{PODS}/p")["status"]["phase"] == "Succeeded"
    assert quiet.wait_for(Sync).uids == [], "it is over"
    quiet.wait_for(Settled, uid=uid)  # the agent told it again, so it is answered again


def test_after_a_restart_the_agent_is_told_what_should_be(quiet: FakeAgent, api: Client) -> None:
    kept, ending = uid_of(api.make(PODS, pod("kept"))), uid_of(api.make(PODS, pod("ending")))
    api("DELETE", f"{PODS}/ending?gracePeriodSeconds=7")
    quiet.restart()
    assert set(quiet.wait_for(Sync).uids) == {kept, ending}
    told = [one.object["metadata"] for one in quiet.heard if isinstance(one, PodMessage)]
    pods = {metadata["uid"]: metadata for metadata in told}
    assert pods[ending]["deletionGracePeriodSeconds"] == 7
    assert "deletionTimestamp" not in pods[kept]


def test_a_deleted_pod_stays_until_it_is_gone(quiet: FakeAgent, api: Client) -> None:
    uid = uid_of(api.make(PODS, pod("p")))
    answer = api("DELETE", f"{PODS}/p")
    assert answer.json["metadata"]["deletionTimestamp"]
    quiet.wait_for(PodMessage, object=for_agent(api.get(f"{PODS}/p")))
    shorter = api("DELETE", f"{PODS}/p?gracePeriodSeconds=3").json["metadata"]
    longer = api("DELETE", f"{PODS}/p?gracePeriodSeconds=9").json["metadata"]
    assert (shorter["deletionGracePeriodSeconds"], longer["deletionGracePeriodSeconds"]) == (3, 3)
    quiet.send(Gone(uid=uid, namespace="default", name="p"))
    api.until_gone(f"{PODS}/p")
    assert not [one for one in quiet.heard if isinstance(one, Forget)]


def test_a_pod_that_was_forced_away_never_comes_back(quiet: FakeAgent, api: Client) -> None:
    quiet.forgets = False
    made = api.make(PODS, pod("p"))
    uid = uid_of(made)
    assert api("DELETE", f"{PODS}/p?gracePeriodSeconds=0").code == 200
    assert api("GET", f"{PODS}/p").code == 404
    quiet.wait_for(Forget, uid=uid)
    quiet.pods[uid] = {**made, "status": running_status(made)}  # an agent that did not hear it
    quiet.restart()
    quiet.wait_for(Forget, uid=uid)
    quiet.wait_for(Sync)
    assert api("GET", f"{PODS}/p").code == 404


def test_a_new_pod_of_the_name_is_not_the_old_one(quiet: FakeAgent, api: Client) -> None:
    old = api.make(PODS, pod("p"))
    api("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
    new = api.make(PODS, pod("p"))
    quiet.send(PodMessage(object={**old, "status": running_status(old)}))
    quiet.send(Gone(uid=uid_of(old), namespace="default", name="p"))
    quiet.wait_for(PodMessage, object=for_agent(new))
    quiet.report(uid_of(new), running_status(new))
    found = api.until(f"{PODS}/p", lambda one: one["status"]["phase"] == "Running")
    assert uid_of(found) == uid_of(new)


def test_deleting_a_pod_that_has_ended_removes_it_at_once(quiet: FakeAgent, api: Client) -> None:
    made = api.make(PODS, pod("p"))
    uid = uid_of(made)
    quiet.wait_for(PodMessage)
    quiet.report(uid, ended_status(made, "Failed"))
    api.until(f"{PODS}/p", lambda one: one["status"]["phase"] == "Failed")
    api("DELETE", f"{PODS}/p")
    assert api("GET", f"{PODS}/p").code == 404
    quiet.wait_for(Forget, uid=uid)


def test_a_static_pod_appears_and_comes_back(quiet: FakeAgent, api: Client) -> None:
    static = pod("static-node1", namespace="default", uid="static-1", annotations={"kubernetes.io/config.mirror": "x"})
    static["spec"]["nodeName"] = "node1"
    quiet.pods["static-1"] = static
    quiet.report("static-1", running_status(static))
    api.until(f"{PODS}/static-node1", lambda one: one["status"]["phase"] == "Running")
    api("DELETE", f"{PODS}/static-node1")
    quiet.send(Gone(uid="static-1", namespace="default", name="static-node1"))
    quiet.send(PodMessage(object=quiet.pods["static-1"]))
    api.until_gone(f"{PODS}/static-node1")
    api.until(f"{PODS}/static-node1", lambda one: one["metadata"]["uid"] == "static-1")


def static_pod(uid: str) -> dict[str, Any]:
    static = pod("static-node1", namespace="default", uid=uid, annotations={"kubernetes.io/config.mirror": "x"})
    static["spec"]["nodeName"] = "node1"
    return static


def test_a_static_pod_whose_name_is_taken_is_shown_when_that_one_goes(quiet: FakeAgent, api: Client) -> None:
    taken = api.make(PODS, pod("static-node1"))
    quiet.wait_for(PodMessage)
    quiet.report(uid_of(taken), ended_status(taken))
    quiet.pods["static-1"] = static_pod("static-1")
    quiet.report("static-1", running_status(static_pod("static-1")))
    api.until(f"{PODS}/static-node1", lambda one: one["status"]["phase"] == "Succeeded")
    api.make(MAPS, config_map("later"))
    assert not [one for one in quiet.heard if isinstance(one, Forget)], "it would be told again, and so for ever"
    api("DELETE", f"{PODS}/static-node1")
    found = api.until(f"{PODS}/static-node1", lambda one: one["status"]["phase"] == "Running")
    assert uid_of(found) == "static-1"


def test_an_ended_static_pod_whose_manifest_changed_in_the_dark_makes_room(quiet: FakeAgent, api: Client) -> None:
    quiet.pods["static-1"] = static_pod("static-1")
    quiet.report("static-1", ended_status(static_pod("static-1"), "Failed"))
    api.until(f"{PODS}/static-node1", lambda one: one["status"]["phase"] == "Failed")
    quiet.pods = {"static-2": static_pod("static-2")}  # what an agent tells after the host was started again
    quiet.restart()
    quiet.wait_for(Sync, uids=["static-1"])
    quiet.send(Gone(uid="static-1", namespace="default", name="static-node1"))
    api.until(f"{PODS}/static-node1", lambda one: one["metadata"]["uid"] == "static-2")


def test_pods_that_are_larger_together_than_a_message_are_told_after_a_restart(quiet: FakeAgent, api: Client) -> None:
    for number in range(40):
        api.make(PODS, pod(f"p{number}", annotations={"large": "x" * 250_000}))
    quiet.restart()
    assert len(quiet.wait_for(Sync).uids) == 40
    assert sum(isinstance(one, PodMessage) for one in quiet.heard) == 40


def test_finalizers_hold_a_pod_that_is_gone(quiet: FakeAgent, api: Client) -> None:
    uid = uid_of(api.make(PODS, pod("held", finalizers=["example.com/x"])))
    api("DELETE", f"{PODS}/held")
    quiet.send(Gone(uid=uid, namespace="default", name="held"))
    api.until(f"{PODS}/held", lambda one: one["metadata"]["deletionGracePeriodSeconds"] == 0)
    refused = api.patch(f"{PODS}/held", {"metadata": {"finalizers": ["example.com/x", "example.com/y"]}})
    assert refused.code == 422
    assert api.patch(f"{PODS}/held", {"metadata": {"finalizers": None}}).code == 200
    assert api("GET", f"{PODS}/held").code == 404


def test_what_a_pod_refers_to_is_told_before_it_and_again_when_it_changes(quiet: FakeAgent, api: Client) -> None:
    api.make(MAPS, config_map("settings", {"a": "1"}))
    api.make(MAPS, config_map("unused"))
    referring = pod("p")
    referring["spec"]["containers"][0]["envFrom"] = [
        {"configMapRef": {"name": "settings"}},
        {"secretRef": {"name": "missing", "optional": True}},
    ]
    api.make(PODS, referring)
    quiet.wait_for(PodMessage)
    told = [one for one in quiet.heard if isinstance(one, ConfigMessage | PodMessage)]
    assert isinstance(told[-1], PodMessage)
    assert {(one.kind, one.name, one.object is None) for one in told[:-1] if isinstance(one, ConfigMessage)} == {
        ("ConfigMap", "settings", False),
        ("Secret", "missing", True),
    }
    changed = api.patch(f"{MAPS}/settings", {"data": {"a": "2"}}).json
    quiet.wait_for(ConfigMessage, object=changed)
    api("DELETE", f"{MAPS}/settings")
    quiet.wait_for(ConfigMessage, name="settings", object=None)


def test_the_node_keeps_what_users_gave_it(quiet: FakeAgent, api: Client) -> None:
    path = "/api/v1/nodes/node1"
    api.until(path, lambda _: True)
    taint = {"key": "mine", "effect": "NoExecute"}
    changed = api.patch(
        path, {"metadata": {"labels": {"my": "label"}}, "spec": {"unschedulable": True, "taints": [taint]}}
    )
    assert {one["key"] for one in changed.json["spec"]["taints"]} == {"mine", "node.kubernetes.io/unschedulable"}
    quiet.wait_for(NodeMessage, object=changed.json)
    node = {
        **changed.json,
        "metadata": {"name": "node1", "labels": {"agents": "label"}},
        "status": {"phase": "Running"},
    }
    pressure = {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}
    node["spec"] = {"providerID": "x", "taints": [pressure]}
    quiet.send(NodeMessage(object=node))
    found = api.until(path, lambda one: one["status"].get("phase") == "Running")
    assert found["metadata"]["labels"]["my"] == "label"
    assert found["metadata"]["labels"]["agents"] == "label"
    keys = {one["key"] for one in found["spec"]["taints"]}
    assert keys == {"mine", "node.kubernetes.io/unschedulable", "node.kubernetes.io/memory-pressure"}
    lease = api.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node1")
    assert lease["spec"]["holderIdentity"] == "node1"


def test_repeated_events_are_counted(quiet: FakeAgent, api: Client) -> None:
    made = api.make(PODS, pod("p"))
    for _ in range(3):
        quiet.send(EventMessage(object=started_event(made)))
    events = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp"
    found = api.until(events, lambda one: one["items"] and one["items"][0]["count"] == 3)
    assert len(found["items"]) == 1


def test_figures_come_from_the_agent(quiet: FakeAgent, api: Client) -> None:
    made = api.make(PODS, pod("p", labels={"a": "b"}))
    reference = {"name": "p", "namespace": "default", "uid": uid_of(made)}
    cpu, memory = {"usageNanoCores": 250_000_000}, {"workingSetBytes": 64 << 20}
    container = {"name": "c", "cpu": cpu, "memory": memory}
    quiet.answers["summary"] = {
        "node": {"nodeName": "node1", "cpu": cpu, "memory": memory},
        "pods": [{"podRef": reference, "containers": [container]}],
    }
    metrics = "/apis/metrics.k8s.io/v1beta1"
    found = api.get(f"{metrics}/namespaces/default/pods?labelSelector=a%3Db")
    assert found["items"][0]["containers"] == [{"name": "c", "usage": {"cpu": "250000000n", "memory": "65536Ki"}}]
    assert api.get(f"{metrics}/nodes/node1")["usage"]["cpu"] == "250000000n"
    assert api.get(f"{metrics}/pods?labelSelector=a%3Dc")["items"] == []
    assert api("GET", f"{metrics}/namespaces/default/pods/none").code == 404
    assert api.get("/api/v1/nodes/node1/proxy/stats/summary")["node"]["nodeName"] == "node1"
    quiet.answers["summary"] = None
    assert api("GET", f"{metrics}/nodes").code == 503
    quiet.answers["summary"] = {"code": 503, "reason": "ServiceUnavailable", "message": "later"}
    assert api("GET", f"{metrics}/nodes").code == 503


def test_the_server_ends_with_its_agent(tmp_path: Path) -> None:
    agent = FakeAgent(tmp_path)
    Client(agent.socket).make(PODS, pod("p"))
    assert agent.close() == 0


def test_a_lost_store_is_filled_again_by_the_agent(quiet: FakeAgent, api: Client) -> None:
    made = api.make(PODS, pod("p"))
    quiet.wait_for(PodMessage)
    quiet.report(uid_of(made), running_status(made))
    quiet.process.kill()
    quiet.process.wait()
    database = quiet.directory / "state" / "objects.db"
    database.write_bytes(b"damage" * 1000)
    with contextlib.suppress(FileNotFoundError):
        database.with_name("objects.db-wal").unlink()
    quiet.restart()
    found = api.until(f"{PODS}/p", lambda one: one["status"]["phase"] == "Running")
    assert uid_of(found) == uid_of(made)
    events = api.until("/api/v1/events?fieldSelector=reason%3DStoreDamaged", lambda one: one["items"])
    assert "kept as objects.db.damaged-" in events["items"][0]["message"]


def test_what_users_write_survives_kill_9(quiet: FakeAgent, api: Client) -> None:
    for number in range(5):
        api.make(MAPS, config_map(f"c{number}"))
        quiet.restart()
        api.until(f"{MAPS}/c{number}", lambda _: True)
    assert len(api.get(MAPS)["items"]) == 5
