"""Discovery: what clients learn of groups, versions and resources."""

from __future__ import annotations

import pytest
from api.asking import Answer, get
from starlette.applications import Starlette

from nodeguard.api.accept import parse_accept
from nodeguard.api.discovery import discovery_routes
from nodeguard.api.resource import RESOURCES, find_kind, find_resource

V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2_BETA = V2.replace("v=v2", "v=v2beta1")
OF_KUBECTL = f"{V2},{V2_BETA},application/json"
APP = Starlette(routes=discovery_routes())


def ask(path: str, accept: str = "application/json", **headers: str) -> Answer:
    return get(APP, path, {"accept": accept, **{key.replace("_", "-"): value for key, value in headers.items()}})


def test_the_legacy_form() -> None:
    assert ask("/api").json["versions"] == ["v1"]
    groups = ask("/apis").json["groups"]
    assert {group["name"] for group in groups} >= {"events.k8s.io", "scheduling.k8s.io", "metrics.k8s.io"}
    assert ask("/apis/scheduling.k8s.io").json["preferredVersion"]["groupVersion"] == "scheduling.k8s.io/v1"
    core = {one["name"]: one for one in ask("/api/v1").json["resources"]}
    assert core["pods"] == {
        "name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "shortNames": ["po"],
        "categories": ["all"],
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    }  # fmt: skip
    assert core["pods/exec"]["kind"] == "PodExecOptions"
    assert "group" not in core["pods/log"]


def test_drain_finds_evictions() -> None:
    """It looks for the subresource's own group and version (kubectl, pkg/drain/drain.go, CheckEvictionSupport)."""
    eviction = next(one for one in ask("/api/v1").json["resources"] if one["name"] == "pods/eviction")
    assert (eviction["group"], eviction["version"], eviction["kind"]) == ("policy", "v1", "Eviction")


@pytest.mark.parametrize(("accept", "version"), [(V2, "v2"), (V2_BETA, "v2beta1"), (OF_KUBECTL, "v2")])
@pytest.mark.parametrize("path", ["/api", "/apis", "/apis/"])
def test_the_aggregated_form(path: str, accept: str, version: str) -> None:
    answer = ask(path, accept)
    assert answer.headers["content-type"] == V2.replace("v=v2", f"v={version}")
    assert answer.json["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    assert answer.headers["vary"] == "Accept"


def test_the_aggregated_form_has_all_resources() -> None:
    found = set()
    for path in ("/api", "/apis"):
        for group in ask(path, V2).json["items"]:
            for version in group["versions"]:
                for one in version["resources"]:
                    below = [sub["subresource"] for sub in one.get("subresources", ())]
                    found.add((group["metadata"].get("name", ""), version["version"], one["resource"], *below))
    assert found == {(one.group, one.version, one.plural, *(sub.name for sub in one.subresources)) for one in RESOURCES}


def test_forms_have_tags_of_their_own() -> None:
    plain, aggregated = ask("/apis"), ask("/apis", V2)
    assert plain.headers["etag"] != aggregated.headers["etag"]
    again = ask("/apis", V2, if_none_match=aggregated.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert ask("/apis", V2, if_none_match=plain.headers["etag"]).status == 200


@pytest.mark.parametrize("path", ["/api/v1/", "/apis/scheduling.k8s.io/v1/", "/apis/scheduling.k8s.io/"])
def test_slashes_at_the_end(path: str) -> None:
    assert ask(path).status == 200


@pytest.mark.parametrize("path", ["/api/v2", "/apis/apps", "/apis/apps/v1"])
def test_what_is_not_served(path: str) -> None:
    assert ask(path).status == 404


def test_names_are_found() -> None:
    pods = find_resource("", "v1", "pods")
    assert pods is not None
    assert pods is find_kind("v1", "Pod")
    assert (pods.group_version, pods.api_path, pods.list_kind) == ("v1", "/api/v1", "PodList")
    assert pods.subresource("log") is not None
    assert pods.subresource("scale") is None
    assert find_resource("apps", "v1", "deployments") is None


def test_no_two_resources_have_the_same_name() -> None:
    assert len({(one.group, one.version, one.plural) for one in RESOURCES}) == len(RESOURCES)
    assert len({(one.group_version, one.kind) for one in RESOURCES}) == len(RESOURCES)


@pytest.mark.parametrize(("header", "names"), [
    ("", ["*/*"]),
    ("text/html;q=0.5, application/json", ["application/json", "text/html"]),
    ("a/b;q=0, c/d", ["c/d"]),
    ("a/b;q=x", ["a/b"]),
    (",,", []),
])  # fmt: skip
def test_accept(header: str, names: list[str]) -> None:
    assert [one.name for one in parse_accept(header)] == names


def test_accept_parameters() -> None:
    [one] = parse_accept("application/json;as=Table;v=v1;g=meta.k8s.io")
    assert one.kind == ("meta.k8s.io", "v1", "Table")
    assert one.takes("application/json")
    assert not one.takes("text/plain")
