"""``nodeguard get node`` and ``describe node``: as kubectl prints them."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from podbuilder import amounts

from nodeguard.agent import node_look
from nodeguard.agent.config_load import load
from nodeguard.agent.history_file import FILE_NAME
from nodeguard.agent.history_writer import History
from nodeguard.agent.node_file import NodeFile, path_of, to_text, write_text
from nodeguard.agent.node_view import look
from nodeguard.agent.record import Owner
from nodeguard.cli.get_node import node_table
from nodeguard.cli.main import run
from nodeguard.errors import HostLacks
from nodeguard.model.meta import Event
from nodeguard.model.node import NodeAddress, NodeCondition, NodeFacts, NodeSystemInfo
from nodeguard.model.placement import Taint
from nodeguard.model.signal import Signal
from nodeguard.policy.node_object import node_object
from nodeguard.policy.pod_share import PodShare
from nodeguard.policy.signal_state import SignalState, ThresholdState

FACTS = NodeFacts(
    name="n1",
    registered_at=1_000_000_000.0,
    capacity=amounts("cpu=4 memory=8Gi pods=110"),
    allocatable=amounts("cpu=4 memory=8Gi pods=110"),
    system=NodeSystemInfo(
        os_image="Debian", kernel_version="6.1.0", kubelet_version="v0", container_runtime_version="runc://1.1.5"
    ),
    addresses=(NodeAddress(type="InternalIP", address="192.0.2.7"), NodeAddress(type="Hostname", address="n1")),
)


def condition(type_: str, status: str, message: str = "") -> NodeCondition:
    return NodeCondition(
        type=type_,
        status=status,
        reason=f"Because{type_}",
        message=message,
        last_heartbeat_at=1_000_000_000.0,
        last_transition_at=1_000_000_000.0,
    )


def pod(name: str, requests: str, limits: str) -> PodShare:
    return PodShare(
        namespace="default",
        name=name,
        uid=name,
        qos_class="Burstable",
        priority=7,
        requests=amounts(requests),
        limits=amounts(limits),
        started_at=0.0,
    )


@pytest.fixture(autouse=True)
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NODEGUARD_CONFIG", "/dev/null")
    monkeypatch.setenv("NODEGUARD_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("NODEGUARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TZ", "UTC")
    return tmp_path


@pytest.fixture
def told(run_dir: Path) -> NodeFile:
    """What a living process tells."""
    file = NodeFile(
        owner=Owner.current(),
        renewed_at=1e12,
        facts=FACTS,
        conditions=(condition("MemoryPressure", "True", "kubelet has: 93Mi"), condition("Ready", "True", "ok")),
        signals=(
            SignalState(
                signal=Signal.MEMORY_AVAILABLE,
                threshold="memory.available<100Mi/hard",
                state=ThresholdState.MET,
                available=93 << 20,
                capacity=1 << 30,
                met_since=0.0,
            ),
            SignalState(
                signal=Signal.NODEFS_INODES_FREE,
                threshold="nodefs.inodesFree<5%/soft",
                state=ThresholdState.GRACE,
                available=40,
                capacity=1000,
                acts_at=1e11,
                mount_point="/data",
                device="/dev/vdb",
            ),
            SignalState(signal=Signal.PID_AVAILABLE, threshold="pid.available<5%/hard", state=ThresholdState.UNKNOWN),
        ),
        ends={"MemoryPressure": 0.0},
        pods=(pod("a", "cpu=1 memory=2Gi", "memory=4Gi"), pod("b", "cpu=500m", "example.com/gpu=1")),
    )
    write(run_dir, file)
    return file


def write(run_dir: Path, file: NodeFile) -> None:
    path = path_of(run_dir, file.owner)
    path.parent.mkdir(exist_ok=True)
    write_text(path, to_text(file))


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_the_table(told: NodeFile, capsys: pytest.CaptureFixture[str]) -> None:
    header, line = answer(capsys, "get", "node").splitlines()
    assert header.split() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    name, status, roles, _, version = line.split()
    assert (name, status, roles, version) == ("n1", "Ready", "<none>", "v0")


def test_the_wide_table(told: NodeFile, capsys: pytest.CaptureFixture[str]) -> None:
    header, line = answer(capsys, "get", "nodes", "-o", "wide").splitlines()
    assert header.split()[5:] == ["INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"]
    assert line.split()[5:] == ["192.0.2.7", "<none>", "Debian", "6.1.0", "runc://1.1.5"]


@pytest.mark.parametrize(
    ("conditions", "unschedulable", "status"),
    [
        ([condition("Ready", "True")], False, "Ready"),
        ([condition("Ready", "False")], False, "NotReady"),
        ([condition("Ready", "Unknown")], False, "NotReady"),
        ([], False, "Unknown"),
        ([condition("Ready", "True")], True, "Ready,SchedulingDisabled"),
    ],
)
def test_the_status_as_kubectl_words_it(conditions: list[Any], unschedulable: bool, status: str) -> None:
    item = node_object(replace(FACTS, unschedulable=unschedulable), conditions)
    assert node_table([item], wide=False, now=1_000_000_060.0).splitlines()[1].split() == [
        "n1",
        status,
        "<none>",
        "60s",
        "v0",
    ]


def test_roles_come_from_labels() -> None:
    labels = {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/edge": "", "other": "x"}
    item = node_object(replace(FACTS, labels=labels), [])
    assert " edge,worker " in node_table([item], wide=False, now=0.0)


def test_the_object(told: NodeFile, capsys: pytest.CaptureFixture[str]) -> None:
    node = json.loads(answer(capsys, "get", "node", "-o", "json"))
    assert (node["apiVersion"], node["kind"], node["metadata"]["name"]) == ("v1", "Node", "n1")
    assert node["status"]["conditions"][0]["message"] == "kubelet has: 93Mi"
    assert node["spec"]["taints"] == [{"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}]
    assert yaml.safe_load(answer(capsys, "get", "node", "n1", "-o", "yaml")) == node
    assert json.loads(answer(capsys, "get", "node/n1", "-o", "json")) == node
    listed = json.loads(answer(capsys, "get", "nodes", "-o", "json"))
    assert (listed["kind"], listed["items"]) == ("List", [node])
    assert json.loads(answer(capsys, "get", "nodes", "n1", "-o", "json")) == node


@pytest.mark.parametrize("word", ["node", "nodes", "no"])
def test_the_name(told: NodeFile, capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert answer(capsys, "get", word, "-o", "name") == "node/n1\n"


@pytest.mark.parametrize("arguments", [["get", "node", "n2"], ["get", "nodes/n2"], ["describe", "node", "n2"]])
def test_another_node_is_not_found(told: NodeFile, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(arguments) == 4
    assert capsys.readouterr() == ("", 'Error: nodes "n2" not found; this host is n1\n')


@pytest.mark.parametrize("arguments", [["get", "node", "-o", "xml"], ["get", "nodo"], ["describe", "nodo"]])
def test_wrong_usage(told: NodeFile, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().out == ""


def test_the_description(told: NodeFile, capsys: pytest.CaptureFixture[str]) -> None:
    text = answer(capsys, "describe", "node")
    for line in (
        r"Name: +n1",
        r"Taints: +node\.kubernetes\.io/memory-pressure:NoSchedule",
        r"CreationTimestamp: +Sun, 09 Sep 2001 01:46:40 \+0000",
        rf"  HolderIdentity: +process {os.getpid()}",
        r"  MemoryPressure +True +Sun, 09 Sep 2001 .* BecauseMemoryPressure +kubelet has: 93Mi",
        r"  memory\.available +93Mi +1Gi +<100Mi, hard +Met for \w+ +<none>",
        r"  nodefs\.inodesFree +40 +1000 +<5%, soft +GracePeriod, acts in \w+ +/data \(/dev/vdb\)",
        r"  pid\.available +<unknown> +<unknown> +<5%, hard +Unknown +<none>",
        r"  MemoryPressure ends now at the earliest",
        r"  InternalIP: +192\.0\.2\.7",
        r"  memory: +8Gi",
        r"Non-terminated Pods: +\(2 in total\)",
        r"  default +a +Burstable +7 +1 \(25%\) +0 \(0%\) +2Gi \(25%\) +4Gi \(50%\) +\w+",
        r"  cpu +1500m \(37%\) +0 \(0%\)",
        r"  memory +2Gi \(25%\) +4Gi \(50%\)",
        r"  example\.com/gpu +0 \(0%\) +1 \(0%\)",
    ):
        assert re.search(f"^{line}$", text, re.MULTILINE), f"{line}\n{text}"


def test_the_nodes_events(told: NodeFile, run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "describe", "node").endswith("Events:             <none>\n")
    (run_dir / "state").mkdir()
    history = History(run_dir / "state" / FILE_NAME)
    now = time.time()
    for at, fields in ((now - 90, {"node": "n1"}), (now - 4000, {"node": "n1"}), (now, {"pod": "default/a"})):
        history.event(Event(at=at, type="Normal", reason="NodeReady", message="Node n1 status is now", **fields))
    assert history.close()
    lines = answer(capsys, "describe", "node").partition("Events:\n")[2].splitlines()
    assert len(lines) == 3, "the node's own of the last hour"
    assert re.fullmatch(r"  Normal  NodeReady  \d+s  nodeguard  Node n1 status is now", lines[2])


def test_a_damaged_history_is_told_and_stops_nothing(
    told: NodeFile, run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_dir / "state").mkdir()
    (run_dir / "state" / FILE_NAME).write_bytes(b"no database" * 500)
    assert run(["describe", "node"]) == 0
    out, err = capsys.readouterr()
    assert out.endswith("Events:             <none>\n")
    assert err.startswith("Warning: ")


def test_a_taint_with_a_value(run_dir: Path, told: NodeFile, capsys: pytest.CaptureFixture[str]) -> None:
    write(run_dir, replace(told, facts=replace(FACTS, taints=(Taint(key="dedicated", value="gpu"),))))
    assert "dedicated=gpu:NoSchedule\n" in answer(capsys, "describe", "node")


def test_when_nobody_runs_the_host_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    node = json.loads(answer(capsys, "get", "node", "-o", "json"))
    conditions = {one["type"]: one for one in node["status"]["conditions"]}
    assert list(conditions) == ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"]
    assert conditions["MemoryPressure"]["status"] in ("True", "False")
    assert (conditions["Ready"]["status"], conditions["Ready"]["reason"]) == ("Unknown", "NodeStatusNeverUpdated")
    assert {taint["effect"] for taint in node["spec"]["taints"]} == {"NoSchedule", "NoExecute"}
    text = answer(capsys, "describe", "node")
    assert re.search(r"^  memory\.available +\S+", text, re.MULTILINE)
    assert "HolderIdentity:  <none>" in text


def test_a_host_without_cgroups_has_no_memory_signal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> None:
        raise HostLacks("no memory controller")

    monkeypatch.setattr(node_look, "find_root", refuse)
    node = json.loads(answer(capsys, "get", "node", "-o", "json"))
    memory = node["status"]["conditions"][0]
    assert (memory["type"], memory["status"]) == ("MemoryPressure", "Unknown")
    assert memory["message"] == "kubelet cannot tell: memory.available cannot be read"


def test_a_disk_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: object) -> None:
        raise OSError("stale handle")

    monkeypatch.setattr("nodeguard.kernel.filesystem.read", refuse)
    node = json.loads(answer(capsys, "get", "node", "-o", "json"))
    disk = node["status"]["conditions"][1]
    assert (disk["type"], disk["status"]) == ("DiskPressure", "Unknown")
    assert "nodefs.available" in disk["message"]


def test_an_arena_without_a_tree_is_all_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEGUARD_CGROUP_ROOT", "/ng-nowhere")
    view = look(load({"capacity": "memory=64Mi,pids=100"}))
    by_signal = {state.signal: state for state in view.signals}
    assert Signal.ALLOCATABLE_MEMORY_AVAILABLE not in by_signal
    memory, pids = by_signal[Signal.MEMORY_AVAILABLE], by_signal[Signal.PID_AVAILABLE]
    assert (memory.available, memory.capacity) == (64 << 20, 64 << 20)
    assert (pids.available, pids.capacity) == (100, 100)
    conditions = {one["type"]: one["status"] for one in view.node["status"]["conditions"]}
    assert conditions["MemoryPressure"] == "False", "the default threshold is smaller for a small arena"
