"""OpenAPI: what kubectl explains, validates and merges with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from api.asking import Answer, get
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from nodeguard.api.check import examine
from nodeguard.api.mergekey import merge_key
from nodeguard.api.openapi import openapi_routes
from nodeguard.api.resource import RESOURCES, Resource, find_kind, group_versions
from nodeguard.api.status import ApiError
from nodeguard.model.apitable import API_OBJECTS
from nodeguard.model.field import element_type
from nodeguard.model.mergetable import ATOMIC_OBJECTS, MERGES, Merge

PLAIN = {"string", "bool", "int32", "int64", "quantity", "intOrString", "time", "bytes", "any"}


async def refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return Response(status_code=error.code)


APP = Starlette(routes=openapi_routes(), exception_handlers={ApiError: refused})


def ask(path: str, accept: str = "application/json") -> Answer:
    return get(APP, path, {"accept": accept})


def core() -> Any:
    return ask("/openapi/v3/api/v1").json


def schema(name: str) -> Any:
    return core()["components"]["schemas"][f"io.k8s.api.core.v1.{name}"]


def test_the_index_leads_to_documents_that_never_change() -> None:
    paths = ask("/openapi/v3").json["paths"]
    assert {name.split("/", 1)[1] for name in paths} == set(group_versions())
    for entry in paths.values():
        answer = ask(entry["serverRelativeURL"])
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.json["openapi"].startswith("3.0")


def test_a_hash_of_another_version_leads_to_this_one() -> None:
    answer = ask("/openapi/v3/api/v1?hash=ABC")
    assert answer.status == 301
    assert answer.headers["location"] == ask("/openapi/v3").json["paths"]["api/v1"]["serverRelativeURL"]


PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


@pytest.mark.parametrize("path", ["/openapi/v3", "/openapi/v3/api/v1"])
def test_protocol_buffers_are_not_spoken(path: str) -> None:
    assert ask(path, PROTOBUF).status == 406


def test_of_v2_the_head_is_there_in_protocol_buffers() -> None:
    answer = ask("/openapi/v2", PROTOBUF)
    assert answer.headers["content-type"] == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    assert answer.body.startswith(b"\x0a\x032.0\x12")
    assert ask("/openapi/v2", f"{PROTOBUF}, application/json").json["swagger"] == "2.0"


@pytest.mark.parametrize(
    "path", ["/openapi/v2", *(f"/openapi/v3/{'apis' if '/' in one else 'api'}/{one}" for one in group_versions())]
)
def test_every_reference_leads_somewhere(path: str) -> None:
    document = ask(path).json

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else ())
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    for reference in references(document):
        found = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


@pytest.mark.parametrize(
    "one", [one for one in RESOURCES if "patch" in one.verbs], ids=lambda one: one.group_version + one.kind
)
def test_kubectl_finds_field_validation(one: Resource) -> None:
    """Source: cli-runtime, pkg/resource/query_param_verifier_v3.go: the PATCH of the kind has the parameter."""
    document = ask(f"/openapi/v3{'/apis' if one.group else '/api'}/{one.group_version}").json
    wanted = {"group": one.group, "version": one.version, "kind": one.kind}
    patches = [
        path["patch"] for path in document["paths"].values()
        if path.get("patch", {}).get("x-kubernetes-group-version-kind") == wanted
    ]  # fmt: skip
    assert patches
    for patch in patches:
        assert {"fieldValidation", "dryRun"} <= {parameter["name"] for parameter in patch["parameters"]}


@pytest.mark.parametrize(
    "one", [one for one in RESOURCES if "get" in one.verbs], ids=lambda one: one.group_version + one.kind
)
def test_kubectl_finds_the_kind_of_a_resource(one: Resource) -> None:
    """Source: kubectl, pkg/explain/v2/templates/plaintext.tmpl: from the GET of a path to a component."""
    document = ask(f"/openapi/v3{'/apis' if one.group else '/api'}/{one.group_version}").json
    around = "namespaces/{namespace}/" if one.namespaced else ""
    kind = document["paths"][f"{one.api_path}/{around}{one.plural}/{{name}}"]["get"]["x-kubernetes-group-version-kind"]
    components = document["components"]["schemas"].values()
    assert [item for item in components if kind in item.get("x-kubernetes-group-version-kind", ())]


def test_fields_say_what_nodeguard_does_with_them() -> None:
    spec = schema("PodSpec")["properties"]
    assert spec["nodeSelector"]["description"].startswith("Labels the node must have. On this host: accepted, ")
    assert "Refused on this host: " in schema("Container")["properties"]["volumeDevices"]["description"]
    assert spec["restartPolicy"] | {"description": ""} == {
        "type": "string", "enum": ["Always", "OnFailure", "Never"], "default": "Always", "description": "",
    }  # fmt: skip


def test_fields_say_how_they_are_merged() -> None:
    found = schema("PodSpec")["properties"]["volumes"]
    assert {key: value for key, value in found.items() if key.startswith("x-")} == {
        "x-kubernetes-patch-strategy": "merge,retainKeys",
        "x-kubernetes-patch-merge-key": "name",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
    ports = schema("Container")["properties"]["ports"]
    assert ports["x-kubernetes-patch-merge-key"] == "containerPort"
    assert ports["x-kubernetes-list-map-keys"] == ["containerPort", "protocol"]
    assert schema("Container")["properties"]["command"]["x-kubernetes-list-type"] == "atomic"
    assert schema("LocalObjectReference")["x-kubernetes-map-type"] == "atomic"


POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "labels": {"a": "b"}},
    "spec": {
        "containers": [{"name": "c", "image": "host", "command": ["a"], "resources": {"limits": {"cpu": "1"}}}],
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}],
    },
}


def fitting(obj: dict[str, Any], kind: str) -> bool:
    document = core()
    root = {"$ref": f"#/components/schemas/io.k8s.api.core.v1.{kind}", "components": document["components"]}
    return jsonschema.Draft7Validator(root).is_valid(obj)


def test_what_is_stored_fits_the_schema() -> None:
    resource = find_kind("v1", "Pod")
    assert resource is not None
    assert fitting(examine(resource, POD).object, "Pod")


@pytest.mark.parametrize("wrong", [
    {"spec": {"containers": [{"image": "x"}]}},
    {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 70000}]}]}},
    {"spec": {"containers": [{"name": "c"}], "restartPolicy": "Sometimes"}},
    {"spec": {"containers": [{"name": "c"}], "hostPID": "yes"}},
])  # fmt: skip
def test_what_is_refused_does_not_fit_the_schema(wrong: dict[str, Any]) -> None:
    assert not fitting({**POD, **wrong}, "Pod")


def test_v2_speaks_the_words_of_v2() -> None:
    document = ask("/openapi/v2").json
    assert document["swagger"] == "2.0"
    container = document["definitions"]["io.k8s.api.core.v1.Container"]["properties"]
    assert container["resources"]["$ref"] == "#/definitions/io.k8s.api.core.v1.ResourceRequirements"
    assert "allOf" not in str(document)
    patch = document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert {"name", "in", "type"} <= patch["parameters"][0].keys()


@pytest.mark.parametrize(("path", "rule"), [
    ((), Merge()),
    (("spec", "containers"), Merge("merge", "name", "map", ("name",))),
    (("spec", "containers", "env"), Merge("merge", "name", "map", ("name",))),
    (("spec", "initContainers", "volumeMounts"), Merge("merge", "mountPath", "map", ("mountPath",))),
    (("spec", "containers", "command"), Merge(type="atomic")),
    (("spec", "tolerations"), Merge(type="atomic")),
    (("metadata", "finalizers"), Merge("merge", "", "set")),
    (("metadata", "labels"), Merge()),
    (("spec", "nodeSelector"), Merge(type="atomic")),
    (("spec", "unknown", "field"), Merge()),
    (("status", "conditions"), Merge("merge", "type", "map", ("type",))),
])  # fmt: skip
def test_merge_keys(path: tuple[str, ...], rule: Merge) -> None:
    resource = find_kind("v1", "Pod")
    assert resource is not None
    assert merge_key(resource, path) == rule


def test_merge_rules_are_about_fields_that_exist() -> None:
    for name, rules in MERGES.items():
        for key, rule in rules.items():
            inner = API_OBJECTS.get(element_type(API_OBJECTS[name][key].type), {})
            assert set(rule.keys) <= inner.keys()
    assert API_OBJECTS.keys() >= ATOMIC_OBJECTS


@pytest.mark.parametrize("name", sorted(API_OBJECTS))
def test_the_table_is_whole(name: str) -> None:
    for key, field in API_OBJECTS[name].items():
        inner = field.type
        while (outer := inner) != (inner := element_type(outer)):
            pass
        assert inner in PLAIN | API_OBJECTS.keys(), key
        assert field.doc.endswith("."), key
