"""Objects over REST: made, read, changed and deleted as a cluster would have it."""

from __future__ import annotations

import base64

import pytest
from api.httpclient import MAPS, PODS, Client, config_map, pod

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"


def test_a_new_object_gets_what_the_server_sets(client: Client) -> None:
    made = client.make(MAPS, config_map("set", {"a": "1"}))
    metadata = made["metadata"]
    assert metadata["namespace"] == "default"
    assert len(metadata["uid"]) == 36
    assert metadata["creationTimestamp"].endswith("Z")
    assert int(metadata["resourceVersion"]) > 0
    assert client.get(f"{MAPS}/set") == made


def test_a_name_is_made_up(client: Client) -> None:
    made = client.make(MAPS, {**config_map(""), "metadata": {"generateName": "web-"}})
    assert made["metadata"]["name"].startswith("web-")
    assert len(made["metadata"]["name"]) == 9


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "reason"),
    [
        ("GET", f"{PODS}/none", None, 404, "NotFound"),
        ("GET", "/api/v1/spam", None, 404, "NotFound"),
        ("GET", "/nothing", None, 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/nodes/node1", None, 404, "NotFound"),
        ("POST", "/api/v1/namespaces/nowhere/pods", pod("p"), 404, "NotFound"),
        ("POST", "/api/v1/pods", pod("p"), 405, "MethodNotAllowed"),
        ("PUT", f"{PODS}/none", pod("none"), 404, "NotFound"),
        ("DELETE", f"{PODS}/none", None, 404, "NotFound"),
        ("POST", PODS, {**pod("p"), "kind": "Spam"}, 400, "BadRequest"),
        ("POST", PODS, pod("p", namespace="other"), 400, "BadRequest"),
        ("POST", PODS, pod("p", resourceVersion="7"), 400, "BadRequest"),
        ("POST", PODS, pod("Not A Name"), 422, "Invalid"),
        ("POST", PODS, {**pod("p"), "spec": {"containers": []}}, 422, "Invalid"),
        ("POST", PODS, {**pod("p"), "spec": {"containers": [{"name": 7}]}}, 400, "BadRequest"),
        ("POST", PODS, [], 400, "BadRequest"),
        ("POST", PODS, b"{", 400, "BadRequest"),
        ("POST", PODS, pod("p", labels={"a": "no label!"}), 422, "Invalid"),
        ("POST", PODS, pod("p", annotations={"kubernetes.io/config.mirror": "x"}), 403, "Forbidden"),
        ("DELETE", "/api/v1/namespaces/kube-system", None, 403, "Forbidden"),
        ("DELETE", f"{CLASSES}/system-node-critical", None, 403, "Forbidden"),
        ("POST", CLASSES, {"metadata": {"name": "system-x"}, "value": 1}, 422, "Invalid"),
    ],
)
def test_refused(client: Client, method: str, path: str, body: object, code: int, reason: str) -> None:
    answer = client(method, path, body)
    assert (answer.code, answer.reason) == (code, reason), answer.text
    assert answer.json["kind"] == "Status"
    assert answer.json["code"] == code


def test_every_fault_is_named_at_once(client: Client) -> None:
    bad = {**pod("Bad_Name"), "spec": {"containers": [{"name": "c", "imagePullPolicy": "Spam"}], "restartPolicy": "X"}}
    causes = client("POST", PODS, bad).json["details"]["causes"]
    fields = {cause["field"] for cause in causes}
    assert {"metadata.name", "spec.containers[0].imagePullPolicy", "spec.restartPolicy"} <= fields


def test_the_second_of_a_name_is_refused(client: Client) -> None:
    client.make(MAPS, config_map("twice"))
    answer = client("POST", MAPS, config_map("twice"))
    assert (answer.code, answer.reason) == (409, "AlreadyExists")
    assert answer.json["message"] == 'configmaps "twice" already exists'


@pytest.mark.parametrize(("mode", "code"), [("Strict", 400), ("Warn", 201), ("Ignore", 201)])
def test_unknown_fields(client: Client, mode: str, code: int) -> None:
    obj = {**config_map(f"unknown-{mode.lower()}"), "spam": 1}
    answer = client("POST", f"{MAPS}?fieldValidation={mode}", obj)
    assert answer.code == code
    warning = answer.headers.get("warning", "")
    assert ('unknown field \\"spam\\"' in warning) is (mode == "Warn")
    if code == 400:
        assert 'strict decoding error: unknown field "spam"' in answer.json["message"]
    else:
        assert "spam" not in answer.json


def test_who_changes_an_older_state_is_told(client: Client) -> None:
    first = client.make(MAPS, config_map("conflict", {"a": "1"}))
    second = client("PUT", f"{MAPS}/conflict", {**first, "data": {"a": "2"}})
    assert second.code == 200
    late = client("PUT", f"{MAPS}/conflict", {**first, "data": {"a": "3"}})
    assert (late.code, late.reason) == (409, "Conflict")
    assert "the object has been modified" in late.json["message"]
    without_version = config_map("conflict", {"a": "4"})
    assert client("PUT", f"{MAPS}/conflict", without_version).code == 200
    other_uid = config_map("conflict", uid="00000000-0000-0000-0000-000000000000")
    assert client("PUT", f"{MAPS}/conflict", other_uid).code == 409


def test_a_change_that_changes_nothing_has_no_new_version(client: Client) -> None:
    made = client.make(MAPS, config_map("same", {"a": "1"}))
    again = client("PUT", f"{MAPS}/same", made).json
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert client.patch(f"{MAPS}/same", {"data": {"a": "1"}}).json["metadata"] == made["metadata"]


def test_a_dry_run_leaves_nothing(client: Client) -> None:
    answer = client("POST", f"{MAPS}?dryRun=All", config_map("dry", {"a": "1"}))
    assert answer.code == 201
    assert answer.json["metadata"]["uid"]
    assert client("GET", f"{MAPS}/dry").code == 404
    client.make(MAPS, config_map("dry", {"a": "1"}))
    assert client("PATCH", f"{MAPS}/dry?dryRun=All", {"data": {"a": "2"}}, "application/merge-patch+json").json[
        "data"
    ] == {"a": "2"}
    assert client("DELETE", f"{MAPS}/dry?dryRun=All").code == 200
    assert client.get(f"{MAPS}/dry")["data"] == {"a": "1"}
    assert client("POST", f"{MAPS}?dryRun=Some", config_map("x")).code == 422


def test_a_list_shows_what_is_selected(client: Client) -> None:
    for name, label in (("sel-a", "one"), ("sel-b", "two"), ("sel-c", "two")):
        client.make(MAPS, config_map(name, labels={"sel": label}))

    def names(query: str) -> list[str]:
        found = client.get(f"{MAPS}?{query}")
        assert found["kind"] == "ConfigMapList"
        return [one["metadata"]["name"] for one in found["items"]]

    assert names("labelSelector=sel%3Dtwo") == ["sel-b", "sel-c"]
    assert names("labelSelector=sel%20in%20(one,three)") == ["sel-a"]
    assert names("labelSelector=sel,sel!%3Dtwo") == ["sel-a"]
    assert names("fieldSelector=metadata.name%3Dsel-b") == ["sel-b"]
    assert client("GET", f"{MAPS}?fieldSelector=data.a%3D1").code == 400
    everywhere = client.get("/api/v1/configmaps?labelSelector=sel")
    assert len(everywhere["items"]) == 3


def test_a_list_comes_in_parts(client: Client) -> None:
    for number in range(7):
        client.make(MAPS, config_map(f"part-{number}", labels={"part": "x"}))
    found, token, versions = [], "", set()
    while True:
        page = client.get(f"{MAPS}?limit=3&labelSelector=part&continue={token}")
        found += [one["metadata"]["name"] for one in page["items"]]
        versions.add(page["metadata"]["resourceVersion"])
        token = page["metadata"].get("continue", "")
        if not token:
            break
        client.make(MAPS, config_map(f"part-late-{len(found)}"))
    assert found == [f"part-{number}" for number in range(7)]
    assert len(versions) == 1, "who watches from there hears of what came in between"
    assert client("GET", f"{MAPS}?continue=spam").code == 400


def test_versions_of_a_list(client: Client) -> None:
    now = int(client.get(MAPS)["metadata"]["resourceVersion"])
    ahead = client("GET", f"{MAPS}?resourceVersion={now + 10_000_000}")
    assert ahead.code == 504
    assert ahead.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert client("GET", f"{MAPS}?resourceVersion=0").code == 200
    assert client("GET", f"{MAPS}?resourceVersion=spam").code == 422
    client.make(MAPS, config_map("version"))
    exact = client("GET", f"{MAPS}?resourceVersion={now}&resourceVersionMatch=Exact")
    assert (exact.code, exact.reason) == (410, "Expired")


def test_forms(client: Client) -> None:
    client.make(MAPS, config_map("form", {"a": "1"}))
    rows = client.get(MAPS, accept=TABLE)
    assert rows["kind"] == "Table"
    assert rows["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    one = client.get(f"{MAPS}/form", accept=TABLE)
    assert one["rows"][0]["cells"][:2] == ["form", 1]
    only = client.get(f"{MAPS}/form", accept="application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
    assert "data" not in only
    assert client("GET", MAPS, headers={"accept": "text/html"}).code == 406


def test_pods_cannot_become_others(client: Client) -> None:
    made = client.make(PODS, pod("fixed"))
    spec = made["spec"]
    made["spec"] = {**spec, "hostNetwork": True}
    del made["metadata"]["resourceVersion"]
    answer = client("PUT", f"{PODS}/fixed", made)
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert "pod updates may not change fields other than" in answer.json["message"]
    assert client.patch(f"{PODS}/fixed", {"spec": {"activeDeadlineSeconds": 5}}).code == 200
    assert client.patch(f"{PODS}/fixed", {"spec": {"activeDeadlineSeconds": 6}}).code == 422
    changed = client.get(f"{PODS}/fixed")
    assert changed["metadata"]["generation"] == 2


def test_a_pod_gets_what_admission_fills_in(client: Client) -> None:
    client.make(CLASSES, {"metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"})
    made = client.make(PODS, {**pod("filled"), "spec": {**pod("x")["spec"], "priorityClassName": "high"}})
    assert made["spec"]["priority"] == 1000
    assert made["spec"]["preemptionPolicy"] == "Never"
    assert made["spec"]["nodeName"] == "node1"
    assert made["status"]["phase"] == "Pending"
    assert made["status"]["qosClass"] == "BestEffort"
    unknown = {**pod("p"), "spec": {**pod("x")["spec"], "priorityClassName": "none"}}
    assert client("POST", PODS, unknown).code == 403


def test_only_one_priority_class_is_the_default(client: Client) -> None:
    client.make(CLASSES, {"metadata": {"name": "usual"}, "value": 5, "globalDefault": True})
    client.make(CLASSES, {"metadata": {"name": "other"}, "value": 6})
    for answer in (
        client("POST", CLASSES, {"metadata": {"name": "second"}, "value": 5, "globalDefault": True}),
        client.patch(f"{CLASSES}/other", {"globalDefault": True}),
    ):
        assert (answer.code, answer.reason) == (403, "Forbidden")
        assert "PriorityClass usual is already marked as default" in answer.json["message"]
    assert client.make(PODS, pod("usual"))["spec"]["priority"] == 5
    assert client("DELETE", f"{CLASSES}/usual").code == 200


def test_status_is_only_changed_where_it_belongs(client: Client) -> None:
    client.make(PODS, pod("status"))
    client.until(f"{PODS}/status", lambda found: found["status"]["phase"] == "Running")
    ignored = client.patch(f"{PODS}/status", {"status": {"phase": "Failed"}}).json
    assert ignored["status"]["phase"] == "Running"
    changed = client.patch(
        f"{PODS}/status/status", {"status": {"nominatedNodeName": "x"}, "spec": {"hostPID": True}}
    ).json
    assert changed["status"]["nominatedNodeName"] == "x"
    assert "hostPID" not in changed["spec"]


def test_secrets(client: Client) -> None:
    path = "/api/v1/namespaces/default/secrets"
    made = client.make(path, {"metadata": {"name": "s"}, "stringData": {"a": "geheim"}})
    assert made["data"] == {"a": base64.b64encode(b"geheim").decode()}
    assert made["type"] == "Opaque"
    assert "stringData" not in made
    assert client("POST", path, {"metadata": {"name": "t"}, "data": {"a": "no base64!"}}).code == 422
    assert client.patch(f"{path}/s", {"type": "other"}).code == 422
    assert client.patch(f"{path}/s", {"immutable": True}).code == 200
    assert client.patch(f"{path}/s", {"data": {"a": ""}}).code == 422


def test_patches(client: Client) -> None:
    path = f"{MAPS}/patched"
    client.make(MAPS, config_map("patched", {"a": "1"}))
    assert client.patch(path, {"data": {"b": "2"}}, "strategic-merge-patch+json").json["data"] == {"a": "1", "b": "2"}
    assert client.patch(path, [{"op": "remove", "path": "/data/a"}], "json-patch+json").json["data"] == {"b": "2"}
    failed = client.patch(path, [{"op": "test", "path": "/data/b", "value": "9"}], "json-patch+json")
    assert (failed.code, failed.reason) == (422, "Invalid")
    assert client.patch(path, {}, "spam").code == 415
    assert client.patch(path, [1], "merge-patch+json").code == 400
    assert client.patch(path, {"metadata": {"name": "other"}}).code == 400
    stale = client.patch(path, {"metadata": {"resourceVersion": "1"}, "data": {"c": "3"}})
    assert stale.code == 409


def test_apply(client: Client) -> None:
    path = f"{MAPS}/applied?fieldManager=one"
    obj = config_map("applied", {"a": "1"})
    assert client.patch(path, obj, "apply-patch+yaml").code == 201
    yaml = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata:\n  b: '2'\n"
    changed = client("PATCH", path, yaml, "application/apply-patch+yaml")
    assert changed.json["data"] == {"b": "2"}
    other = config_map("applied", {"b": "3"})
    conflict = client.patch(f"{MAPS}/applied?fieldManager=two", other, "apply-patch+yaml")
    assert (conflict.code, conflict.reason) == (409, "Conflict")
    assert conflict.json["details"]["causes"][0]["reason"] == "FieldManagerConflict"
    forced = client.patch(f"{MAPS}/applied?fieldManager=two&force=true", other, "apply-patch+yaml")
    assert forced.json["data"] == {"b": "3"}
    assert client.patch(f"{MAPS}/applied", other, "apply-patch+yaml").code == 422


def test_what_clients_ask_first(client: Client) -> None:
    assert client("GET", "/readyz").text == b"ok"
    assert client.get("/version")["major"] == "1"
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    answered = client.make("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert answered["status"]["allowed"] is True
    myself = client.make("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert myself["status"]["userInfo"]["username"]


def test_both_groups_show_the_same_events(client: Client) -> None:
    events = "/apis/events.k8s.io/v1/namespaces/default/events"
    obj = {
        "metadata": {"name": "e1"},
        "regarding": {"kind": "Pod", "name": "x", "namespace": "default"},
        "note": "text",
        "reason": "Tested",
        "type": "Normal",
        "action": "Test",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "tests.example.com/test",
        "reportingInstance": "test-1",
    }
    client.make(events, obj)
    core = client.get("/api/v1/namespaces/default/events/e1")
    assert core["message"] == "text"
    assert core["involvedObject"]["name"] == "x"
    found = client.get(f"{events}?fieldSelector=regarding.name%3Dx")["items"]
    assert [one["note"] for one in found] == ["text"]
