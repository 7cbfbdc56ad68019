"""Memory and process ids run short in an arena, for real: who goes, who stays, what is told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from root.lab import (
    Json,
    Outcome,
    cgroup_of,
    conmon_pids,
    container,
    finish,
    pod,
    processes_of,
    resources,
    run_pods,
    start_pods,
    wait_for,
    wait_for_up,
    write_manifest,
)
from sandbox import CGROUP_MOUNT, Running, Sandbox, hierarchies, patient

from nodeguard.kernel.proc import can_lower_oom_score

pytestmark = pytest.mark.root

ARENA = ("--capacity", "memory=512Mi", "--eviction-hard", "memory.available<100Mi")
CRITICAL = "system-node-critical"
PER_POD = 5
"""Files of a pod that are kept open: its memory, twice on v1; what kills it; its log; a namespace at most."""


def holder(name: str, mib: int, requests: str = "", limits: str = "", **spec: object) -> Json:
    """Takes so much memory at once, says ``up`` and holds it; on SIGTERM it says ``bye`` and ends.

    It has time for that: on a busy host a BestEffort pod may wait seconds for a CPU.
    """
    spec.setdefault("terminationGracePeriodSeconds", 30)
    script = (
        "import os, signal, time\n"
        f"held = b'x' * ({mib} << 20)\n"
        "def end(*_):\n    os.write(1, b'bye\\n')\n    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('up', flush=True)\n"
        "time.sleep(1000)\n"
    )
    amounts = {"resources": resources(requests, limits)} if requests or limits else {}
    return pod(name, container("main", None, command=["python3", "-c", script], **amounts), **spec)


def grower(name: str, mib: int, *, deaf: bool = False, requests: str = "", **spec: object) -> Json:
    """Takes so much memory, one MiB every two milliseconds, and holds it."""
    script = (
        "import signal, sys, time\n"
        + ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if deaf else "")
        + "held = []\nprint('up', flush=True)\n"
        f"for _ in range({mib}):\n    held.append(bytearray(1 << 20))\n    time.sleep(0.002)\n"
        "time.sleep(1000)\n"
    )
    amounts = {"resources": resources(requests)} if requests else {}
    return pod(name, container("main", None, command=["python3", "-c", script], **amounts), **spec)


def evicted(outcome: Outcome) -> list[str]:
    """The pods that were evicted, in the order of the events."""
    return [event["pod"].removeprefix("default/") for event in outcome.events if event["reason"] == "Evicted"]


def stop(running: Running) -> Outcome:
    running.process.send_signal(2)
    return finish(running)


def test_whoever_takes_the_memory_goes_and_the_others_stay(sandbox: Sandbox) -> None:
    good = holder("good", 50, "memory=80Mi")
    with start_pods(sandbox, good, grower("hog", 600), options=ARENA) as running:
        wait_for_up(running, 2)
        running.read_until('"reason": "Evicted"')
        outcome = stop(running)
    assert evicted(outcome) == ["hog"]
    status = outcome.status("hog")
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert re.fullmatch(
        r"The node was low on resource: memory\. Threshold quantity: 100Mi, available: \d+Ki\. "
        r"Container main was using \d+Ki, request is 0, has larger consumption of memory\. ",
        status["message"],
    )
    disruption = next(c for c in status["conditions"] if c["type"] == "DisruptionTarget")
    assert (disruption["status"], disruption["reason"]) == ("True", "TerminationByKubelet")
    assert disruption["message"] == status["message"]
    assert outcome.terminated(pod="hog")["exitCode"] == 137
    assert outcome.terminated(pod="hog")["reason"] == "Error"  # and not OOMKilled: the kernel did not have to
    assert outcome.log(pod="good") == ["up", "bye"]
    event = next(e for e in outcome.events if e["reason"] == "Evicted")
    assert (event["type"], event["message"]) == ("Warning", status["message"])
    assert event["annotations"]["starved_resource"] == "memory"
    assert event["annotations"]["offending_containers"] == "main"


def test_an_eviction_is_what_run_ends_with(sandbox: Sandbox) -> None:
    outcome = run_pods(sandbox, grower("hog", 600), options=ARENA)
    assert outcome.code == 11
    told = [e["reason"] for e in outcome.events if e.get("node")]
    assert "EvictionThresholdMet" in told
    assert "NodeHasInsufficientMemory" in told


def test_priority_decides_among_those_above_their_requests(sandbox: Sandbox) -> None:
    classes = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "high"},
        "value": 1000,
    }
    low, high = holder("low", 60), grower("high", 600, priorityClassName="high")
    with start_pods(sandbox, classes, low, high, options=ARENA) as running:
        wait_for(lambda: running.output.count('"reason": "Evicted"') >= 2 or _read(running), "two evictions")
        outcome = finish(running)
    assert evicted(outcome) == ["low", "high"]


def _read(running: Running) -> None:
    running.read_until('"reason": "Evicted"', count=running.output.count('"reason": "Evicted"') + 1)


@pytest.mark.parametrize(
    ("policy", "order"), [("qos", ["besteffort", "burstable"]), ("kubelet", ["burstable", "besteffort"])]
)
def test_the_order_of_the_policies(sandbox: Sandbox, policy: str, order: list[str]) -> None:
    """Only without the two others is there enough; whoever keeps within its request stays under both policies.

    The grace period is for everybody to have taken what it is to hold.
    """
    guaranteed = holder("guaranteed", 40, limits="cpu=1 memory=100Mi")
    burstable = holder("burstable", 60, "memory=10Mi")
    besteffort = holder("besteffort", 30)
    options = (
        *("--capacity", "memory=512Mi", "--eviction-policy", policy),
        *("--eviction-soft", "memory.available<440Mi", "--eviction-soft-grace-period", "memory.available=8s"),
    )
    with start_pods(sandbox, guaranteed, burstable, besteffort, options=options) as running:
        running.read_until('"reason": "Evicted"', count=2)
        outcome = stop(running)
    assert evicted(outcome) == order
    assert outcome.log(pod="guaranteed") == ["up", "bye"]


def test_soft_pressure_gives_time_and_a_signal(sandbox: Sandbox) -> None:
    options = (
        *("--capacity", "memory=512Mi", "--eviction-hard", "memory.available<50Mi"),
        *("--eviction-soft", "memory.available<200Mi", "--eviction-soft-grace-period", "memory.available=1s"),
        *("--eviction-max-pod-grace-period", "20"),
    )
    outcome = run_pods(sandbox, holder("soft", 350, terminationGracePeriodSeconds=30), options=options)
    assert outcome.code == 11
    assert outcome.log(pod="soft") == ["up", "bye"]
    assert outcome.terminated(pod="soft")["exitCode"] == 0
    assert (outcome.status("soft")["phase"], outcome.status("soft")["reason"]) == ("Failed", "Evicted")


def test_a_hard_threshold_ends_a_soft_grace_period_at_once(sandbox: Sandbox) -> None:
    """The victim ignores SIGTERM for ten minutes and goes on taking memory."""
    options = (
        *("--capacity", "memory=512Mi", "--eviction-hard", "memory.available<80Mi"),
        *("--eviction-soft", "memory.available<300Mi", "--eviction-soft-grace-period", "memory.available=0.1s"),
        *("--eviction-max-pod-grace-period", "600"),
    )
    outcome = run_pods(sandbox, grower("deaf", 480, deaf=True, terminationGracePeriodSeconds=600), options=options)
    assert outcome.code == 11
    assert outcome.terminated(pod="deaf")["exitCode"] == 137
    assert outcome.terminated(pod="deaf")["reason"] == "Error"
    assert evicted(outcome) == ["deaf"]


def test_critical_pods_are_never_evicted(sandbox: Sandbox) -> None:
    options = ("--capacity", "memory=512Mi", "--eviction-hard", "memory.available<300Mi")
    critical = holder("critical", 250, priorityClassName=CRITICAL)
    critical["metadata"]["namespace"] = "kube-system"
    with start_pods(sandbox, critical, options=options) as running:
        wait_for_up(running)
        running.read_until("NodeHasInsufficientMemory")
        outcome = stop(running)
    assert evicted(outcome) == []
    assert outcome.log(pod="critical") == ["up", "bye"]


def test_observing_tells_and_lets_live(sandbox: Sandbox) -> None:
    options = ("--capacity", "memory=512Mi", "--eviction-hard", "memory.available<300Mi", "--eviction-mode", "observe")
    with start_pods(sandbox, holder("held", 250), options=options) as running:
        wait_for_up(running)
        running.read_until("NodeHasInsufficientMemory")
        outcome = stop(running)
    assert evicted(outcome) == []
    assert outcome.log(pod="held") == ["up", "bye"]


def test_switched_off_nothing_is_even_told(sandbox: Sandbox) -> None:
    options = ("--capacity", "memory=512Mi", "--eviction-hard", "memory.available<300Mi", "--eviction-mode", "off")
    with start_pods(sandbox, holder("held", 250), options=options) as running:
        wait_for_up(running)
        outcome = stop(running)
    assert [e["reason"] for e in outcome.events if e.get("node")] == []
    assert outcome.log(pod="held") == ["up", "bye"]


def test_who_spawns_processes_goes_when_ids_run_short(sandbox: Sandbox) -> None:
    spawner = pod("spawner", container("main", "for i in $(seq 150); do sleep 1000 & done; echo up; wait"))
    options = ("--capacity", "pids=160", "--eviction-hard", "pid.available<60")
    with start_pods(sandbox, holder("few", 1), spawner, options=options) as running:
        running.read_until('"reason": "Evicted"')
        outcome = stop(running)
    assert evicted(outcome) == ["spawner"]
    assert outcome.status("spawner")["message"].startswith("The node was low on resource: pids. ")
    assert "NodeHasInsufficientPID" in [e["reason"] for e in outcome.events]


def test_a_frozen_victim_dies_all_the_same(sandbox: Sandbox) -> None:
    """The pod that brings the pressure waits until the other one is frozen."""
    go = sandbox.base / "go"
    go.mkdir()
    high = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "high"},
        "value": 1000,
    }
    late = holder("late", 100, priorityClassName="high", volumes=[{"name": "go", "hostPath": {"path": str(go)}}])
    main = late["spec"]["containers"][0]
    main["command"][2] = "import os, time\nwhile not os.path.exists('/go/now'): time.sleep(0.05)\n" + main["command"][2]
    main["volumeMounts"] = [{"name": "go", "mountPath": "/go"}]
    options = ("--capacity", "memory=512Mi", "--eviction-hard", "memory.available<200Mi")
    with start_pods(sandbox, high, holder("frozen", 250), late, options=options) as running:
        wait_for_up(running)
        _freeze(cgroup_of(sandbox, "frozen", "main"))
        (go / "now").touch()
        running.read_until('"reason": "Evicted"')
        wait_for_up(running, 2)
        outcome = stop(running)
    assert evicted(outcome) == ["frozen"]
    assert outcome.terminated(pod="frozen")["exitCode"] == 137


def test_a_strike_takes_the_whole_pod_before_its_containers_are_ended(sandbox: Sandbox) -> None:
    """Whoever is beside the containers is dead while the hog's own end is still being waited for."""
    go = sandbox.base / "go"
    go.mkdir()
    hog = grower("hog", 600, volumes=[{"name": "go", "hostPath": {"path": str(go)}}])
    main = hog["spec"]["containers"][0]
    until_told = "import os\nwhile not os.path.exists('/go/now'): time.sleep(0.05)\nfor _"
    main["command"][2] = main["command"][2].replace("for _", until_told, 1)
    main["volumeMounts"] = [{"name": "go", "mountPath": "/go"}]
    with start_pods(sandbox, hog, options=ARENA) as running:
        wait_for_up(running)
        (conmon,) = conmon_pids(sandbox)
        places = [mount / cgroup_of(sandbox, "hog").lstrip("/") for mount in hierarchies()]
        groups = [place / "beside" for place in places if place.is_dir() and "cpuset" not in str(place)]
        beside = subprocess.Popen(["sleep", "100"])
        try:
            for group in groups:
                group.mkdir()
                (group / "cgroup.procs").write_text(str(beside.pid))
            os.kill(conmon, signal.SIGSTOP)  # nobody tells of the hog's end
            (go / "now").touch()
            running.read_until('"reason": "Evicted"')
            assert beside.wait(patient(5)) == -signal.SIGKILL
        finally:
            beside.kill()
            beside.wait()
            with suppress(ProcessLookupError):
                os.kill(conmon, signal.SIGCONT)
        outcome = finish(running)
    assert evicted(outcome) == ["hog"]
    assert outcome.terminated(pod="hog")["exitCode"] == 137


def test_under_pressure_nobody_without_requests_comes_in(sandbox: Sandbox) -> None:
    critical = holder("critical", 250, priorityClassName=CRITICAL)
    critical["metadata"]["namespace"] = "kube-system"
    options = ("--capacity", "memory=512Mi", "--eviction-hard", "memory.available<300Mi")
    with start_pods(sandbox, critical, options=options) as running:
        running.read_until("NodeHasInsufficientMemory")
        write_manifest(sandbox, holder("late", 1), name="late")
        refused = sandbox.nodeguard("run", sandbox.base / "late.yaml", *options)
        assert refused.returncode == 10
        assert "The node had condition: [MemoryPressure]." in refused.stderr
        outcome = stop(running)
    assert evicted(outcome) == []


def _freeze(path: str) -> None:
    for file, word in (
        (CGROUP_MOUNT / "freezer" / path.lstrip("/") / "freezer.state", "FROZEN"),
        (CGROUP_MOUNT / path.lstrip("/") / "cgroup.freeze", "1"),
    ):
        if file.exists():
            file.write_text(word)
            return
    raise AssertionError(f"no way to freeze {path}")


def test_the_agent_protects_itself_and_nobody_else(sandbox: Sandbox) -> None:
    """What the host refuses it does without: a negative score needs CAP_SYS_RESOURCE."""
    with start_pods(sandbox, holder("p", 10)) as running:
        wait_for_up(running)
        (owner,) = (sandbox.run_dir / "owners").glob("*.json")
        score = int(Path(f"/proc/{owner.stem}/oom_score_adj").read_text())
        assert score == -999 or not can_lower_oom_score()
        agent = os.sched_getscheduler(int(owner.stem)), os.getpriority(os.PRIO_PROCESS, int(owner.stem))
        assert agent != (os.SCHED_OTHER, 0)
        for pid in processes_of(cgroup_of(sandbox, "p", "main")):
            assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
            assert os.sched_getscheduler(pid) == os.SCHED_OTHER
            assert os.getpriority(os.PRIO_PROCESS, pid) == 0
        stop(running)


def test_descriptors_come_back_with_their_pods(sandbox: Sandbox) -> None:
    brief = [holder(f"p{number}", 1) for number in range(6)]
    for each in brief:
        each["spec"]["containers"][0]["command"] = ["sleep", "1"]
    with start_pods(sandbox, pod("long"), *brief) as running:
        wait_for_up(running)
        (owner,) = (sandbox.run_dir / "owners").glob("*.json")

        def kept() -> int:
            links = [link.readlink() for link in Path(f"/proc/{owner.stem}/fd").iterdir() if link.is_symlink()]
            return sum("/pod" in str(link) for link in links)

        wait_for(lambda: len(list((sandbox.run_dir / "pods").iterdir())) == 1, "the brief pods gone")
        wait_for(lambda: kept() <= PER_POD, "their descriptors given back")
        stop(running)


def test_the_status_file_goes_with_its_process(sandbox: Sandbox) -> None:
    with start_pods(sandbox, holder("p", 1), options=ARENA) as running:
        wait_for_up(running)
        path = Path(sandbox.run_dir) / "nodes" / f"{running.pid}.json"
        wait_for(path.exists, "the status file")
        stop(running)
    assert not path.exists()
