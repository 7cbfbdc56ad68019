"""What the server is and has: versions, resources, explanations, rights. Both programs run all of these."""

from __future__ import annotations

import re

import pytest
from kubectl.cluster import Cluster, Kubectl
from root.lab import pod

pytestmark = [pytest.mark.root, pytest.mark.anywhere]


def test_version(kubectl: Kubectl) -> None:
    found = kubectl("version", "-o", "json").object()
    client, server = found["clientVersion"], found["serverVersion"]
    # kubectl warns when server and client are more than one minor version apart.
    assert abs(int(client["minor"]) - int(server["minor"])) <= 1
    said = kubectl("version")
    assert re.search(r"^Server Version: v1\.\d+\.\d+", said.out, re.MULTILINE)
    assert said.err == ""


def test_cluster_info_wants_services(kubectl: Kubectl) -> None:
    assert kubectl("cluster-info", fails=1).err == 'error: the server doesn\'t have a resource type "services"\n'


def test_api_versions(kubectl: Kubectl) -> None:
    assert kubectl("api-versions").lines == [
        "authentication.k8s.io/v1",
        "authorization.k8s.io/v1",
        "coordination.k8s.io/v1",
        "events.k8s.io/v1",
        "metrics.k8s.io/v1beta1",
        "scheduling.k8s.io/v1",
        "v1",
    ]


def test_api_resources(kubectl: Kubectl) -> None:
    header, *rows = (line.split() for line in kubectl("api-resources").lines)
    assert header == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    for row in (
        ["pods", "po", "v1", "true", "Pod"],
        ["nodes", "no", "v1", "false", "Node"],
        ["namespaces", "ns", "v1", "false", "Namespace"],
        ["configmaps", "cm", "v1", "true", "ConfigMap"],
        ["secrets", "v1", "true", "Secret"],
        ["priorityclasses", "pc", "scheduling.k8s.io/v1", "false", "PriorityClass"],
        ["leases", "coordination.k8s.io/v1", "true", "Lease"],
        ["events", "ev", "v1", "true", "Event"],
        ["events", "ev", "events.k8s.io/v1", "true", "Event"],
        ["pods", "metrics.k8s.io/v1beta1", "true", "PodMetrics"],
    ):
        assert row in rows
    names = kubectl("api-resources", "--namespaced=false", "-o", "name").lines
    assert "nodes" in names
    assert "pods" not in names
    wide = kubectl("api-resources", "-o", "wide", "--api-group=").out
    assert re.search(r"^pods .* create,delete,deletecollection,get,list,patch,update,watch +all$", wide, re.MULTILINE)


def test_explain(kubectl: Kubectl) -> None:
    lines = kubectl("explain", "pods").lines
    assert lines[:3] == ["KIND:       Pod", "VERSION:    v1", ""]
    assert "DESCRIPTION:" in lines
    assert "FIELDS:" in lines
    assert "  spec\t<PodSpec> -required-" in lines
    lines = kubectl("explain", "pod.spec.containers.resources.limits").lines
    assert "FIELD: limits <map[string]Quantity>" in lines
    shown = kubectl("explain", "pod.spec.restartPolicy").out
    assert "FIELD: restartPolicy <string>" in shown
    for word in ("ENUM:", "Always", "Never", "OnFailure"):
        assert word in shown
    said = kubectl("explain", "pod.spec.nope", fails=1).err
    assert said == 'error: field "nope" does not exist\n'
    shown = kubectl("explain", "pod", "--recursive").out
    assert re.search(r"^    containers\t<\[\]Container> -required-$", shown, re.MULTILINE)
    assert kubectl("explain", "priorityclass").lines[:3] == [
        "GROUP:      scheduling.k8s.io",
        "KIND:       PriorityClass",
        "VERSION:    v1",
    ]


def test_rights(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "pods").out == "yes\n"
    assert kubectl("auth", "can-i", "*", "*").out == "yes\n"
    assert kubectl("auth", "can-i", "get", "pods", "--subresource=log").out == "yes\n"
    shown = kubectl("auth", "can-i", "--list").out
    assert re.search(r"^\*\.\* +\[\] +\[\] +\[\*\]", shown, re.MULTILINE)
    header, *rows = kubectl("auth", "whoami").rows
    assert header == ["ATTRIBUTE", "VALUE"]
    assert rows[0][0] == "Username"


def test_nobody_comes_in_without_a_certificate(newest: Kubectl, cluster: Cluster) -> None:
    server = newest("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}").out
    stranger = newest.having(KUBECONFIG="/dev/null")
    words = ("get", "pods", "--server", server, "--insecure-skip-tls-verify")
    said = stranger(*words, fails=1)
    assert "No resources found" not in said.out + said.err


def test_kinds_that_a_node_alone_does_not_have(kubectl: Kubectl) -> None:
    for words, kind in (
        (("get", "services"), "services"),
        (("scale", "--replicas=2", "deployment/web"), "deployment"),
        (("rollout", "status", "deployment/web"), "deployment"),
        (("autoscale", "deployment", "web", "--max=2"), "deployment"),
    ):
        said = kubectl(*words, fails=1).err
        assert said == f'error: the server doesn\'t have a resource type "{kind}"\n'


def test_nobody_acts_for_others(newest: Kubectl) -> None:
    """A cluster lets an administrator; here there are no other users whose rights would be less."""
    said = newest("get", "pods", "--as=bob", fails=1).err
    assert said.startswith("Error from server (Forbidden): requests in the name of other users are not served")


def test_objects_of_a_kind_that_nobody_knows(kubectl: Kubectl) -> None:
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    assert kubectl.apply(deployment, fails=1).err == (
        'error: resource mapping not found for name: "web" namespace: "" from "STDIN": '
        'no matches for kind "Deployment" in version "apps/v1"\nensure CRDs are installed first\n'
    )


def test_completion_knows_names(newest: Kubectl) -> None:
    newest("create", "configmap", "settings")
    assert "settings" in newest("__complete", "get", "configmap", "").lines
    assert newest("completion", "bash").out.endswith("# ex: ts=4 sw=4 et filetype=sh\n")


def test_debug_of_a_running_pod_is_told_to_be_missing(newest: Kubectl) -> None:
    """Ephemeral containers are not supported; that is what kubectl says of such a server."""
    newest.apply(pod("web"))
    said = newest("debug", "web", "--image=none", fails=1).err
    assert "ephemeral containers are disabled for this cluster" in said
