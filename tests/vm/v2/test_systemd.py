"""The tree below a delegated systemd unit: systemd knows it, and leaves it alone."""

from __future__ import annotations

import signal
import subprocess

import pytest
from root.lab import (
    Json,
    cgroup_of,
    container,
    control,
    finish,
    is_alive,
    pod,
    processes_of,
    resources,
    start_pods,
    wait_for,
    wait_for_up,
)
from sandbox import Sandbox

pytestmark = pytest.mark.root

FILES = ("cpu.weight", "cpu.max", "memory.max", "memory.swap.max", "memory.oom.group", "pids.max")


def systemctl(*words: str) -> str:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def limited_pod() -> Json:
    return pod("p", container(resources=resources("cpu=100m memory=16Mi", "cpu=500m memory=64Mi")))


def values(sandbox: Sandbox) -> dict[str, str]:
    paths = [cgroup_of(sandbox), cgroup_of(sandbox, container="main")]
    return {f"{path}/{file}": control(path, file) for path in paths for file in FILES}


@pytest.mark.parametrize("verb", ["daemon-reload", "daemon-reexec"])
def test_systemd_may_be_reloaded_while_pods_run(sandbox: Sandbox, verb: str) -> None:
    with start_pods(sandbox, limited_pod()) as running:
        wait_for_up(running)
        path = cgroup_of(sandbox, container="main")
        before = values(sandbox), processes_of(path)
        assert f"{path}/memory.max" in before[0]
        assert before[0][f"{path}/memory.max"] == str(64 << 20)
        systemctl(verb)
        # systemd writes its own settings again when a unit's cgroup is realized anew: make it do so right beside ours
        subprocess.run(
            ["systemd-run", "--quiet", "--wait", "-p", "MemoryMax=64M", "-p", "CPUQuota=50%", "true"], check=True
        )
        assert (values(sandbox), processes_of(path)) == before
        assert systemctl("is-active", str(sandbox.unit)) == "active"
        running.signal(signal.SIGTERM)
        assert finish(running).code == 143


def test_systemd_cgls_shows_the_pods(sandbox: Sandbox) -> None:
    with start_pods(sandbox, limited_pod()) as running:
        wait_for_up(running)
        shown = subprocess.run(
            ["systemd-cgls", "--no-pager", "--full", "--unit", str(sandbox.unit)],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        pod_group = cgroup_of(sandbox).rpartition("/")[2]
        for name in ("holder", sandbox.cgroup_root.lstrip("/"), "burstable", pod_group, "main"):
            assert name in shown, shown
        assert str(processes_of(cgroup_of(sandbox, container="main"))[0]) in shown
        running.signal(signal.SIGTERM)
        finish(running)
    assert systemctl("is-active", str(sandbox.unit)) == "inactive"


def test_pods_outlive_a_killed_nodeguard_until_they_are_cleaned_up(sandbox: Sandbox) -> None:
    with start_pods(sandbox, limited_pod()) as running:
        wait_for_up(running)
        pids = processes_of(cgroup_of(sandbox, container="main"))
        running.signal(signal.SIGKILL)
        running.process.wait()
        assert all(map(is_alive, pids))
        assert systemctl("is-active", str(sandbox.unit)) == "active"
    done = sandbox.nodeguard("cleanup")
    assert done.returncode == 0, done.stderr
    assert not any(map(is_alive, pids))
    assert systemctl("is-active", str(sandbox.unit)) == "inactive"
    assert sandbox.left_behind() == []


def test_an_oom_kill_takes_the_whole_container(sandbox: Sandbox) -> None:
    """As with the kubelet's singleProcessOOMKill: false, the default on cgroup v2."""
    script = "sleep 1000 & head -c 200M /dev/zero | tail; echo survived; wait"
    two = pod(
        "p",
        container("hog", script, resources=resources("memory=16Mi", "memory=32Mi")),
        container("calm"),
    )
    with start_pods(sandbox, two) as running:
        running.read_until("OOMKilling")
        path = cgroup_of(sandbox)

        def group_kills() -> bool:
            events = dict(line.split() for line in control(path, "memory.events").splitlines())
            return int(events["oom_group_kill"]) >= 1

        wait_for(group_kills, "a group kill in the pod's memory.events")
        assert processes_of(cgroup_of(sandbox, container="calm"))
        running.signal(signal.SIGTERM)
        outcome = finish(running)
    assert outcome.terminated("hog")["reason"] == "OOMKilled"
    assert "survived" not in outcome.log("hog")
