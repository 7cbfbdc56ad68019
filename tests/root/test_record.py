"""What real evictions, kills and refusals leave behind: records that tell, that replay, that outlive everything."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from loopdisk import ext4
from root.lab import (
    UNTIL_TERM,
    Json,
    cgroup_of,
    container,
    finish,
    is_alive,
    pod,
    processes_of,
    resources,
    run_pods,
    start_pods,
    wait_for,
    wait_for_up,
    write_manifest,
)
from root.test_pressure import ARENA, CRITICAL, grower, holder, stop
from sandbox import Sandbox

from nodeguard.agent.history_file import FILE_NAME
from nodeguard.agent.history_reader import read_decisions

pytestmark = pytest.mark.root

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "decision.json").read_text())


def asked(sandbox: Sandbox, *arguments: str) -> str:
    """What a command prints that goes well."""
    done = sandbox.nodeguard(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def written(sandbox: Sandbox) -> list[Json]:
    """The records so far, without a command that others would have to wait for."""
    return read_decisions(sandbox.state_dir / FILE_NAME)


def kill_of(sandbox: Sandbox, name: str) -> Json:
    record: Json = json.loads(asked(sandbox, "explain", "kill", f"pod/{name}", "-o", "json"))
    jsonschema.Draft202012Validator(SCHEMA).validate(record)
    return record


def decisions(sandbox: Sandbox) -> list[Json]:
    items: list[Json] = json.loads(asked(sandbox, "get", "decisions", "-o", "json"))["items"]
    for item in items:
        jsonschema.Draft202012Validator(SCHEMA).validate(item)
    return items


def assert_replays(sandbox: Sandbox, record: Json) -> None:
    """The record's scenario, played by the command, comes to the record's decision."""
    file = sandbox.base / "scenario.json"
    file.write_text(json.dumps(record["scenario"]))
    (step,) = json.loads(asked(sandbox, "simulate", str(file), "-o", "json"))["steps"]
    name = f"{record['pod']['namespace']}/{record['pod']['name']}"
    (eviction,) = [one for one in step["evicted"] if one["pod"] == name]
    for key in ("message", "signal", "gracePeriodSeconds"):
        assert eviction[key] == record[key]
    if record["type"] == "Eviction":
        assert step["candidates"] == record["candidates"]


def test_need_4_a_kill_says_why_in_numbers(sandbox: Sandbox) -> None:
    with start_pods(sandbox, holder("good", 50, "memory=80Mi"), grower("hog", 600), options=ARENA) as running:
        wait_for_up(running, 2)
        running.read_until('"reason": "Evicted"')
        outcome = stop(running)
    record = kill_of(sandbox, "hog")
    assert record["signal"]
    assert record["threshold"] == "memory.available<100Mi/hard"
    observed = record["observed"]
    assert observed["available"] < 100 << 20
    assert observed["capacity"] == 512 << 20
    assert 0 <= observed["sampleAgeSeconds"] < 1
    assert [one["pod"] for one in record["candidates"]] == ["default/hog", "default/good"]
    assert record["freedBytes"] > 0
    assert (record["action"], record["outcome"], record["gracePeriodSeconds"]) == ("evict", "gone", 0)
    timings = record["timings"]
    assert timings["crossedAt"] <= timings["decidedAt"] <= timings["killedAt"] <= timings["goneAt"]
    assert timings["crossingToKillMs"] > 0
    assert record["message"] == outcome.status("hog")["message"]
    assert record["pod"]["uid"] == outcome.pod("hog")["metadata"]["uid"]
    assert_replays(sandbox, record)
    text = asked(sandbox, "explain", "kill", "pod/hog")
    assert text.startswith("pod default/hog, BestEffort, was evicted at ")
    assert "less than the hard threshold 100Mi" in text
    assert "this one" in text


@pytest.mark.anywhere
def test_need_18_history_outlives_pods_and_processes(sandbox: Sandbox) -> None:
    run_pods(sandbox, grower("hog", 600), options=ARENA)
    run_pods(sandbox, pod("other", container("main", "true")))
    lines = asked(sandbox, "events", "--since", "24h", "--for", "pod/hog").splitlines()
    assert lines[0].startswith("# kept for 7 days or 64 MiB")
    assert "Evicted" in [line.split()[2] for line in lines[2:]]
    assert not any("other" in line for line in lines)
    assert [item["pod"]["name"] for item in decisions(sandbox)] == ["hog"]


@pytest.mark.anywhere
def test_need_13_what_is_only_observed_lives_and_is_recorded_once(sandbox: Sandbox) -> None:
    options = ("--capacity", "memory=512Mi", "--eviction-hard", "memory.available<300Mi", "--eviction-mode", "observe")
    with start_pods(sandbox, holder("held", 250), options=options) as running:
        wait_for_up(running)
        pids = processes_of(cgroup_of(sandbox, "held", "main"))
        (record,) = wait_for(lambda: written(sandbox), "the record")
        assert all(map(is_alive, pids))
        stop(running)
    assert (record["action"], record["outcome"], record["pod"]["name"]) == ("wouldEvict", None, "held")
    assert_replays(sandbox, record)
    assert len(decisions(sandbox)) == 1
    assert "would have been evicted, but was left alone" in asked(sandbox, "explain", "kill", "pod/held")


@pytest.mark.anywhere
def test_a_soft_eviction_has_its_whole_time_line(sandbox: Sandbox) -> None:
    options = (
        *("--capacity", "memory=512Mi", "--eviction-hard", "memory.available<50Mi"),
        *("--eviction-soft", "memory.available<200Mi", "--eviction-soft-grace-period", "memory.available=1s"),
        *("--eviction-max-pod-grace-period", "20"),
    )
    run_pods(sandbox, holder("soft", 350, terminationGracePeriodSeconds=30), options=options)
    record = kill_of(sandbox, "soft")
    assert record["threshold"] == "memory.available<200Mi/soft"
    assert (record["gracePeriodSeconds"], record["outcome"]) == (20, "gone")
    assert record["timings"]["crossedAt"] < record["timings"]["decidedAt"] <= record["timings"]["termAt"]
    assert_replays(sandbox, record)
    assert "had been below it for 1s or longer" in asked(sandbox, "explain", "kill", "pod/soft")


@pytest.mark.anywhere
def test_a_disk_that_runs_full_is_recorded_with_what_the_node_gave_up_first(sandbox: Sandbox) -> None:
    volume = {"volumes": [{"name": "data", "emptyDir": {}}]}
    mounted = [{"name": "data", "mountPath": "/data"}]
    script = "while dd if=/dev/zero bs=1M count=1 status=none >> /data/file; do sleep 0.02; done; sleep 1000"
    writer = pod("writer", container("main", script, volumeMounts=mounted), **volume)
    small = pod("small", container("main", f"head -c 2M /dev/zero > /data/file; {UNTIL_TERM}", volumeMounts=mounted))
    small["spec"] |= volume
    with ext4(sandbox.base / "disk", size_bytes=64 << 20) as nodefs:
        options = ("--nodefs", str(nodefs), "--eviction-hard", "nodefs.available<50%")
        with start_pods(sandbox, small, writer, options=options) as running:
            running.read_until('"reason": "Evicted"')
            wait_for(lambda: "gone" in [one["outcome"] for one in written(sandbox)], "the disk is cleared")
            stop(running)
    record = kill_of(sandbox, "writer")
    assert (record["signal"], record["threshold"]) == ("nodefs.available", "nodefs.available<50%/hard")
    assert record["reclaim"] == ["containers"], "images lie elsewhere"
    assert record["scenario"]["spec"]["steps"][0]["observationsAfterReclaim"]
    assert [one["pod"] for one in record["candidates"]] == ["default/writer", "default/small"]
    assert record["freedBytes"] > 10 << 20
    assert_replays(sandbox, record)
    text = asked(sandbox, "explain", "kill", "pod/writer")
    assert "of space left on the file system of pods (nodefs.available), less than the hard threshold 50% (" in text


def test_process_ids_that_run_short_are_recorded(sandbox: Sandbox) -> None:
    spawner = pod("spawner", container("main", "for i in $(seq 150); do sleep 1000 & done; echo up; wait"))
    options = ("--capacity", "pids=160", "--eviction-hard", "pid.available<60")
    with start_pods(sandbox, holder("few", 1), spawner, options=options) as running:
        running.read_until('"reason": "Evicted"')
        wait_for(lambda: "gone" in [one["outcome"] for one in written(sandbox)], "the spawner has gone")
        stop(running)
    record = kill_of(sandbox, "spawner")
    assert (record["signal"], record["threshold"]) == ("pid.available", "pid.available<60/hard")
    usage = {one["pod"]: one["usage"] for one in record["candidates"]}
    assert usage["default/spawner"] > usage["default/few"] > 0
    assert record["freedBytes"] is None, "process ids are no bytes"
    assert_replays(sandbox, record)


def test_the_kernels_own_killer_is_recorded(sandbox: Sandbox) -> None:
    hog = pod("hog", container("main", "tail /dev/zero", resources=resources(limits="memory=32Mi")))
    run_pods(sandbox, hog)
    record = kill_of(sandbox, "hog")
    assert (record["type"], record["signal"]) == ("OOMKill", "memory.max")
    level = record["limitHit"]["level"]
    assert level in ("container", "pod"), "the pod's limit is the same, and its group has a little more on it"
    assert record["threshold"] == f"memory.max=32Mi/{level}"
    assert record["limitHit"]["container"] == "main"
    assert record["limitHit"]["kills"] >= 1
    assert 16 << 20 < record["observed"]["usage"] <= record["observed"]["limit"] == 32 << 20
    assert "lost processes to the kernel's OOM killer" in asked(sandbox, "explain", "kill", "pod/hog")


def test_a_killed_child_is_told_while_the_container_lives_on(sandbox: Sandbox) -> None:
    script = "(tail /dev/zero); echo up; sleep 1000"
    parent = pod("parent", container("main", script, resources=resources(limits="memory=32Mi")))
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "singleProcessOOMKill": True,
    }
    options = ("--config", str(write_manifest(sandbox, config, name="config")))
    with start_pods(sandbox, parent, options=options) as running:
        running.read_until('"reason": "OOMKilling"')
        wait_for(lambda: bool(written(sandbox)), "a record")
        assert running.process.poll() is None
        outcome = stop(running)
    assert "up" in outcome.log(pod="parent")
    assert outcome.reasons().count("OOMKilling") == 1, "and not once more at the end"
    (record,) = written(sandbox)
    assert (record["type"], record["limitHit"]["kills"]) == ("OOMKill", 1)


def test_a_limit_of_processes_is_recorded_although_nobody_goes(sandbox: Sandbox) -> None:
    script = "for i in $(seq 30); do sleep 2 & done; echo up; wait"
    run_pods(sandbox, pod("bomb", container("main", script)), options=("--pod-max-pids", "12"))
    (record,) = decisions(sandbox)
    assert (record["type"], record["action"], record["outcome"]) == ("LimitExceeded", None, None)
    assert (record["threshold"], record["observed"]["limit"]) == ("pids.max=12/pod", 12)
    assert record["reason"] in [event["reason"] for event in events_of(sandbox)]


def events_of(sandbox: Sandbox) -> list[Json]:
    items: list[Json] = json.loads(asked(sandbox, "events", "-o", "json"))["items"]
    return items


@pytest.mark.anywhere
def test_a_limit_of_local_storage_is_recorded(sandbox: Sandbox) -> None:
    script = "head -c 30M /dev/zero > /cache/big; echo up; sleep 1000"
    cache = {"name": "cache", "emptyDir": {"sizeLimit": "10Mi"}}
    main = container("main", script, volumeMounts=[{"name": "cache", "mountPath": "/cache"}])
    run_pods(sandbox, pod("greedy", main, volumes=[cache]))
    record = kill_of(sandbox, "greedy")
    assert (record["type"], record["signal"], record["threshold"]) == ("LimitExceeded", "emptyDir", "emptyDir>10Mi")
    assert record["observed"]["usage"] >= 30 << 20
    assert record["outcome"] == "gone"
    assert_replays(sandbox, record)


@pytest.mark.anywhere
def test_a_refusal_is_recorded_by_whoever_refused(sandbox: Sandbox) -> None:
    critical = holder("critical", 250, priorityClassName=CRITICAL)
    critical["metadata"]["namespace"] = "kube-system"
    options = ("--capacity", "memory=512Mi", "--eviction-hard", "memory.available<300Mi")
    with start_pods(sandbox, critical, options=options) as running:
        running.read_until("NodeHasInsufficientMemory")
        write_manifest(sandbox, holder("late", 1), name="late")
        assert sandbox.nodeguard("run", sandbox.base / "late.yaml", *options).returncode == 10
        stop(running)
    record = kill_of(sandbox, "late")
    assert (record["type"], record["reason"], record["conditions"]) == ("Rejected", "Evicted", ["MemoryPressure"])
    assert "was not let in" in asked(sandbox, "explain", "kill", "pod/late")


@pytest.mark.anywhere
def test_the_node_as_it_is_can_be_played(sandbox: Sandbox) -> None:
    with start_pods(sandbox, holder("big", 100), holder("kept", 20, "memory=64Mi"), options=ARENA) as running:
        wait_for_up(running, 2)

        def pods_seen() -> Any:
            done = sandbox.nodeguard("simulate", "--from-live", "--signal", "memory.available", "-o", "json")
            found = json.loads(done.stdout) if done.returncode == 0 else {"steps": [{}]}
            step = found["steps"][-1]
            known = [one["usage"] for one in step.get("candidates", ())]
            return step if len(known) == 2 and max(known) > 100 << 20 else None

        step = wait_for(pods_seen, "a pass that has seen both", timeout=40)
        assert [one["pod"] for one in step["evicted"]] == ["default/big"]
        compared = asked(sandbox, "simulate", "--from-live", "--signal", "memory.available", "--compare", "kubelet,qos")
        assert compared.splitlines()[-1].split() == ["1", "s", "default/big", "default/big"]
        finish_is_wanted = stop(running)
    assert finish_is_wanted.log(pod="kept") == ["up", "bye"], "nothing was touched"
    assert sandbox.nodeguard("simulate", "--from-live").returncode == 4


@pytest.mark.anywhere
def test_what_was_decided_before_nodeguard_was_killed_is_kept(sandbox: Sandbox) -> None:
    with start_pods(sandbox, grower("hog", 600), holder("good", 20, "memory=64Mi"), options=ARENA) as running:
        running.read_until('"reason": "Evicted"')
        wait_for(lambda: written(sandbox), "the record")
        os.kill(running.pid, signal.SIGKILL)
        finish(running)
    sandbox.nodeguard("cleanup")
    assert kill_of(sandbox, "hog")["message"]
    assert sandbox.nodeguard("simulate", "--from-live").returncode == 4
