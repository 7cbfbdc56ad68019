"""The node as it is told and read while pods run: conditions, admission under pressure, agents that die."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from root.lab import (
    Json,
    assert_is_told,
    container,
    finish,
    kill_at_once,
    pod,
    resources,
    run_pods,
    start_pods,
    wait_for,
    wait_for_up,
)
from sandbox import Running, Sandbox

from nodeguard.model.instant import parse_rfc3339

pytestmark = pytest.mark.root

SHORT_OF_MEMORY = (
    *("--capacity", "memory=256Mi", "--eviction-hard", "memory.available<300Mi"),
    *("--eviction-mode", "observe"),
)
"""The arena has less than the threshold demands, and nobody is to go for it."""


def guaranteed(name: str = "p") -> Json:
    return pod(name, container(resources=resources(limits="cpu=100m memory=64Mi")))


def node_of(sandbox: Sandbox, *options: str) -> Json:
    done = sandbox.nodeguard("get", "node", "-o", "json", *options)
    assert done.returncode == 0, done.stderr
    node: Json = json.loads(done.stdout)
    return node


def conditions_of(node: Json) -> dict[str, Json]:
    return {condition["type"]: condition for condition in node["status"]["conditions"]}


def wait_for_status(sandbox: Sandbox, type_: str, status: str) -> Json:
    def look() -> Json | None:
        condition = conditions_of(node_of(sandbox))[type_]
        return condition if condition["status"] == status else None

    return wait_for(look, f"{type_} to be {status}")


def told_files(sandbox: Sandbox) -> list[Path]:
    directory = sandbox.run_dir / "nodes"
    return [path for path in directory.iterdir() if path.suffix == ".json"] if directory.is_dir() else []


def test_a_node_with_a_pod(sandbox: Sandbox) -> None:
    with start_pods(sandbox, guaranteed(), options=("--capacity", "cpu=1,memory=256Mi")) as running:
        wait_for_up(running)
        wait_for(lambda: list((sandbox.run_dir / "nodes").glob("*.json")), "the node's first word")
        node = node_of(sandbox)
        conditions = conditions_of(node)
        assert (conditions["Ready"]["status"], conditions["Ready"]["reason"]) == ("True", "KubeletReady")
        assert conditions["MemoryPressure"]["reason"] == "KubeletHasSufficientMemory"
        assert node["status"]["capacity"]["memory"] == "256Mi"
        assert node["status"]["capacity"]["cpu"] == "1"
        assert "taints" not in node["spec"]
        wide = sandbox.nodeguard("get", "nodes", "-o", "wide").stdout.splitlines()[1].split()
        assert wide[:2] == [os.uname().nodename, "Ready"]
        assert "://" in wide[-1], "the runtime with its version"
        described = sandbox.nodeguard("describe", "node").stdout
        assert "Non-terminated Pods:  (1 in total)" in described
        assert "100m (10%)" in described
        assert f"process {running.pid}" in described
        kill_at_once(running)
        finish(running)
    assert conditions_of(node_of(sandbox))["Ready"]["status"] == "Unknown"


def test_what_a_killed_agent_told_is_not_believed(sandbox: Sandbox) -> None:
    with start_pods(sandbox, guaranteed()) as running:
        wait_for_up(running)
        wait_for_status(sandbox, "Ready", "True")
        running.signal(signal.SIGKILL)
        running.wait()
        assert len(told_files(sandbox)) == 1
        ready = conditions_of(node_of(sandbox))["Ready"]
        assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusNeverUpdated")
        assert sandbox.nodeguard("cleanup").returncode == 0
    assert told_files(sandbox) == []


def test_pressure_is_told_with_its_numbers_and_closes_the_door_to_besteffort(sandbox: Sandbox) -> None:
    with start_pods(sandbox, guaranteed("inside"), options=SHORT_OF_MEMORY, name="first") as running:
        wait_for_up(running)
        condition = wait_for_status(sandbox, "MemoryPressure", "True")
        assert condition["reason"] == "KubeletHasInsufficientMemory"
        assert condition["message"].startswith("kubelet has insufficient memory available: memory.available is ")
        assert "of 268435456 (256Mi), threshold 314572800 (300Mi), hard" in condition["message"]
        taints = node_of(sandbox)["spec"]["taints"]
        assert taints == [{"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}]
        refused = run_pods(sandbox, pod("outside"), options=("--capacity", "memory=256Mi"))
        assert refused.code == 10, "what one process says of the node, others heed"
        assert_is_told(refused.text, "pod default/outside: Evicted: The node had condition: [MemoryPressure].")
        kill_at_once(running)
        finish(running)


@pytest.mark.parametrize(
    ("object_", "code"),
    [
        pytest.param(pod("p", container(script="exit 0")), 10, id="BestEffort stays outside"),
        pytest.param(
            pod("p", container(script="exit 0", resources=resources("memory=10Mi"))), 0, id="Burstable comes in"
        ),
        pytest.param(
            pod(
                "p",
                container(script="exit 0"),
                tolerations=[{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}],
            ),
            0,
            id="BestEffort that tolerates it comes in",
        ),
        pytest.param(
            pod("p", container(script="exit 0"), priorityClassName="system-node-critical"), 0, id="critical comes in"
        ),
    ],
)
def test_admission_under_memory_pressure(sandbox: Sandbox, object_: Json, code: int) -> None:
    outcome = run_pods(sandbox, object_, options=SHORT_OF_MEMORY)
    assert outcome.code == code, outcome.text


def test_nobody_comes_in_under_disk_pressure(sandbox: Sandbox) -> None:
    options = ("--eviction-hard", "nodefs.available<100.0%", "--eviction-mode", "observe")
    outcome = run_pods(sandbox, guaranteed("p"), options=options)
    assert outcome.code == 10
    assert_is_told(outcome.text, "pod default/p: Evicted: The node had condition: [DiskPressure].")
    assert list((sandbox.run_dir / "pods").iterdir()) == []
    status, message = outcome.status(), "The node had condition: [DiskPressure]. "
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", message)
    (event,) = (event for event in outcome.events if event["reason"] == "Evicted")
    assert (event["type"], event["pod"], event["message"]) == ("Warning", "default/p", message)
    record = json.loads(sandbox.nodeguard("explain", "kill", "pod/p", "-o", "json").stdout)
    assert (record["type"], record["conditions"]) == ("Rejected", ["DiskPressure"])


def test_disk_pressure_names_the_file_system_and_its_numbers(sandbox: Sandbox, small_disk: Path) -> None:
    options = ("--imagefs", str(small_disk), "--eviction-mode", "observe")
    with start_pods(sandbox, guaranteed(), options=options) as running:
        wait_for_up(running)
        assert conditions_of(node_of(sandbox))["DiskPressure"]["status"] == "False"
        fill(small_disk, 40)
        message = wait_for_status(sandbox, "DiskPressure", "True")["message"]
        told = re.search(r"imagefs\.inodesFree is (\d+) of (\d+), threshold 5% = 50, hard, at (\S+) \(small\)", message)
        assert told is not None, message
        assert int(told[1]) < 50, "as it was when it was seen"
        assert (int(told[2]), told[3]) == (os.statvfs(small_disk).f_files, str(small_disk))
        kill_at_once(running)
        finish(running)
    fill(small_disk, 30)
    config = sandbox.base / "config.yaml"
    config.write_text(f"nodeguard:\n  imagefs: {small_disk}\n")
    now = os.statvfs(small_disk)
    message = conditions_of(node_of(sandbox, "--config", str(config)))["DiskPressure"]["message"]
    assert f"imagefs.inodesFree is {now.f_ffree} of {now.f_files}" in message


def test_pressure_stays_for_the_transition_period(sandbox: Sandbox, small_disk: Path) -> None:
    options = (
        "--imagefs",
        str(small_disk),
        "--eviction-mode",
        "observe",
        "--eviction-pressure-transition-period",
        "3s",
    )
    with start_pods(sandbox, guaranteed(), options=options) as running:
        wait_for_up(running)
        fill(small_disk, 40)
        began = wait_for_status(sandbox, "DiskPressure", "True")
        for path in small_disk.glob("junk-*"):
            path.unlink()
        ended = wait_for_status(sandbox, "DiskPressure", "False")
        assert (ended["reason"], ended["message"]) == ("KubeletHasNoDiskPressure", "kubelet has no disk pressure")
        began_at, ended_at = (parse_rfc3339(one["lastTransitionTime"]) for one in (began, ended))
        assert began_at is not None
        assert ended_at is not None
        assert ended_at - began_at >= 2, "three seconds, of which each may lose a fraction"
        kill_at_once(running)
        outcome = finish(running)
    told = [event["reason"] for event in outcome.events if "Disk" in event["reason"]]
    assert told == ["NodeHasDiskPressure", "NodeHasNoDiskPressure"]


def test_a_file_system_that_vanishes_is_unknown_and_no_pressure(sandbox: Sandbox, small_disk: Path) -> None:
    options = ("--imagefs", str(small_disk))
    with start_pods(sandbox, guaranteed(), options=options) as running:
        wait_for_up(running)
        subprocess.run(["umount", "--lazy", small_disk], check=True)
        condition = wait_for_status(sandbox, "DiskPressure", "Unknown")
        assert condition["reason"] == "SignalUnknown"
        assert "imagefs.available" in condition["message"]
        assert conditions_of(node_of(sandbox))["MemoryPressure"]["status"] == "False"
        assert "taints" not in node_of(sandbox)["spec"]
        kill_at_once(running)
        assert "Evicted" not in finish(running).reasons()


def fill(disk: Path, inodes_left: int) -> None:
    """Make files until so many inodes are left."""
    for number in range(os.statvfs(disk).f_ffree - inodes_left):
        (disk / f"junk-{inodes_left}-{number}").touch()


@pytest.fixture
def small_disk(sandbox: Sandbox) -> Iterator[Path]:
    """A file system with a thousand inodes."""
    path = sandbox.base / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=1000,size=64m", "small", path], check=True)
    yield path
    if os.path.ismount(path):
        subprocess.run(["umount", path], check=True)


def test_all_or_none_come_in(sandbox: Sandbox) -> None:
    outcome = run_pods(sandbox, guaranteed("in"), pod("out"), options=SHORT_OF_MEMORY)
    assert outcome.code == 10
    assert "default/in" not in outcome.text.replace("default/out", "")


def test_the_legacy_check_refuses_everybody(sandbox: Sandbox) -> None:
    free_mb = os.statvfs(sandbox.base).f_frsize * os.statvfs(sandbox.base).f_bavail >> 20
    critical = pod("p", container(script="exit 0"), priorityClassName="system-node-critical")
    refused = run_pods(sandbox, critical, options=("--low-diskspace-threshold-mb", str(2 * free_mb + 1)))
    assert refused.code == 10
    assert_is_told(refused.text, "pod default/p: OutOfDisk: cannot be started due to lack of disk space.")
    admitted = run_pods(sandbox, critical, options=("--low-diskspace-threshold-mb", "1"))
    assert admitted.code == 0, admitted.text


def test_a_damaged_word_of_another_process_stops_nobody(sandbox: Sandbox) -> None:
    nodes = sandbox.run_dir / "nodes"
    nodes.mkdir()
    (nodes / f"{os.getpid()}.json").write_text('{"owner": {"pid": 1')
    (nodes / "1.json").write_bytes(b"\xff" * 5000)
    assert run_pods(sandbox, pod("p", container(script="exit 0"))).code == 0
    assert told_files(sandbox) == []


def test_a_frozen_agent_is_believed_until_it_has_been_silent_for_too_long(sandbox: Sandbox) -> None:
    with start_pods(sandbox, guaranteed()) as running:
        wait_for_up(running)
        wait_for_status(sandbox, "Ready", "True")
        running.signal(signal.SIGSTOP)
        _age(told_files(sandbox)[0])
        condition = conditions_of(node_of(sandbox))["Ready"]
        assert (condition["status"], condition["reason"]) == ("Unknown", "NodeStatusUnknown")
        running.signal(signal.SIGCONT)
        _end(running)


def _age(path: Path) -> None:
    """As if the last sign of life had been a minute ago."""
    data = json.loads(path.read_bytes())
    data["renewedAt"] -= 60.0
    path.write_text(json.dumps(data))


def _end(running: Running) -> None:
    kill_at_once(running)
    finish(running)
