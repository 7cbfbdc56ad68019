"""What is examined of objects that clients send: decoding, defaults, validation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.api.check import examine
from nodeguard.api.resource import RESOURCES, Resource, find_kind
from nodeguard.api.table.table import table
from nodeguard.model.apitable import API_OBJECTS


def resource(kind: str, version: str = "v1") -> Resource:
    found = find_kind(version, kind)
    assert found is not None
    return found


POD, SECRET, CONFIG_MAP, NODE = (resource(kind) for kind in ("Pod", "Secret", "ConfigMap", "Node"))
CLASS = resource("PriorityClass", "scheduling.k8s.io/v1")


def pod(*, meta: dict[str, Any] | None = None, container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", **(meta or {})},
        "spec": {"containers": [{"name": "c", "command": ["true"], **(container or {})}], **spec},
    }


def named(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "n", "namespace": "default"}, **fields}


def test_a_sound_pod_gets_its_defaults() -> None:
    given_pod = pod(
        container={"resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}, "ports": [{"containerPort": 80}]}
    )
    before = json.dumps(given_pod)
    found = examine(POD, given_pod)
    assert (found.malformed, found.unknown, found.causes) == ((), (), ())
    container = found.object["spec"]["containers"][0]
    assert container["resources"] == {
        "limits": {"cpu": "500m", "memory": "1Gi"},
        "requests": {"cpu": "500m", "memory": "1Gi"},
    }
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert found.object["spec"]["restartPolicy"] == "Always"
    assert json.dumps(given_pod) == before
    json.dumps(found.object)


def test_defaults_are_stable() -> None:
    once = examine(POD, pod(volumes=[{"name": "v"}], initContainers=[{"name": "i", "command": ["a"]}])).object
    assert examine(POD, once).object == once


def test_nulls_are_gone() -> None:
    found = examine(POD, pod(meta={"creationTimestamp": None}, nodeSelector=None))
    assert found.causes == ()
    assert "creationTimestamp" not in found.object["metadata"]
    assert "nodeSelector" not in found.object["spec"]


def test_unknown_fields_are_told_and_dropped() -> None:
    found = examine(POD, pod(container={"bar": 2}, foo=1))
    assert found.unknown == ('unknown field "spec.containers[0].bar"', 'unknown field "spec.foo"')
    assert found.causes == ()
    assert "foo" not in found.object["spec"]


@pytest.mark.parametrize("obj", [
    pytest.param(pod(terminationGracePeriodSeconds="x"), id="a text for a number"),
    pytest.param({**pod(), "spec": "x"}, id="a text for an object"),
    pytest.param(pod(container={"resources": {"limits": {"cpu": "much"}}}), id="no quantity"),
    pytest.param(pod(volumes={}), id="an object for a list"),
    pytest.param({**pod(), "status": {"containerStatuses": [{"name": "c", "restartCount": "1"}]}}, id="in the status"),
])  # fmt: skip
def test_what_cannot_be_decoded(obj: dict[str, Any]) -> None:
    assert examine(POD, obj).malformed


@pytest.mark.parametrize(("obj", "reason", "field", "words"), [
    pytest.param(pod(restartPolicy="Sometimes"), "FieldValueNotSupported", "spec.restartPolicy", "Unsupported value: ",
                 id="not one of the words"),
    pytest.param(pod(container={"ports": [{"containerPort": 70000}]}), "FieldValueInvalid",
                 "spec.containers[0].ports[0].containerPort", "Invalid value: found 70000", id="out of bounds"),
    pytest.param(pod(container={"name": ""}), "FieldValueRequired", "spec.containers[0].name", "Required value: ",
                 id="empty where something is required"),
    pytest.param(pod(hostPID=True, shareProcessNamespace=True), "FieldValueForbidden", "spec.shareProcessNamespace",
                 "Forbidden: ", id="not beside another field"),
    pytest.param(pod(initContainers=[{"name": "c", "args": ["a"]}]), "FieldValueDuplicate", "spec.containers[0].name",
                 "Duplicate value: duplicate container name 'c', first at spec.initContainers[0].name", id="twice"),
    pytest.param(pod(dnsConfig={"nameservers": ["1.1.1.1"] * 4}), "FieldValueTooMany", "spec.dnsConfig.nameservers",
                 "Too many: ", id="too many"),
    pytest.param(pod(container={"volumeDevices": [{"name": "d", "devicePath": "/d"}]}), "FieldValueForbidden",
                 "spec.containers[0].volumeDevices", "Forbidden: valid Kubernetes, but not possible here",
                 id="not possible on this host"),
    pytest.param(pod(meta={"labels": {"a b": "c"}}), "FieldValueInvalid", "metadata.labels[a b]", "Invalid value: ",
                 id="a label"),
])  # fmt: skip
def test_what_makes_a_pod_invalid(obj: dict[str, Any], reason: str, field: str, words: str) -> None:
    causes = examine(POD, obj).causes
    assert [(cause.reason, cause.field) for cause in causes] == [(reason, field)]
    assert causes[0].message.startswith(words)


def test_fields_without_effect_are_warned_of_once() -> None:
    wanted = pod(nodeSelector={"a": "b"})
    found = examine(POD, wanted)
    assert [text.partition(":")[0] for text in found.warnings] == ["spec.nodeSelector"]
    assert examine(POD, wanted, old=found.object).warnings == ()


@pytest.mark.parametrize(("kind", "obj", "field"), [
    pytest.param(CONFIG_MAP, named("ConfigMap", data={"a b": "1"}), "data[a b]", id="a key that is no file name"),
    pytest.param(CONFIG_MAP, named("ConfigMap", data={"..a": "1"}), "data[..a]", id="a key that leads out"),
    pytest.param(CONFIG_MAP, named("ConfigMap", data={"a": "1"}, binaryData={"a": "MQ=="}), "data.a", id="a key twice"),
    pytest.param(CONFIG_MAP, named("ConfigMap", binaryData={"a": "no"}), "binaryData.a", id="no base64"),
    pytest.param(CONFIG_MAP, named("ConfigMap", data={"a": "x" * 1024 * 1024, "b": "x"}), "<nil>", id="too large"),
    pytest.param(SECRET, named("Secret", type="kubernetes.io/ssh-auth"), "data.ssh-privatekey", id="it needs a key"),
    pytest.param(SECRET, named("Secret", type="kubernetes.io/basic-auth"), "data", id="it needs one of two"),
    pytest.param(resource("Namespace"), named("Namespace") | {"metadata": {"name": "a.b"}}, "metadata.name",
                 id="a namespace with a dot"),
    pytest.param(NODE, named("Node", spec={"taints": [{"key": "a", "effect": "NoSchedule"}] * 2}), "spec.taints[1]",
                 id="a taint twice"),
    pytest.param(NODE, named("Node", spec={"taints": [{"key": "a", "effect": "Never"}]}), "spec.taints[0].effect",
                 id="an unknown effect"),
    pytest.param(resource("Event"), named("Event", involvedObject={"kind": "Pod", "name": "p", "namespace": "x"}),
                 "involvedObject.namespace", id="an event in another namespace"),
    pytest.param(CLASS, named("PriorityClass", value=2_000_000_000), "value", id="a priority of the system"),
    pytest.param(CLASS, named("PriorityClass"), "value", id="no priority"),
    pytest.param(resource("Lease", "coordination.k8s.io/v1"), named("Lease", spec={"leaseDurationSeconds": 0}),
                 "spec.leaseDurationSeconds", id="a lease of no time"),
    pytest.param(resource("ServiceAccount"), named("ServiceAccount") | {"metadata": {"name": "a", "labels": {"": "b"}}},
                 "metadata.labels[]", id="metadata of any kind"),
])  # fmt: skip
def test_what_makes_others_invalid(kind: Resource, obj: dict[str, Any], field: str) -> None:
    assert [cause.field for cause in examine(kind, obj).causes] == [field]


@pytest.mark.parametrize("fields", [
    {"data": {"password": "hunter2!"}}, {"data": {"password": 12345678}}, {"stringData": {"password": 12345678}},
    {"data": {"password": ["hunter2!"]}},
])  # fmt: skip
def test_no_message_holds_what_a_secret_does(fields: dict[str, Any]) -> None:
    found = examine(SECRET, named("Secret", **fields))
    said = [*found.malformed, *(cause.message for cause in found.causes)]
    assert said
    assert not any("hunter2" in text or "12345678" in text for text in said)


def test_defaults_of_other_kinds() -> None:
    assert examine(SECRET, named("Secret")).object["type"] == "Opaque"
    assert examine(CLASS, named("PriorityClass", value=1)).object["preemptionPolicy"] == "PreemptLowerPriority"


def test_values_that_typed_clients_insist_on() -> None:
    probe = {"httpGet": {"port": 80, "httpHeaders": [{"name": "x"}]}}
    found = examine(
        POD, pod(securityContext={"sysctls": [{"name": "net.core.somaxconn"}]}, container={"livenessProbe": probe})
    )
    spec = found.object["spec"]
    assert spec["securityContext"]["sysctls"][0]["value"] == ""
    assert spec["containers"][0]["livenessProbe"]["httpGet"]["httpHeaders"][0]["value"] == ""


NAMES = sorted({name for fields in API_OBJECTS.values() for name in fields})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=4),
    max_leaves=25,
)


@given(st.sampled_from(RESOURCES), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6))
def test_nothing_makes_it_fail(one: Resource, obj: dict[str, Any]) -> None:
    found = examine(one, obj)
    json.dumps(found.object)
    assert all(cause.message for cause in found.causes)


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(["", "a", "Ready", "True", "Completed", "Pending", "Succeeded"]),
    "bool": st.booleans(),
    "int32": st.integers(0, 3),
    "int64": st.integers(0, 3),
    "quantity": st.sampled_from(["0", "1", "64Mi"]),
    "time": st.sampled_from(["2026-11-21T12:00:00Z", "2026-11-21T12:00:00.000001Z"]),
    "bytes": st.just("MQ=="),
    "intOrString": st.just(80),
    "any": st.just({}),
}


def well_typed(type_: str) -> st.SearchStrategy[Any]:
    """Any value of a type of the table, with any of its fields missing, or null."""
    if type_.startswith("[]"):
        return st.lists(well_typed(type_[2:]), max_size=2)
    if type_.startswith("map[string]"):
        return st.dictionaries(st.sampled_from(["a", "cpu"]), well_typed(type_[11:]), max_size=2)
    if type_ in SCALARS:
        return SCALARS[type_]
    fields = API_OBJECTS[type_].items()
    return st.fixed_dictionaries({}, optional={key: st.none() | well_typed(field.type) for key, field in fields})


@pytest.mark.parametrize(("kind", "key", "type_"), [
    ("Pod", "status", "PodStatus"), ("Node", "status", "NodeStatus"), ("Node", "spec", "NodeSpec"),
    ("Namespace", "status", "NamespaceStatus"), ("Event", "source", "EventSource"), ("Event", "series", "EventSeries"),
    ("Event", "involvedObject", "ObjectReference"), ("ServiceAccount", "secrets", "[]ObjectReference"),
    ("ConfigMap", "data", "map[string]string"), ("Secret", "data", "map[string]bytes"),
])  # fmt: skip
@given(data=st.data())
def test_what_is_well_typed_is_decoded_and_can_be_shown(kind: str, key: str, type_: str, data: st.DataObject) -> None:
    one = resource(kind)
    found = examine(one, {**pod(), key: data.draw(well_typed(type_))})
    assert found.malformed == ()
    made = table(one, [found.object], now=0)
    assert len(made["rows"][0]["cells"]) == len(made["columnDefinitions"])


@given(st.dictionaries(st.sampled_from(sorted(API_OBJECTS["PodSpec"])), JSON, max_size=6))
def test_no_spec_makes_it_fail(spec: dict[str, Any]) -> None:
    json.dumps(examine(POD, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}], **spec}}).object)
