from __future__ import annotations

from typing import Any

import pytest

from nodeguard.model.decode import decode
from nodeguard.model.document import parse
from nodeguard.model.instant import parse_rfc3339
from nodeguard.model.meta import Condition
from nodeguard.model.placement import (
    Affinity,
    LabelSelector,
    NodeSelectorTerm,
    PodAffinityTerm,
    PreferredNodes,
    PreferredPods,
    Requirement,
    Toleration,
)
from nodeguard.model.pod import ContainerPort, GivenStatus, Pod

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def decoded(spec: str = "", status: str = "{}", meta: str = "name: p", ports: str = "") -> Pod:
    manifests = decode(parse(text(spec, status, meta, ports), "pod.yaml"))
    assert [str(finding) for finding in manifests.errors] == []
    return manifests.pods[0]


def errors(**parts: str) -> list[str]:
    return [str(finding) for finding in decode(parse(text(**parts), "pod.yaml")).errors]


def text(spec: str = "", status: str = "{}", meta: str = "name: p", ports: str = "") -> str:
    container = f"{{name: app, command: [x], ports: [{ports}]}}"
    inner = f"{{containers: [{container}]{', ' if spec else ''}{spec}}}"
    return f"{{apiVersion: v1, kind: Pod, metadata: {{{meta}}}, spec: {inner}, status: {status}}}"


def test_a_pod_says_nothing_of_its_place() -> None:
    pod = decoded()
    assert (pod.node_selector, pod.affinity, pod.tolerations, pod.os) == ({}, Affinity(), (), "")
    assert pod.given == GivenStatus()
    assert (pod.meta.controller_kind, pod.meta.deletion_timestamp) == ("", None)


def test_the_node_selector_and_the_operating_system() -> None:
    pod = decoded(
        "nodeSelector: {disk: ssd}, os: {name: linux}, securityContext: {supplementalGroupsPolicy: Strict}, "
        "nodeName: n1"
    )
    assert (pod.node_selector, pod.os, pod.supplemental_groups_policy) == ({"disk": "ssd"}, "linux", "Strict")


def test_tolerations_mean_equal_when_they_do_not_say() -> None:
    pod = decoded(
        "tolerations: [{key: a, value: b, effect: NoExecute, tolerationSeconds: 30}, {operator: Exists}]",
    )
    assert pod.tolerations == (
        Toleration(key="a", operator="Equal", value="b", effect="NoExecute", seconds=30),
        Toleration(operator="Exists"),
    )


def test_ports_take_the_default_protocol() -> None:
    pod = decoded(ports="{containerPort: 80, hostPort: 8080, hostIP: 127.0.0.1, name: web}, {containerPort: 53}")
    assert pod.containers[0].ports == (
        ContainerPort(container_port=80, name="web", host_port=8080, host_ip="127.0.0.1"),
        ContainerPort(container_port=53),
    )


def test_on_the_host_network_every_port_is_a_host_port() -> None:
    assert decoded("hostNetwork: true", ports="{containerPort: 80}").containers[0].ports[0].host_port == 80


def test_node_affinity() -> None:
    rule = "{key: zone, operator: In, values: [a, b]}"
    pod = decoded(
        f"affinity: {{nodeAffinity: {{{REQUIRED}: {{nodeSelectorTerms: [{{matchExpressions: [{rule}]}}, "
        "{matchFields: [{key: metadata.name, operator: In, values: [n1]}]}]}, "
        f"{PREFERRED}: [{{weight: 7, preference: {{matchExpressions: [{rule}]}}}}]}}}}"
    )
    zone = NodeSelectorTerm(expressions=(Requirement(key="zone", operator="In", values=("a", "b")),))
    name = NodeSelectorTerm(fields=(Requirement(key="metadata.name", operator="In", values=("n1",)),))
    assert pod.affinity == Affinity(node_required=(zone, name), node_preferred=(PreferredNodes(weight=7, term=zone),))


@pytest.mark.parametrize(
    ("key", "required", "preferred"),
    [("podAffinity", "pod_required", "pod_preferred"), ("podAntiAffinity", "anti_required", "anti_preferred")],
)
def test_pod_affinity(key: str, required: str, preferred: str) -> None:
    item = (
        "{topologyKey: zone, labelSelector: {matchLabels: {app: web}, matchExpressions: [{key: old, operator: "
        "DoesNotExist}]}, namespaces: [x], namespaceSelector: {}, matchLabelKeys: [rev], mismatchLabelKeys: [ten]}"
    )
    pod = decoded(
        f"affinity: {{{key}: {{{REQUIRED}: [{item}, {{topologyKey: host}}], "
        f"{PREFERRED}: [{{weight: 3, podAffinityTerm: {item}}}]}}}}"
    )
    term = PodAffinityTerm(
        topology_key="zone",
        selector=LabelSelector(
            requirements=(
                Requirement(key="app", operator="In", values=("web",)),
                Requirement(key="old", operator="DoesNotExist"),
            )
        ),
        namespaces=("x",),
        namespace_selector=LabelSelector(),
        match_label_keys=("rev",),
        mismatch_label_keys=("ten",),
    )
    wanted: dict[str, Any] = {
        required: (term, PodAffinityTerm(topology_key="host")),
        preferred: (PreferredPods(weight=3, term=term),),
    }
    assert pod.affinity == Affinity(**wanted)


def test_a_status_says_what_admission_heeds() -> None:
    pod = decoded(
        status="{phase: Running, startTime: 1970-01-01T00:01:00Z, nominatedNodeName: n1, podIP: 7, conditions: "
        "[{type: Ready, status: 'True', reason: r, lastProbeTime: null}]}"
    )
    assert pod.given == GivenStatus(
        phase="Running",
        start_time=60.0,
        nominated_node_name="n1",
        conditions=(Condition(type="Ready", status="True", reason="r"),),
    )
    assert not pod.given.has_ended
    assert decoded(status="{phase: Failed}").given.has_ended


def test_owner_and_deletion() -> None:
    owner = "apiVersion: apps/v1, name: d, uid: u"
    pod = decoded(
        meta=f"name: p, deletionTimestamp: '1970-01-01T00:00:09Z', ownerReferences: "
        f"[{{{owner}, kind: Job}}, {{{owner}, kind: DaemonSet, controller: true}}]"
    )
    assert (pod.meta.controller_kind, pod.meta.deletion_timestamp) == ("DaemonSet", 9.0)


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        pytest.param(
            {"status": "{phase: Done}"},
            "status.phase: found 'Done'; allowed are Pending, Running, Succeeded, Failed, Unknown",
            id="an unknown phase",
        ),
        pytest.param({"status": "{phase: 7}"}, "status.phase: expected a string, found the number 7", id="a number"),
        pytest.param(
            {"status": "{startTime: yesterday}"},
            "status.startTime: found 'yesterday'; allowed is a time such as 2026-08-26T12:00:00Z",
            id="no time",
        ),
        pytest.param(
            {"status": "{startTime: '2026-02-30T00:00:00Z'}"},
            "status.startTime: found '2026-02-30T00:00:00Z'; allowed is a time such as 2026-08-26T12:00:00Z",
            id="no such day",
        ),
        pytest.param(
            {"status": "{conditions: {}}"}, "status.conditions: expected a list, found an object", id="no list"
        ),
        pytest.param(
            {"status": "{conditions: [7]}"},
            "status.conditions[0]: expected an object, found the number 7",
            id="no item",
        ),
        pytest.param({"status": "7"}, "status: expected an object, found the number 7", id="no object"),
        pytest.param(
            {"meta": "name: p, deletionTimestamp: soon"},
            "metadata.deletionTimestamp: found 'soon'; allowed is a time such as 2026-08-26T12:00:00Z",
            id="a deletion at no time",
        ),
    ],
)
def test_faults_are_reported(parts: dict[str, str], error: str) -> None:
    assert errors(**parts) == [f"pod.yaml:1: {error}"]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01T02:00:01.25+02:00", 1.25),
        ("1970-01-01T00:00:00", None),
        ("1970-01-01", None),
        ("1970-13-01T00:00:00Z", None),
        ("", None),
    ],
)
def test_parse_rfc3339(given: str, seconds: float | None) -> None:
    assert parse_rfc3339(given) == seconds
