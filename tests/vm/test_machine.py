"""What takes a machine with all of root's powers, its own swap and its own disks."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from root.lab import (
    VERSION,
    assert_is_told,
    cgroup_of,
    container,
    control,
    finish,
    is_alive,
    pod,
    processes_of,
    resources,
    run_pods,
    script_pod,
    start_pods,
    wait_for_up,
    write_manifest,
)
from sandbox import Sandbox

pytestmark = pytest.mark.root


def command(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


# Powers that root lacks in many containers.


def test_a_guaranteed_pod_is_killed_last(sandbox: Sandbox) -> None:
    """A negative score takes CAP_SYS_RESOURCE. Source: kubelet, pkg/kubelet/qos/policy.go, guaranteedOOMScoreAdj."""
    guaranteed = pod("p", container(resources=resources(limits="cpu=100m memory=32Mi")))
    with start_pods(sandbox, guaranteed) as running:
        wait_for_up(running)
        for pid in processes_of(cgroup_of(sandbox, container="main")):
            assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "-997"
        running.signal(signal.SIGTERM)
        assert finish(running).code == 143


def test_an_oom_kill_in_a_pod_hurts_nobody_else(sandbox: Sandbox) -> None:
    calm = pod("calm", container(resources=resources("memory=16Mi", "memory=32Mi")))
    hog = pod(
        "hog",
        container(script="head -c 200M /dev/zero | tail", resources=resources("memory=16Mi", "memory=32Mi")),
    )
    with start_pods(sandbox, calm) as first:
        wait_for_up(first)
        before = processes_of(cgroup_of(sandbox, "calm", "main"))
        outcome = run_pods(sandbox, hog)
        assert (outcome.code, outcome.terminated(pod="hog")["reason"]) == (137, "OOMKilled")
        assert processes_of(cgroup_of(sandbox, "calm", "main")) == before
        if sandbox.unit is not None:
            assert command("systemctl", "is-active", sandbox.unit) == "active\n"
        assert all(map(is_alive, before))
        first.signal(signal.SIGTERM)
        assert finish(first).code == 143


# Swap.


@contextmanager
def swap_file(mib: int) -> Iterator[Path]:
    path = Path("/var/tmp/ngtest-swap")
    command("dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={mib}", "status=none")
    path.chmod(0o600)
    command("mkswap", path)
    command("swapon", path)
    try:
        yield path
    finally:
        if str(path) in Path("/proc/swaps").read_text():
            command("swapoff", path)
        path.unlink()


def test_swap_comes_and_goes_while_a_pod_runs(sandbox: Sandbox) -> None:
    """With failSwapOn: false, as by default here, nothing changes for a pod: it may not swap."""
    limited = script_pod(
        'trap "exit 0" TERM; echo up; sleep 1000 & wait', resources=resources("memory=16Mi", "memory=32Mi")
    )
    with swap_file(64) as path, start_pods(sandbox, limited) as running:
        wait_for_up(running)
        swap = control(cgroup_of(sandbox, container="main"), SWAP_FILE)
        assert swap == SWAP_VALUE
        command("swapoff", path)
        before = processes_of(cgroup_of(sandbox, container="main"))
        command("swapon", path)
        assert processes_of(cgroup_of(sandbox, container="main")) == before
        running.signal(signal.SIGTERM)
        assert finish(running).code == 143


# v1 counts memory and swap together.
SWAP_FILE, SWAP_VALUE = ("memory.swap.max", "0") if VERSION == 2 else ("memory.memsw.limit_in_bytes", str(32 << 20))


def test_swap_is_refused_when_it_is_to_be(sandbox: Sandbox) -> None:
    config = sandbox.base / "config.yaml"
    config.write_text("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nfailSwapOn: true\n")
    manifest = write_manifest(sandbox, script_pod("true"))
    with swap_file(16):
        done = sandbox.nodeguard("run", "--config", config, manifest)
    assert done.returncode == 9, done.stdout + done.stderr
    assert_is_told(done.stderr, "failSwapOn")
    assert sandbox.nodeguard("run", "--config", config, manifest).returncode == 0


# A small real disk.


@contextmanager
def small_disk(at: Path, *, mib: int, inodes: int) -> Iterator[None]:
    image = at.parent / "disk.img"
    with image.open("wb") as file:
        file.truncate(mib << 20)
    command("mkfs.ext4", "-q", "-m", "0", "-N", str(inodes), image)
    command("mount", "-o", "loop", image, at)
    try:
        yield
    finally:
        command("umount", at)
        image.unlink()


def fill_inodes(directory: Path) -> None:
    number = 0
    while True:
        try:
            (directory / f"fill-{number}").touch()
        except OSError:
            return
        number += 1


def test_a_state_directory_without_inodes_is_told(sandbox: Sandbox) -> None:
    manifest = write_manifest(sandbox, script_pod("true"))
    with small_disk(sandbox.state_dir, mib=8, inodes=64):
        fill_inodes(sandbox.state_dir)
        done = sandbox.nodeguard("run", manifest, "-o", "json")
        assert done.returncode != 0
        assert_is_told(done.stdout + done.stderr, "No space left on device")
        for path in sandbox.state_dir.glob("fill-*"):
            path.unlink()
        # and once there is room again, nothing stands in the way
        done = sandbox.nodeguard("run", manifest)
        assert done.returncode == 0, done.stdout + done.stderr
        (sandbox.state_dir / "lost+found").rmdir()


def test_a_full_disk_is_the_containers_own_error(sandbox: Sandbox) -> None:
    script = "head -c 20M /dev/zero > /data/file; echo left with $?; df -P /data | tail -n 1"
    full = pod(
        "p",
        container(script=script, volumeMounts=[{"name": "data", "mountPath": "/data"}]),
        volumes=[{"name": "data", "emptyDir": {}}],
    )
    with small_disk(sandbox.state_dir, mib=8, inodes=256):
        outcome = run_pods(sandbox, full)
        assert outcome.code == 0, outcome.text
        assert "left with 1" in outcome.log()
        assert any("No space left on device" in line for line in outcome.log()), outcome.log()
        (sandbox.state_dir / "lost+found").rmdir()
