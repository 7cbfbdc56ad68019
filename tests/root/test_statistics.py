"""``top`` and ``stats`` beside the kernel's own files, read before and after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families
from root.lab import (
    CONTROLLERS,
    VERSION,
    Json,
    cgroup_directory,
    cgroup_of,
    container,
    control,
    kill_at_once,
    pod,
    record,
    resources,
    start_pods,
    wait_for,
    wait_for_up,
)
from sandbox import Running, Sandbox

pytestmark = pytest.mark.root

MIB = 1 << 20
SLACK_BYTES = 2 * MIB
"""The kernel counts in batches on each CPU, and what is charged to whom moves a little while nothing happens."""

ARENA = ("--capacity", "cpu=1,memory=512Mi")
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "summary.json").read_text())

HOLD = 'x=$(head -c 8388608 /dev/zero | tr "\\0" x); echo up; sleep 1000 & wait'
"""Holds 8 MiB of anonymous memory and two processes."""

STREAM = (
    "head -c 33554432 /dev/zero > /scratch/file; "
    "for i in 1 2 3; do cat /scratch/file > /dev/null; done; echo up; sleep 1000"
)
SCRATCH: dict[str, Any] = {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}


def summary(sandbox: Sandbox, *options: str) -> Json:
    done = sandbox.nodeguard("stats", *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: Json = json.loads(done.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    return found


def top(sandbox: Sandbox, *words: str) -> list[list[str]]:
    """The lines of a table, by columns."""
    done = sandbox.nodeguard("top", *words)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def pod_stats(found: Json, name: str = "p") -> Json:
    stats: Json = next(each for each in found["pods"] if each["podRef"]["name"] == name)
    return stats


def container_stats(found: Json, name: str = "main", pod: str = "p") -> Json:
    stats: Json = next(each for each in pod_stats(found, pod)["containers"] if each["name"] == name)
    return stats


def keyed(path: str, file: str) -> dict[str, int]:
    return {key: int(value) for key, value in (line.split() for line in control(path, file).splitlines())}


def usage_bytes(path: str) -> int:
    return int(control(path, "memory.usage_in_bytes" if VERSION == 1 else "memory.current"))


def working_set_bytes(path: str) -> int:
    """Usage without the inactive file cache, as the kernel's files tell them."""
    key = "total_inactive_file" if VERSION == 1 else "inactive_file"
    return max(0, usage_bytes(path) - keyed(path, "memory.stat")[key])


def rss_bytes(path: str) -> int:
    return keyed(path, "memory.stat")["total_rss" if VERSION == 1 else "anon"]


def cpu_ns(path: str) -> int:
    if VERSION == 1:
        return int((cgroup_directory(path, "cpuacct") / "cpuacct.usage").read_text())
    return keyed(path, "cpu.stat")["usage_usec"] * 1000


def between(sandbox: Sandbox, *looks: Callable[[], int]) -> tuple[Json, list[tuple[int, int]]]:
    """The Summary, and what each look told before and after it."""
    before = [look() for look in looks]
    found = summary(sandbox)
    return found, [(first, look()) for first, look in zip(before, looks, strict=True)]


def is_near(value: int, bounds: tuple[int, int], slack: int = SLACK_BYTES) -> bool:
    return min(bounds) - slack <= value <= max(bounds) + slack


def end(running: Running) -> None:
    """The pods are stopped, and everything of them is gone."""
    kill_at_once(running)
    running.wait()


@pytest.fixture(scope="module")
def held(module_sandbox: Sandbox) -> Iterator[Sandbox]:
    """An arena with one pod that holds memory and does nothing, for all tests that only look."""
    limits = resources("cpu=100m memory=32Mi", "cpu=500m memory=64Mi")
    with start_pods(module_sandbox, pod("p", container(script=HOLD, resources=limits)), options=ARENA) as running:
        wait_for_up(running)
        yield module_sandbox
        end(running)


def test_memory_and_cpu_are_what_the_kernel_tells(held: Sandbox) -> None:
    group, inner = cgroup_of(held), cgroup_of(held, container="main")
    found, (usage, working_set, rss, cpu, node) = between(
        held,
        lambda: usage_bytes(group),
        lambda: working_set_bytes(inner),
        lambda: rss_bytes(inner),
        lambda: cpu_ns(inner),
        lambda: working_set_bytes(held.tree_root),
    )
    stats = container_stats(found)
    assert is_near(pod_stats(found)["memory"]["usageBytes"], usage)
    assert is_near(stats["memory"]["workingSetBytes"], working_set)
    assert is_near(stats["memory"]["rssBytes"], rss)
    assert stats["memory"]["rssBytes"] > 8 * MIB - SLACK_BYTES
    assert cpu[0] <= stats["cpu"]["usageCoreNanoSeconds"] <= cpu[1]
    assert stats["memory"]["availableBytes"] == 64 * MIB - stats["memory"]["workingSetBytes"]
    assert is_near(found["node"]["memory"]["workingSetBytes"], node)
    assert found["node"]["memory"]["availableBytes"] == 512 * MIB - found["node"]["memory"]["workingSetBytes"]


def test_processes_threads_and_limits(held: Sandbox) -> None:
    found = summary(held)
    procs = (cgroup_directory(cgroup_of(held, container="main"), "pids") / "cgroup.procs").read_text()
    assert pod_stats(found)["process_stats"]["process_count"] == len(procs.split())
    limits = [int(Path(f"/proc/sys/kernel/{name}").read_text()) for name in ("pid_max", "threads-max")]
    assert found["node"]["rlimit"]["maxpid"] == min(limits)
    assert found["node"]["rlimit"]["curproc"] > 1


def test_who_the_memory_belongs_to(held: Sandbox) -> None:
    groups = {each["name"]: each for each in summary(held)["node"]["systemContainers"]}
    assert set(groups) == {"pods", "kubelet", "runtime"}  # in an arena there is no rest
    assert is_near(groups["pods"]["memory"]["workingSetBytes"], (working_set_bytes(held.tree_root),) * 2)
    assert groups["kubelet"]["memory"]["rssBytes"] > MIB
    assert groups["runtime"]["memory"]["usageBytes"] > 0
    for each in groups.values():
        assert not {"rootfs", "logs"} & set(each)


def test_the_arena_in_top_is_the_root_cgroup(held: Sandbox) -> None:
    """What `top node` says can be read in the root's own files."""
    directory = Path(held.nodeguard("cgroup", "path", "root").stdout.strip())
    stat = dict(line.split() for line in (directory / "memory.stat").read_text().splitlines())
    file, key = (
        ("memory.usage_in_bytes", "total_inactive_file") if VERSION == 1 else ("memory.current", "inactive_file")
    )
    expected = int((directory / file).read_text()) - int(stat[key])
    done = held.nodeguard("top", "node", "-o", "json")
    assert is_near(json.loads(done.stdout)["memory"]["workingSetBytes"], (expected, expected))


def test_pressure_at_every_level(held: Sandbox) -> None:
    found = summary(held)
    pods = [found["node"], pod_stats(found), container_stats(found)]
    for stats in pods if "unified" in CONTROLLERS else []:
        for resource in ("cpu", "memory", "io"):
            psi = stats[resource]["psi"]
            assert psi["some"]["total"] >= psi["full"]["total"] >= 0
            assert 0.0 <= psi["some"]["avg10"] <= 100.0
    wide = json.loads(held.nodeguard("top", "node", "-o", "json").stdout)
    assert [tier["name"] for tier in wide["tiers"]] == ["guaranteed", "burstable", "besteffort"]


def test_the_short_form_has_cpu_and_memory_alone(held: Sandbox) -> None:
    found = summary(held, "--only-cpu-and-memory")
    assert set(found["node"]) <= {"nodeName", "systemContainers", "startTime", "cpu", "memory", "swap"}
    assert set(container_stats(found)) <= {"name", "startTime", "cpu", "memory", "swap"}
    assert set(pod_stats(found)) <= {"podRef", "startTime", "containers", "cpu", "memory", "swap"}


def test_metrics_of_a_live_pod(held: Sandbox) -> None:
    def scrape() -> dict[tuple[str, str | None], float]:
        """By name, and the label that matters here; empty until the run has told how the node is."""
        found = {
            (sample.name, sample.labels.get("container", sample.labels.get("signal"))): sample.value
            for family in text_string_to_metric_families(held.nodeguard("stats", "-o", "prometheus").stdout)
            for sample in family.samples
        }
        return found if ("nodeguard_signal_available_bytes", "memory.available") in found else {}

    samples = wait_for(scrape, "the signals of the node")
    inner = cgroup_of(held, container="main")
    assert is_near(int(samples["container_memory_rss", "main"]), (rss_bytes(inner), rss_bytes(inner)))
    assert samples["container_spec_memory_limit_bytes", "main"] == 64 * MIB
    assert 0 < samples["container_cpu_usage_seconds_total", "main"] <= cpu_ns(inner) / 1e9
    assert samples["kubelet_running_pods", None] == 1
    assert samples["machine_memory_bytes", None] == 512 * MIB
    assert 0 < samples["nodeguard_signal_available_bytes", "memory.available"] <= 512 * MIB


def test_a_pod_that_burns_cpu_shows_up_in_top(sandbox: Sandbox) -> None:
    burner = pod("burner", container(script="echo up; while :; do :; done", resources=resources(limits="cpu=300m")))
    with start_pods(sandbox, burner, pod("idle", container(script="echo up; sleep 1000"))) as running:
        wait_for_up(running, 2)
        header, first, second = top(sandbox, "pods", "--sort-by", "cpu")
        assert header == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
        assert (first[0], second[0]) == ("burner", "idle")
        assert int(first[1].removesuffix("m")) > int(second[1].removesuffix("m"))
        (row,) = top(sandbox, "pods", "burner", "--containers", "--no-headers")
        assert row[:2] == ["burner", "main"]
        assert int(row[2].removesuffix("m")) > 0
        assert top(sandbox, "pods", "-A", "--no-headers")[0][:2] == ["default", "burner"]
        end(running)


def test_a_pod_that_streams_a_file_keeps_a_small_working_set(sandbox: Sandbox) -> None:
    """File cache is shown as what it is, and can be given back."""
    streamer = pod(
        "p",
        container(script=STREAM, resources=resources(limits="cpu=1 memory=64Mi"), **SCRATCH),
        volumes=[{"name": "scratch", "emptyDir": {}}],
    )
    with start_pods(sandbox, streamer, options=ARENA) as running:
        wait_for_up(running)
        inner = cgroup_of(sandbox, container="main")
        found, (usage, working_set) = between(sandbox, lambda: usage_bytes(inner), lambda: working_set_bytes(inner))
        memory = container_stats(found)["memory"]
        assert is_near(memory["usageBytes"], usage)
        assert is_near(memory["workingSetBytes"], working_set)
        assert memory["usageBytes"] > 30 * MIB
        assert memory["rssBytes"] < 8 * MIB
        lines = json.loads(sandbox.nodeguard("top", "node", "-o", "json").stdout)["memorySum"]
        by_name = {line["name"]: line["bytes"] for line in lines}
        assert by_name["reclaimable"] > 24 * MIB
        assert by_name["usage"] - by_name["inactiveFile"] == by_name["workingSet"]
        end(running)


def test_disks(sandbox: Sandbox) -> None:
    script = (
        "head -c 5242880 /dev/zero > /scratch/a; touch /scratch/b; head -c 3145728 /dev/zero > /memory/c; "
        "head -c 2097152 /dev/zero > /written; echo up; sleep 1000"
    )
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("scratch", "memory")]
    writer = pod(
        "p",
        container(script=script, volumeMounts=mounts),
        volumes=[
            {"name": "scratch", "emptyDir": {}},
            {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        ],
    )
    with start_pods(sandbox, writer) as running:
        wait_for_up(running)
        found = summary(sandbox)
        stats = pod_stats(found)
        volumes = {each["name"]: each for each in stats["volume"]}
        scratch = Path(record(sandbox)["state_dir"]) / "volumes" / "scratch"
        words = subprocess.run(["du", "-s", "-B1", scratch], capture_output=True, text=True, check=True).stdout.split()
        assert is_near(volumes["scratch"]["usedBytes"], (int(words[0]),) * 2, 64 << 10)
        assert volumes["scratch"]["inodesUsed"] == 3
        assert volumes["memory"]["usedBytes"] == 3 * MIB
        assert volumes["memory"]["capacityBytes"] == 16 * MIB
        main = container_stats(found)
        assert is_near(main["rootfs"]["usedBytes"], (2 * MIB, 2 * MIB), 64 << 10)
        total = volumes["scratch"]["usedBytes"] + main["rootfs"]["usedBytes"] + main["logs"]["usedBytes"]
        assert is_near(stats["ephemeral-storage"]["usedBytes"], (total, total), 64 << 10)
        whole = os.statvfs(sandbox.state_dir)
        for part in (found["node"]["fs"], found["node"]["runtime"]["imageFs"], main["rootfs"], main["logs"]):
            assert part["capacityBytes"] == whole.f_frsize * whole.f_blocks
            assert part["inodes"] == whole.f_files
        assert found["node"]["runtime"]["containerFs"]["usedBytes"] == main["rootfs"]["usedBytes"]
        end(running)


def test_disks_of_a_run_that_was_told_other_places(sandbox: Sandbox) -> None:
    """Whoever looks need not be told them again."""
    nodefs, imagefs = sandbox.base / "nodefs", sandbox.base / "imagefs"
    nodefs.mkdir()
    imagefs.mkdir()
    script = "head -c 2097152 /dev/zero > /written; echo up; sleep 1000"
    options = ("--nodefs", str(nodefs), "--imagefs", str(imagefs))
    with start_pods(sandbox, pod("p", container(script=script)), options=options) as running:
        wait_for_up(running)
        found = container_stats(summary(sandbox))
        assert is_near(found["rootfs"]["usedBytes"], (2 * MIB, 2 * MIB), 64 << 10)
        end(running)


def test_network_of_a_pod_is_that_of_its_namespace(sandbox: Sandbox) -> None:
    alone = pod("p", container(script="echo up; sleep 1000"))
    shared = pod("shared", container(script="echo up; sleep 1000"), hostNetwork=True)
    with start_pods(sandbox, alone, shared) as running:
        wait_for_up(running, 2)
        namespace = sandbox.run_dir / "pods" / record(sandbox)["uid"] / "ns" / "net"

        def inside(*words: str) -> str:
            done = subprocess.run(["nsenter", f"--net={namespace}", *words], capture_output=True, text=True, check=True)
            return done.stdout

        def sent() -> int:
            lines = inside("cat", "/proc/net/dev").splitlines()
            return next(int(line.split()[9]) for line in lines if line.strip().startswith("eth0:"))

        assert "rxBytes" not in pod_stats(summary(sandbox))["network"]  # the loopback is no network
        inside("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "peer0")
        for name in ("eth0", "peer0"):
            inside("ip", "link", "set", name, "up")
        inside("ip", "address", "add", "10.99.0.1/24", "dev", "eth0")
        send = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x' * 500, ('10.99.0.2', 9))"
        inside(sys.executable, "-c", send)
        wait_for(sent, "something sent")
        found, ((before, after),) = between(sandbox, sent)
        network = pod_stats(found)["network"]
        assert network["name"] == "eth0"
        assert before <= network["txBytes"] <= after
        assert [each["name"] for each in network["interfaces"]] == ["peer0", "eth0"]
        assert "network" not in pod_stats(found, "shared")
        assert "lo" not in {each["name"] for each in found["node"]["network"].get("interfaces", ())}
        end(running)


def test_pods_of_several_runs_are_one_node(sandbox: Sandbox) -> None:
    with (
        start_pods(sandbox, pod("one", container(script="echo up; sleep 1000")), name="one") as first,
        start_pods(sandbox, pod("two", container(script="echo up; sleep 1000")), name="two") as second,
    ):
        wait_for_up(first)
        wait_for_up(second)
        found = summary(sandbox)
        assert {each["podRef"]["name"] for each in found["pods"]} == {"one", "two"}
        groups = {each["name"] for each in found["node"]["systemContainers"]}
        assert groups == {"pods", "kubelet", "runtime", "misc"}
        end(first)
        assert [row[0] for row in top(sandbox, "pods", "--no-headers")] == ["two"]
        end(second)


def test_a_container_that_has_ended_is_not_listed(sandbox: Sandbox) -> None:
    both = pod("p", container("brief", "true"), container("long", "echo up; sleep 1000"))
    with start_pods(sandbox, both) as running:
        wait_for_up(running)
        names = wait_for(
            lambda: [each["name"] for each in pod_stats(summary(sandbox))["containers"]] == ["long"],
            "the brief one to be gone from the statistics",
        )
        assert names
        end(running)


def test_the_whole_machine_when_nothing_runs(sandbox: Sandbox) -> None:
    found = summary(sandbox)
    memory = found["node"]["memory"]
    total = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal:")
    )
    assert found["pods"] == []
    assert memory["availableBytes"] + memory["workingSetBytes"] == total
    assert [each["name"] for each in found["node"]["systemContainers"]] == ["misc"]
    done = sandbox.nodeguard("top", "pods")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "No resources found in default namespace.\n")
    assert sandbox.nodeguard("top", "pods", "nix").returncode == 4
    assert sandbox.nodeguard("top", "node", "nix").returncode == 4
    assert top(sandbox, "node", "--no-headers")[0][0] == os.uname().nodename
    assert not list(sandbox.run_dir.iterdir())  # looking leaves nothing behind
