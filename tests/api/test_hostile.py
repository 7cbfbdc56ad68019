"""Requests that no client of good will sends: each is answered with a Status, and the server goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api.fakeagent import FakeAgent
from api.httpclient import MAPS, PODS, Client, config_map, pod
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def answered(client: Client, method: str, path: str, body: Any, kind: str = "application/json") -> None:
    """Whatever it is, it is understood or refused, and never a fault of ours."""
    answer = client(method, path, body, kind)
    assert answer.code != 500, answer.text
    if answer.code >= 400:
        status = answer.json
        assert (status["kind"], status["code"]) == ("Status", answer.code)
        assert "Traceback" not in status["message"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xfe\x00", id="no UTF-8"),
        pytest.param(b'{"a":', id="half an object"),
        pytest.param(b"[" * 100_000, id="deep lists"),
        pytest.param(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, id="deep objects"),
        pytest.param(b'{"a":' * 300 + b"1" + b"}" * 300, id="rather deep objects"),
        pytest.param(b'{"metadata":{"name":"\\ud800"}}', id="half a character"),
        pytest.param(b'{"metadata":{"name":NaN}}', id="NaN"),
        pytest.param(b'{"metadata":{"name":1e999}}', id="infinite"),
        pytest.param(b'{"metadata":{"name":' + b"9" * 100_000 + b"}}", id="a long number"),
        pytest.param(b'{"metadata":"x"}', id="metadata that is text"),
        pytest.param(b'{"metadata":{"name":{"a":1}}}', id="a name that is an object"),
        pytest.param(b'{"metadata":{"name":"x","ownerReferences":[1]}}', id="owners that are numbers"),
        pytest.param(b'{"metadata":{"name":"x","labels":[]}}', id="labels that are a list"),
        pytest.param(b'{"metadata":{"name":"x","managedFields":[{"fieldsV1":7}]}}', id="managed fields of nonsense"),
        pytest.param(b"null", id="null"),
    ],
)
@pytest.mark.parametrize("path", [PODS, MAPS, "/api/v1/namespaces", f"{PODS}/x/eviction"])
def test_bodies(client: Client, path: str, body: bytes) -> None:
    answered(client, "POST", path, body)
    answered(client, "PUT", f"{path}/x", body)
    answered(client, "DELETE", f"{MAPS}/x", body)


def test_a_body_that_is_too_large_is_not_read_to_its_end(client: Client) -> None:
    try:
        answer = client("POST", MAPS, b'{"data":{"a":"' + b"x" * (4 << 20) + b'"}}')
    except (BrokenPipeError, ConnectionResetError):
        return
    assert answer.code == 413


def test_an_object_that_is_too_large_is_refused(client: Client) -> None:
    answer = client("POST", MAPS, config_map("large", {"a": "x" * (2 << 20)}))
    assert answer.code in (413, 422)


@pytest.mark.parametrize(
    "path",
    [
        *("/api/v1/../../etc/passwd", "/api/v1/namespaces/..%2f..%2fetc/pods", "/api/v1//pods", "/apis/", "/api/v1/"),
        *("/api/v1/namespaces/default/pods/%00", "/api/v1/namespaces/default/pods/a/b/c/d/e/f", "/apis/x/y/z"),
        *(
            f"{MAPS}?limit=-1",
            f"{MAPS}?limit=99999999999999999999",
            f"{MAPS}?continue=////",
            f"{MAPS}?continue=WzEsMl0",
        ),
        *(f"{MAPS}?labelSelector=%ff", f"{MAPS}?labelSelector={'a,' * 9000}", f"{MAPS}?fieldSelector=%5C"),
        *(f"{MAPS}?watch=1&resourceVersion=x", f"{MAPS}?timeoutSeconds=x", f"{MAPS}?watch=1&timeoutSeconds=-5"),
        f"{MAPS}?continue=W251bGwsMSwyXQ",
    ],
)
def test_paths(client: Client, path: str) -> None:
    answered(client, "GET", path, None)
    answered(client, "DELETE", path.split("?")[0] + "/none", None)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.sampled_from(
    [
        *("metadata", "spec", "status", "data", "kind", "apiVersion", "name", "namespace", "labels", "finalizers"),
        *("ownerReferences", "managedFields", "containers", "volumes", "env", "resources", "limits", "tolerations"),
        *(
            "$patch",
            "$retainKeys",
            "$setElementOrder/containers",
            "$deleteFromPrimitiveList/finalizers",
            "deletionTimestamp",
        ),
    ]
)
OBJECTS = st.recursive(
    JSON, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4), max_leaves=15
)
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(
    OBJECTS,
    st.sampled_from(
        [PODS, MAPS, "/api/v1/nodes", "/api/v1/namespaces/default/secrets", "/api/v1/namespaces/default/events"]
    ),
)
@FUZZ
def test_any_object_is_understood_or_refused(client: Client, obj: Any, path: str) -> None:
    answered(client, "POST", f"{path}?dryRun=All", json.dumps(obj).encode())


@given(
    OBJECTS, st.sampled_from(["json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml"])
)
@FUZZ
def test_any_patch_is_understood_or_refused(client: Client, patch: Any, kind: str) -> None:
    client("POST", PODS, pod("target"))
    query = "dryRun=All&fieldManager=x&force=true"
    answered(client, "PATCH", f"{PODS}/target?{query}", json.dumps(patch).encode(), f"application/{kind}")
    answered(client, "PATCH", f"{PODS}/target/status?{query}", json.dumps(patch).encode(), f"application/{kind}")


@given(
    st.binary(max_size=200),
    st.sampled_from(["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]),
)
@FUZZ
def test_any_bytes_are_understood_or_refused(client: Client, body: bytes, kind: str) -> None:
    answered(client, "POST", f"{MAPS}?dryRun=All", body, kind)
    answered(client, "DELETE", f"{MAPS}/none", body, kind)
    answered(client, "PATCH", f"{MAPS}/none?fieldManager=x&dryRun=All", body, "application/apply-patch+yaml")


def test_after_all_this_the_server_is_the_same(agent: FakeAgent, client: Client) -> None:
    pid = agent.process.pid
    assert client("GET", "/readyz").code == 200
    assert agent.process.poll() is None
    assert agent.process.pid == pid
