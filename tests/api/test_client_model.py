"""The official Python client, whose models are generated from upstream's OpenAPI: our table has the same fields, and
they take what we answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes import client

from nodeguard.api.check import examine
from nodeguard.api.events_group import as_events_group
from nodeguard.api.resource import find_kind
from nodeguard.model.apitable import API_OBJECTS
from nodeguard.model.meta import Event
from nodeguard.model.node import NodeFacts
from nodeguard.policy.event_object import event_object
from nodeguard.policy.node_object import node_object

MODELS = {
    "events.k8s.io.Event": "EventsV1Event",
    "Event": "CoreV1Event",
    "EventSeries": "CoreV1EventSeries",
    "ResourceClaim": "CoreV1ResourceClaim",
}
"""Where the names differ."""
WITHOUT_MODEL = {"List", "NodeMetrics", "PodMetrics", "ContainerMetrics"}
ALIKE = {"EventsV1EventSeries": "CoreV1EventSeries"}
PLAIN = {
    "string": "str", "bool": "bool", "int32": "int", "int64": "int", "quantity": "str", "time": "datetime",
    "intOrString": "object", "bytes": "bytes",
}  # fmt: skip


def model_name(name: str) -> str:
    return MODELS.get(name, f"V1{name}")


def model_type(type_: str) -> str:
    """What the client calls a type of the table."""
    if type_.startswith("[]"):
        return f"List[{model_type(type_[2:])}]"
    if type_.startswith("map[string]"):
        return f"Dict[str, {model_type(type_[11:])}]"
    return PLAIN.get(type_) or model_name(type_)


@pytest.mark.parametrize("name", sorted(API_OBJECTS.keys() - WITHOUT_MODEL))
def test_fields_are_those_of_upstream(name: str) -> None:
    model: Any = getattr(client, model_name(name))
    theirs = {key: model.openapi_types[attribute] for attribute, key in model.attribute_map.items()}
    ours = {key: field.type for key, field in API_OBJECTS[name].items()}
    assert ours.keys() == theirs.keys()
    for key, type_ in ours.items():
        if not type_.endswith("any"):
            assert model_type(type_) == ALIKE.get(theirs[key], theirs[key]), key


def read(obj: dict[str, Any], name: str) -> Any:
    """The model that the client makes of an answer."""
    return client.ApiClient().deserialize(json.dumps(obj), name, "application/json")


def stored(version: str, kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    resource = find_kind(version, kind)
    assert resource is not None
    found = examine(resource, {**obj, "apiVersion": version, "kind": kind})
    assert (found.malformed, found.causes) == ((), ())
    return found.object


META = {"name": "n", "namespace": "default"}
PROBE = {"httpGet": {"port": 80, "httpHeaders": [{"name": "x"}]}}
POD = {
    "metadata": META,
    "spec": {
        "securityContext": {"sysctls": [{"name": "net.core.somaxconn"}]},
        "containers": [{"name": "c", "command": ["a"], "livenessProbe": PROBE, "ports": [{"containerPort": 80}]}],
    },
}


@pytest.mark.parametrize(("version", "kind", "obj", "model"), [
    ("v1", "Pod", POD, "V1Pod"),
    ("v1", "ConfigMap", {"metadata": META, "data": {"a": "b"}, "binaryData": {"c": "MQ=="}}, "V1ConfigMap"),
    ("v1", "Secret", {"metadata": META, "data": {"a": "MQ=="}}, "V1Secret"),
    ("v1", "ServiceAccount", {"metadata": META}, "V1ServiceAccount"),
    ("v1", "Node", {"metadata": META, "spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}}, "V1Node"),
    ("scheduling.k8s.io/v1", "PriorityClass", {"metadata": META, "value": 1}, "V1PriorityClass"),
    ("coordination.k8s.io/v1", "Lease",
     {"metadata": META, "spec": {"renewTime": "2026-11-21T12:00:00.000000Z"}}, "V1Lease"),
])  # fmt: skip
def test_what_is_stored_is_taken(version: str, kind: str, obj: dict[str, Any], model: str) -> None:
    assert read(stored(version, kind, obj), model).metadata.name == "n"


def test_the_node_is_taken() -> None:
    found = read(node_object(NodeFacts(name="n", registered_at=0, capacity={}, allocatable={})), "V1Node")
    assert found.status.node_info.kube_proxy_version == ""


def test_events_are_taken() -> None:
    event = event_object(Event(at=1e9, type="Normal", reason="Started", message="m", pod="default/p", uid="u"))
    assert read(event, "CoreV1Event").involved_object.name == "p"
    assert read(as_events_group(event), "EventsV1Event").note == "m"
    old = {key: value for key, value in event.items() if key != "eventTime"}
    assert read(as_events_group(old), "EventsV1Event").event_time is not None
