"""kubectl describe, events and top: what a pod and the node look like. Both programs run all of these."""

from __future__ import annotations

import re

import pytest
from kubectl.cluster import Cluster, Kubectl, until
from root.lab import container, pod, resources

pytestmark = [pytest.mark.root, pytest.mark.anywhere]


def fields(text: str) -> dict[str, str]:
    """The lines ``Key:   value`` without indentation."""
    found = re.findall(r"^([A-Z][\w /-]*):[ \t]*(.*)$", text, re.MULTILINE)
    return dict(found)


def section(text: str, name: str) -> list[str]:
    """The indented lines below ``Name:``."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{name}:"))
    found = []
    for line in lines[start + 1 :]:
        if line[:1] not in ("", " "):
            break
        found.append(line.strip())
    return found


def test_describe_pod(kubectl: Kubectl, cluster: Cluster) -> None:
    manifest = pod(
        "web",
        container(
            "main",
            resources=resources("cpu=10m memory=16Mi", "memory=64Mi"),
            env=[{"name": "COLOUR", "value": "blue"}],
            volumeMounts=[{"name": "data", "mountPath": "/data"}],
        ),
        volumes=[{"name": "data", "emptyDir": {}}],
    )
    manifest["metadata"] |= {"labels": {"app": "web"}, "annotations": {"note": "hello"}}
    kubectl("create", "-f", "-", stdin=manifest)
    kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=30s")
    until(lambda: "Started" in kubectl("events", "--for=pod/web").out, "the event of the start")
    text = kubectl("describe", "pod", "web").out
    told = fields(text)
    assert told["Name"] == "web"
    assert told["Namespace"] == kubectl.namespace
    assert told["Priority"] == "0"
    assert told["Node"].startswith(f"{cluster.node}/")
    assert told["Labels"] == "app=web"
    assert told["Annotations"] == "note: hello"
    assert told["Status"] == "Running"
    assert told["QoS Class"] == "Burstable"
    assert told["Node-Selectors"] == "<none>"
    assert told["Tolerations"].startswith("node.kubernetes.io/not-ready:NoExecute op=Exists for 300s")

    main = section(text, "Containers")
    assert main[0] == "main:"
    assert any(re.fullmatch(r"Container ID: +nodeguard://\S+", line) for line in main)
    assert any(re.fullmatch(r"State: +Running", line) for line in main)
    assert any(re.fullmatch(r"Restart Count: +0", line) for line in main)
    assert any(re.fullmatch(r"memory: +64Mi", line) for line in main)
    assert any(re.fullmatch(r"COLOUR: +blue", line) for line in main)
    assert any(re.fullmatch(r"/data from data \(rw\)", line) for line in main)

    conditions = [line.split() for line in section(text, "Conditions")]
    assert ["Type", "Status"] in [line[:2] for line in conditions]
    for name in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"):
        assert [name, "True"] in [line[:2] for line in conditions]
    assert any(line.startswith("EmptyDir (a temporary directory") for line in section_words(text, "Volumes"))

    events = section(text, "Events")
    assert events[0].split() == ["Type", "Reason", "Age", "From", "Message"]
    assert {"Created", "Started"} <= {line.split()[1] for line in events[2:]}


def section_words(text: str, name: str) -> list[str]:
    """The same, with what stands before the first two blanks removed."""
    return [line.partition(":")[2].strip() for line in section(text, name)]


def test_describe_node(kubectl: Kubectl, cluster: Cluster) -> None:
    kubectl.run_pod(pod("web", container(resources=resources("cpu=10m memory=16Mi", "memory=64Mi"))))
    text = kubectl("describe", "node", cluster.node).out
    told = fields(text)
    assert told["Name"] == cluster.node
    assert told["Taints"] == "<none>"
    assert told["Unschedulable"] == "false"
    assert re.search(rf"HolderIdentity: +{cluster.node}\n", text)
    conditions = {line.split()[0]: line.split()[1] for line in section(text, "Conditions")[2:]}
    assert conditions["Ready"] == "True"
    assert conditions["MemoryPressure"] == conditions["DiskPressure"] == conditions["PIDPressure"] == "False"
    for name in ("Capacity", "Allocatable"):
        assert {"cpu", "memory", "pods", "ephemeral-storage"} <= {
            line.partition(":")[0] for line in section(text, name)
        }
    system = {line.partition(":")[0] for line in section(text, "System Info")}
    assert {"Machine ID", "Boot ID", "Kernel Version", "OS Image", "Container Runtime Version"} <= system
    running = [line.split() for line in section(text, "Non-terminated Pods")]
    assert [kubectl.namespace, "web", "10m"] in [row[:3] for row in running]
    assert any(line.startswith("cpu") for line in section(text, "Allocated resources"))


def test_describe_other_kinds(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "c", "--from-literal=colour=blue")
    kubectl("create", "secret", "generic", "s", "--from-literal=key=hidden")
    shown = kubectl("describe", "configmap", "c").out
    assert "\ncolour:\n----\nblue\n" in shown
    shown = kubectl("describe", "secret", "s").out
    assert re.search(r"^key: +6 bytes$", shown, re.MULTILINE)
    assert "hidden" not in shown
    shown = kubectl("describe", "namespace", kubectl.namespace).out
    assert fields(shown)["Status"] == "Active"
    shown = kubectl("describe", "priorityclass", "system-cluster-critical").out
    assert fields(shown)["Value"] == "2000000000"


def test_events(kubectl: Kubectl) -> None:
    kubectl.run_pod(pod("web"))
    kubectl.apply(pod("other", container(script="exit 3")))
    until(lambda: "Started" in kubectl("events", "--for=pod/web").out, "the event of the start")
    header, *rows = kubectl("events", "--for=pod/web").rows
    assert header == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert {row[3].lower() for row in rows} == {"pod/web"}
    assert {row[1] for row in rows} == {"Normal"}
    header, *rows = kubectl("get", "events").rows
    assert header == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert {"pod/web", "pod/other"} <= {row[3] for row in rows}
    selector = "involvedObject.name=web,reason=Started"
    assert [row[2] for row in kubectl("get", "events", "--field-selector", selector).rows[1:]] == ["Started"]
    shown = kubectl("get", "events.v1.events.k8s.io", "-o", "json").object()["items"]
    assert {each["apiVersion"] for each in shown} == {"events.k8s.io/v1"}
    assert {"web"} <= {each["regarding"]["name"] for each in shown}


def test_top(kubectl: Kubectl, cluster: Cluster) -> None:
    kubectl.run_pod(pod("web", container("a"), container("b")))
    until(lambda: kubectl.succeeds("top", "pod", "web"), "metrics of the pod")
    header, row = kubectl("top", "pod").rows
    assert header == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert row[0] == "web"
    assert re.fullmatch(r"\d+m", row[1])
    assert re.fullmatch(r"\d+Mi", row[2])
    header, *rows = kubectl("top", "pod", "web", "--containers").rows
    assert header == ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert sorted(row[1] for row in rows) == ["a", "b"]
    header, row = kubectl("top", "node").rows
    assert header == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
    assert row[0] == cluster.node
    assert re.fullmatch(r"\d+%", row[4])
