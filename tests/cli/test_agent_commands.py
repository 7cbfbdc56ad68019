"""The commands that ask the agent, against a real API server whose agent makes pods run at once."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from api.fakeagent import FakeAgent, ended_status

from nodeguard.cli.main import run

Nodeguard = Callable[..., str]

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: NAME}}
spec:
  containers:
  - {name: app, command: [sleep, "1000"], resources: {requests: {cpu: 10m, memory: 8Mi}}}
  - {name: side, command: [sleep, "1000"]}
"""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeAgent]:
    with FakeAgent(tmp_path_factory.mktemp("agent")) as running:
        yield running


@pytest.fixture
def nodeguard(agent: FakeAgent, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Nodeguard:
    """Run one command line; its stdout. ``fails`` is the exit code that is expected, and gives stderr instead."""
    monkeypatch.setenv("NODEGUARD_RUN_DIR", str(agent.directory))
    monkeypatch.setenv("NODEGUARD_STATE_DIR", str(agent.directory / "records"))

    def call(*words: str, fails: int = 0) -> str:
        capfd.readouterr()
        code = run(words)
        out, err = capfd.readouterr()
        assert code == fails, (words, code, out, err)
        return err if fails else out

    return call


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "manifest.yaml"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def web(nodeguard: Nodeguard, manifest: Callable[[str], str], agent: FakeAgent) -> Iterator[str]:
    """A pod that runs."""
    nodeguard("apply", "-f", manifest(POD.replace("NAME", "web")))
    nodeguard("wait", "pod/web", "--for=condition=Ready")
    yield "web"
    run(["delete", "pod", "web", "--ignore-not-found", "--force"])


def test_apply_says_what_it_did(nodeguard: Nodeguard, manifest: Callable[[str], str], web: str) -> None:
    text = POD.replace("NAME", "web")
    assert nodeguard("apply", "-f", manifest(text)) == "pod/web unchanged\n"
    labelled = manifest(text.replace("{app: web}", "{app: web, tier: front}"))
    assert nodeguard("apply", "-f", labelled, "--dry-run=server") == "pod/web configured (server dry run)\n"
    assert nodeguard("apply", labelled) == "pod/web configured\n"
    assert nodeguard("get", "pod", "web", "-o", "jsonpath={.metadata.labels.tier}") == "front"
    assert nodeguard("apply", manifest(text)) == "pod/web configured\n"
    assert nodeguard("get", "pod", "web", "-o", "jsonpath={.metadata.labels}") == '{"app":"web"}'


def test_apply_sends_nothing_while_there_is_a_fault(nodeguard: Nodeguard, manifest: Callable[[str], str]) -> None:
    second = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndate: {a: b}\n"
    wrong = POD.replace("NAME", "one") + "---\n" + POD.replace("NAME", "two").replace("spec:", "spec:\n  nodename: x")
    told = nodeguard("apply", "-f", manifest(wrong + second), fails=3)
    assert "did you mean nodeName?" in told
    assert "did you mean data?" in told
    assert "one" not in nodeguard("get", "pods", "-o", "name")


def test_apply_of_all_kinds(nodeguard: Nodeguard, manifest: Callable[[str], str]) -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "- {apiVersion: v1, kind: Namespace, metadata: {name: own}}\n"
        "- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: own}, data: {a: b}}\n"
        "- {apiVersion: v1, kind: Secret, metadata: {name: key, namespace: own}, stringData: {password: very-secret}}\n"
        "- {apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 7}\n"
    )
    path = manifest(text)
    assert nodeguard("apply", "-f", path, "-n", "own").splitlines() == [
        "namespace/own created",
        "configmap/settings created",
        "secret/key created",
        "priorityclass.scheduling.k8s.io/high created",
    ]
    described = nodeguard("describe", "secret", "key", "-n", "own")
    assert "password:  11 bytes" in described
    assert "secret" not in described.replace("Secret", "")
    assert nodeguard("get", "pc", "high", "-o", "name") == "priorityclass.scheduling.k8s.io/high\n"
    assert nodeguard("get", "-f", path, "-o", "name", "-n", "own").count("\n") == 4
    deleted = nodeguard("delete", "-f", path, "-n", "own", "--ignore-not-found")
    assert 'namespace "own" deleted\n' in deleted
    assert 'priorityclass.scheduling.k8s.io "high" deleted\n' in deleted


def test_get(nodeguard: Nodeguard, web: str) -> None:
    header, line = nodeguard("get", "pods").splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert line.split()[:4] == ["web", "2/2", "Running", "0"]
    assert nodeguard("get", "po", "-A", "--no-headers").split()[:2] == ["default", "web"]
    assert nodeguard("get", "pods", "-o", "wide", "--show-labels").splitlines()[1].endswith("app=web")
    assert nodeguard("get", "pod/web", "-o", "name") == "pod/web\n"
    assert nodeguard("get", "pods,nodes", "-o", "name") == "pod/web\nnode/node1\n"
    assert nodeguard("get", "pods", "-l", "app=other") == ""
    assert nodeguard("get", "pods", "-l", "app in (web)", "--field-selector=status.phase=Running", "-o", "name")
    one = json.loads(nodeguard("get", "pod", "web", "-o", "json"))
    assert (one["kind"], "managedFields" in one["metadata"]) == ("Pod", False)
    assert yaml.safe_load(nodeguard("get", "pods", "-o", "yaml"))["items"] == [one]
    assert "managedFields" in nodeguard("get", "pod", "web", "-o", "json", "--show-managed-fields")
    assert nodeguard("get", "nodes").splitlines()[1].split()[:2] == ["node1", "Ready"]
    assert "pod/web" in nodeguard("get", "pods,nodes")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["get", "pods", "nope"], 4, 'pods "nope" not found'),
        (["get", "pods/nope", "-n", "other"], 4, 'pods "nope" not found'),
        (["get", "nopes"], 4, 'the server doesn\'t have a resource type "nopes"'),
        (["get"], 2, "a TYPE is needed"),
        (["get", "pods", "-o", "xml"], 2, "not one of wide"),
        (["get", "pods", "-l", "a in (b"], 2, "unable to parse requirement"),
        (["get", "pods", "web", "-A"], 2, "across all namespaces"),
        (["get", "pods/a", "nodes"], 2, "every argument has to be of this form"),
        (["get", "pods,nodes", "-w"], 2, "one TYPE"),
        (["describe", "pod", "nope"], 4, 'pods "nope" not found'),
        (["delete", "pod", "nope"], 4, 'pods "nope" not found'),
        (["delete", "pods"], 2, "name the objects"),
        (["delete", "pods", "--all", "web"], 2, "names go without"),
        (["label", "pod", "nope", "a=b"], 4, "not found"),
        (["label", "pod", "web"], 2, "KEY=VALUE"),
        (["wait", "pod/nope", "--for=condition=Ready"], 4, "not found"),
        (["wait", "pods", "-l", "a=b", "--for=condition=Ready"], 4, "no matching resources"),
        (["cordon"], 2, "either names"),
        (["cordon", "nope"], 4, 'nodes "nope" not found'),
        (["logs", "nope"], 4, 'pods "nope" not found'),
        (["logs"], 2, "either a pod"),
        (["exec", "nope", "--", "ls"], 4, 'pods "nope" not found'),
        (["exec", "node/node1", "--", "ls"], 2, "only pods"),
        (["cp", "a", "b"], 2, "one of both is in a pod"),
        (["apply"], 2, "a file is needed"),
        (["apply", "-f", "/nope.yaml"], 4, "no such file"),
        (["top", "pod", "nope"], 4, "not found"),
        (["run", "--capacity", "cpu=1", "FILE"], 2, "--capacity would not be heeded"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_faults(
    nodeguard: Nodeguard, agent: FakeAgent, manifest: Callable[[str], str], words: list[str], code: int, told: str
) -> None:
    agent.answers["summary"] = {"node": {"nodeName": "node1"}, "pods": []}
    path = manifest(POD.replace("NAME", "other"))
    assert told in nodeguard(*(path if word == "FILE" else word for word in words), fails=code)


def test_ignored_faults(nodeguard: Nodeguard) -> None:
    assert nodeguard("get", "pod", "nope", "--ignore-not-found") == ""
    assert nodeguard("delete", "pod", "nope", "--ignore-not-found") == ""


def test_describe(nodeguard: Nodeguard, web: str) -> None:
    pod = nodeguard("describe", "pod", "we")
    assert "Name:             web\nNamespace:        default\n" in pod
    assert "      cpu:        10m\n      memory:     8Mi\n" in pod
    assert re.search(r"^QoS Class: +Burstable$", pod, re.MULTILINE)
    assert re.search(r"^  Normal  Started +\d+s +kubelet, node1 +Started container$", pod, re.MULTILINE)
    assert "Events:" not in nodeguard("describe", "pod", "web", "--no-events")
    node = nodeguard("describe", "node")
    assert "  HolderIdentity:  node1\n" in node
    assert "default    web   Burstable  0         10m (0%)" in node
    assert "Name:         default\n" in nodeguard("describe", "ns", "default")


def test_labels_and_annotations(nodeguard: Nodeguard, web: str) -> None:
    assert nodeguard("label", "pod", "web", "a=b") == "pod/web labeled\n"
    assert nodeguard("label", "pod/web", "a=b") == "pod/web not labeled\n"
    assert "already has a value (b)" in nodeguard("label", "pod", "web", "a=c", fails=5)
    assert nodeguard("label", "pods", "--all", "a=c", "--overwrite", "--dry-run=server") == (
        "pod/web labeled (server dry run)\n"
    )
    assert nodeguard("label", "pods", "-l", "a=b", "--list", "a-") == "app=web\n"
    assert nodeguard("annotate", "pod", "web", "note=some text", "-o", "name") == "pod/web\n"
    assert nodeguard("get", "pod", "web", "-o", "jsonpath={.metadata.annotations.note}") == "some text"


def test_nodes(nodeguard: Nodeguard, web: str) -> None:
    assert nodeguard("cordon", "node1") == "node/node1 cordoned\n"
    assert nodeguard("cordon", "node/node1") == "node/node1 already cordoned\n"
    assert "SchedulingDisabled" in nodeguard("get", "node", "node1")
    assert nodeguard("uncordon", "node1") == "node/node1 uncordoned\n"
    assert nodeguard("taint", "nodes", "node1", "a=b:PreferNoSchedule") == "node/node1 tainted\n"
    assert "--overwrite is false" in nodeguard("taint", "nodes", "node1", "a=c:PreferNoSchedule", fails=5)
    assert nodeguard("taint", "nodes", "--all", "a-") == "node/node1 untainted\n"
    assert "declare no controller" in nodeguard("drain", "node1", fails=1)
    drained = nodeguard("drain", "node1", "--force")
    assert drained.splitlines()[-3:] == ["evicting pod default/web", "pod/web evicted", "node/node1 drained"]
    assert nodeguard("uncordon", "node1") == "node/node1 uncordoned\n"


def test_wait(nodeguard: Nodeguard, agent: FakeAgent, web: str) -> None:
    assert nodeguard("wait", "pod/web", "--for=jsonpath={.status.phase}=Running") == "pod/web condition met\n"
    assert "timed out" in nodeguard("wait", "pod/web", "--for=delete", "--timeout=100ms", fails=8)
    uid = nodeguard("get", "pod", "web", "-o", "jsonpath={.metadata.uid}")
    later = threading.Timer(0.3, lambda: agent.report(uid, ended_status(agent.pods[uid])))
    later.start()
    assert nodeguard("wait", "pod/web", "--for=jsonpath={.status.phase}=Succeeded") == "pod/web condition met\n"
    later.join()


def test_delete(nodeguard: Nodeguard, web: str) -> None:
    assert nodeguard("delete", "pod", "web", "--dry-run=client") == (
        'pod "web" deleted from default namespace (dry run)\n'
    )
    assert nodeguard("delete", "pods", "--all", "--now") == 'pod "web" deleted from default namespace\n'
    assert nodeguard("get", "pods", "-o", "name") == ""


def test_events(nodeguard: Nodeguard, web: str) -> None:
    header, line = nodeguard("events", "--for", "pod/web").splitlines()[:2]
    assert header.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert line.split()[1:] == ["Normal", "Started", "Pod/web", "Started", "container"]
    assert nodeguard("events", "--type", "Warning") == ""
    assert json.loads(nodeguard("events", "-o", "json"))["items"][0]["reason"] == "Started"
    assert nodeguard("get", "events").splitlines()[1].split()[3] == "pod/web"
    assert nodeguard("events", "--since", "1h").startswith("# kept for")  # the records, which are empty here


def test_top(nodeguard: Nodeguard, agent: FakeAgent, web: str) -> None:
    usage = {"cpu": {"usageNanoCores": 12_000_000}, "memory": {"workingSetBytes": 5 << 20}}
    pods = [{"podRef": {"name": "web", "namespace": "default", "uid": "u"}, "containers": [{"name": "app", **usage}]}]
    agent.answers["summary"] = {"node": {"nodeName": "node1", **usage}, "pods": pods}
    assert nodeguard("top", "nodes").splitlines()[1].split() == ["node1", "12m", "0%", "5Mi", "0%"]
    assert nodeguard("top", "pods").splitlines()[1].split() == ["web", "12m", "5Mi"]
    assert nodeguard("top", "pod", "web", "--containers", "--no-headers").split() == ["web", "app", "12m", "5Mi"]
    assert nodeguard("top", "pods", "-A", "--sort-by", "memory").splitlines()[1].split()[:2] == ["default", "web"]


def test_api_resources(nodeguard: Nodeguard) -> None:
    assert "pods" in nodeguard("api-resources", "-o", "name").split()
    row = next(line.split() for line in nodeguard("api-resources").splitlines() if line.startswith("priorityclasses"))
    assert row == ["priorityclasses", "pc", "scheduling.k8s.io/v1", "false", "PriorityClass"]
    assert "nodes" not in nodeguard("api-resources", "--namespaced=true", "--api-group=", "-o", "name").split()


def test_run_through_the_agent(nodeguard: Nodeguard, agent: FakeAgent, manifest: Callable[[str], str]) -> None:
    one = POD.replace("NAME", "short").replace("metadata: {", "metadata: {namespace: fresh, ")
    others = (
        "---\n{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: k}, value: 1}\n"
        "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: run-map}, data: {a: b}, binaryData: {c: /w==}}\n"
        "---\n{apiVersion: v1, kind: Secret, metadata: {name: run-key}, stringData: {a: b}}\n"
    )
    path = manifest(one + others)

    def end() -> None:
        while not (mine := [uid for uid, pod in agent.pods.items() if pod["metadata"]["name"] == "short"]):
            time.sleep(0.02)
        pod: Any = agent.pods[mine[0]]
        state = {"terminated": {"exitCode": 5, "containerID": "runc://app", "finishedAt": "2026-11-21T10:00:00Z"}}
        status = ended_status(pod, "Failed")
        status["containerStatuses"][0]["state"] = state
        agent.report(mine[0], status)

    ending = threading.Thread(target=end)
    ending.start()
    told = nodeguard("run", path, fails=5)
    ending.join()
    assert "Normal  Started          pod/short: Started container" in told
    assert nodeguard("get", "pods", "-A", "-o", "name") == ""
    assert "fresh" not in nodeguard("get", "ns", "-o", "name")
    assert "/k" not in nodeguard("get", "pc", "-o", "name")
    assert "run-" not in nodeguard("get", "cm,secrets", "-o", "name")


def test_run_leaves_nothing_of_refused_pods(nodeguard: Nodeguard, manifest: Callable[[str], str], web: str) -> None:
    two = manifest(POD.replace("NAME", "first") + "---\n" + POD.replace("NAME", "web"))
    assert "already exists" in nodeguard("run", two, fails=5)
    assert nodeguard("get", "pods", "-o", "name") == "pod/web\n"
