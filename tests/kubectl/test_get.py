"""kubectl get: tables, selectors, formats and watches, as a cluster prints them. Both programs run all of these."""

from __future__ import annotations

import json
import re

import pytest
from kubectl.cluster import Cluster, Kubectl
from root.lab import container, pod

pytestmark = [pytest.mark.root, pytest.mark.anywhere]

AGE = re.compile(r"<invalid>|\d+[smhd](\d+[smhd])?")


def test_pods_as_a_table(kubectl: Kubectl, cluster: Cluster) -> None:
    kubectl.run_pod(pod("web", container("a"), container("b")))
    header, row = kubectl("get", "pods").rows
    assert header == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row[:4] == ["web", "2/2", "Running", "0"]
    assert AGE.fullmatch(row[4])
    header, row = kubectl("get", "po", "-o", "wide").rows
    assert header[5:] == ["IP", "NODE", "NOMINATED NODE", "READINESS GATES"]
    assert row[6:] == [cluster.node, "<none>", "<none>"]


@pytest.mark.parametrize(
    ("script", "ready", "status", "phase"),
    [
        pytest.param("true", "0/1", "Completed", "Succeeded", id="ended well"),
        pytest.param("exit 3", "0/1", "Error", "Failed", id="ended with an exit code"),
    ],
)
def test_the_status_of_a_pod_that_has_ended(newest: Kubectl, script: str, ready: str, status: str, phase: str) -> None:
    newest.apply(pod("job", container(script=script)))
    newest("wait", f"--for=jsonpath={{.status.phase}}={phase}", "pod/job", "--timeout=30s")
    assert newest("get", "pods").rows[1][:4] == ["job", ready, status, "0"]


def test_restarts_are_counted_and_dated(newest: Kubectl) -> None:
    newest.apply(pod("again", container(script="exit 1"), restartPolicy="Always"))
    path = "{.status.containerStatuses[0].restartCount}"
    newest("wait", f"--for=jsonpath={path}=1", "pod/again", "--timeout=30s")
    row = newest("get", "pods").rows[1]
    assert re.fullmatch(r"[12] \(\d+s ago\)", row[3])


def test_what_is_not_there(kubectl: Kubectl) -> None:
    assert kubectl("get", "pods").err == f"No resources found in {kubectl.namespace} namespace.\n"
    assert kubectl("get", "pod", "nope", fails=1).err == 'Error from server (NotFound): pods "nope" not found\n'
    assert kubectl("get", "pod", "nope", "--ignore-not-found").out == ""
    said = kubectl("get", "deployments", fails=1).err
    assert said == 'error: the server doesn\'t have a resource type "deployments"\n'


def test_selectors(kubectl: Kubectl, cluster: Cluster) -> None:
    for name, labels in (("a", {"app": "x", "tier": "1"}), ("b", {"app": "x"}), ("c", {"app": "y"})):
        manifest = pod(name)
        manifest["metadata"]["labels"] = labels
        kubectl.apply(manifest)

    def names(*words: str) -> list[str]:
        return kubectl("get", "pods", "-o", "name", *words).lines

    assert names("-l", "app=x") == ["pod/a", "pod/b"]
    assert names("-l", "app in (x,y),!tier") == ["pod/b", "pod/c"]
    assert names("-l", "app!=x") == ["pod/c"]
    assert names("-l", "tier") == ["pod/a"]
    assert names("-l", "app notin (y)") == ["pod/a", "pod/b"]
    assert names("--field-selector", "metadata.name=b") == ["pod/b"]
    assert names("--field-selector", f"spec.nodeName={cluster.node},metadata.name!=b") == ["pod/a", "pod/c"]
    assert names("--field-selector", "status.phase=Failed") == []
    said = kubectl("get", "pods", "--field-selector", "spec.foo=1", fails=1).err
    assert said == (
        'Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "", '
        'field selector "spec.foo=1": field label not supported: spec.foo\n'
    )
    said = kubectl("get", "pods", "-l", "app in x", fails=1).err
    assert "unable to parse requirement" in said or "found 'x'" in said


def test_formats(kubectl: Kubectl) -> None:
    manifest = pod("web")
    manifest["metadata"]["labels"] = {"app": "x"}
    kubectl.run_pod(manifest)
    assert kubectl("get", "pod/web", "-o", "name").out == "pod/web\n"
    assert kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.name}").out == "web"
    assert kubectl("get", "pods", "-o", "custom-columns=N:.metadata.name,P:.status.phase").rows == [
        ["N", "P"],
        ["web", "Running"],
    ]
    assert kubectl("get", "pods", "-o", "go-template={{range .items}}{{.kind}}{{end}}").out == "Pod"
    shown = kubectl("get", "pod", "web", "-o", "yaml").lines
    assert shown[:2] == ["apiVersion: v1", "kind: Pod"]
    listed = json.loads(kubectl("get", "pods", "-o", "json").out)
    assert (listed["kind"], listed["items"][0]["metadata"]["name"]) == ("List", "web")
    assert kubectl("get", "pods", "--show-labels").rows[1][-1] == "app=x"
    assert kubectl("get", "pods", "-L", "app").rows[0][-1] == "APP"
    assert kubectl("get", "pods", "--no-headers").rows[0][0] == "web"


def test_sorting_and_several_kinds_at_once(kubectl: Kubectl) -> None:
    for order, name in enumerate(("b", "a")):
        kubectl("create", "configmap", name, f"--from-literal=order={order}")
    kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    assert [row[0] for row in kubectl("get", "cm", "--sort-by=.data.order").rows] == ["NAME", "b", "a"]
    shown = kubectl("get", "cm,secrets").lines
    assert [line.split()[0] for line in shown if line] == ["NAME", "configmap/a", "configmap/b", "NAME", "secret/s"]


def test_all_namespaces(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "here")
    header, *rows = kubectl("get", "configmaps", "-A").rows
    assert header == ["NAMESPACE", "NAME", "DATA", "AGE"]
    assert [kubectl.namespace, "here"] in [row[:2] for row in rows]


def test_the_tables_of_other_kinds(kubectl: Kubectl, cluster: Cluster) -> None:
    kubectl("create", "configmap", "c", "--from-literal=a=1", "--from-literal=b=2")
    kubectl("create", "secret", "generic", "s", "--from-literal=a=1")
    assert kubectl("get", "cm").rows[0] == ["NAME", "DATA", "AGE"]
    assert kubectl("get", "cm", "c").rows[1][:2] == ["c", "2"]
    assert kubectl("get", "secrets").rows[0] == ["NAME", "TYPE", "DATA", "AGE"]
    assert kubectl("get", "secret", "s").rows[1][:3] == ["s", "Opaque", "1"]
    assert kubectl("get", "ns", kubectl.namespace).rows[0] == ["NAME", "STATUS", "AGE"]
    assert kubectl("get", "ns", kubectl.namespace).rows[1][1] == "Active"
    header, *rows = kubectl("get", "priorityclasses").rows
    assert header == ["NAME", "VALUE", "GLOBAL-DEFAULT", "AGE", "PREEMPTIONPOLICY"]
    assert ["system-node-critical", "2000001000", "false"] in [row[:3] for row in rows]
    header, row = kubectl("get", "nodes").rows
    assert header == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert row[:2] == [cluster.node, "Ready"]
    header, row = kubectl("get", "nodes", "-o", "wide").rows
    assert header[5:] == [
        "INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"
    ]  # fmt: skip
    header, row = kubectl("get", "leases", "-n", "kube-node-lease").rows
    assert header == ["NAME", "HOLDER", "AGE"]
    assert row[:2] == [cluster.node, cluster.node]


def test_watch_prints_a_line_for_every_change(kubectl: Kubectl) -> None:
    with kubectl.started("get", "pods", "-w") as watching:
        kubectl.run_pod(pod("web"))
        watching.read_until("Running")
        kubectl("delete", "pod", "web", "--wait=false")
        watching.read_until("Terminating")
    first = watching.output.splitlines()
    assert first[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    states = [line.split()[2] for line in first[1:]]
    order = [state for state in ("Pending", "Running", "Terminating") if state in states]
    assert [states.index(state) for state in order] == sorted(states.index(state) for state in order)
    assert "Running" in order


def test_watch_of_one_object_with_events(newest: Kubectl) -> None:
    newest("create", "configmap", "c")
    with newest.started("get", "configmap", "c", "-w", "--output-watch-events") as watching:
        watching.read_until("ADDED")
        newest("label", "configmap", "c", "a=b")
        watching.read_until("MODIFIED")
        newest("delete", "configmap", "c")
        watching.read_until("DELETED")


def test_long_lists_come_in_pieces(newest: Kubectl) -> None:
    names = [f"c{number:02}" for number in range(12)]
    objects = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} for name in names]
    newest.apply(*objects)
    assert newest("get", "cm", "-o", "name", "--chunk-size=5").lines == [f"configmap/{name}" for name in names]


def test_raw_paths(kubectl: Kubectl, cluster: Cluster) -> None:
    assert kubectl("get", "--raw", "/healthz").out == "ok"
    assert kubectl("get", "--raw", "/livez").out == "ok"
    assert kubectl("get", "--raw", "/readyz").out == "ok"
    assert kubectl("get", "--raw", "/version").object()["major"] == "1"
    summary = kubectl("get", "--raw", f"/api/v1/nodes/{cluster.node}/proxy/stats/summary").object()
    assert summary["node"]["nodeName"] == cluster.node
    said = kubectl("get", "--raw", "/api/v1/nowhere", fails=1).err
    assert said == "Error from server (NotFound): the server could not find the requested resource\n"
