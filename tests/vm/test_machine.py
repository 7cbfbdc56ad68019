"""What takes a machine with all of root's powers, its own swap and its own disks."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from root.lab import (
    UNTIL_TERM,
    VERSION,
    assert_is_told,
    cgroup_of,
    container,
    control,
    finish,
    is_alive,
    kill_at_once,
    pod,
    processes_of,
    resources,
    run_pods,
    script_pod,
    start_pods,
    wait_for,
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


def global_oom_kills() -> int:
    """Those for want of memory in the whole machine. In a limited group it is a "Memory cgroup out of memory".

    Source: Linux, mm/oom_kill.c, out_of_memory and oom_kill_process.
    """
    return command("dmesg").count("] Out of memory: ")


def test_pods_without_limits_do_not_run_the_machine_out_of_memory(sandbox: Sandbox) -> None:
    """Three want 3 GiB, which the machine does not have; what the node does not give to pods stays with it."""
    before = global_oom_kills()
    hogs = [pod(f"hog{i}", container(script="head -c 1G /dev/zero | tail")) for i in range(3)]
    outcome = run_pods(sandbox, *hogs, options=("--capacity", "cpu=1,memory=512Mi"))
    for i in range(3):
        # whoever is faster: nodeguard, which sees the arena run short, or the kernel at the arena's limit
        status, ended = outcome.status(f"hog{i}"), outcome.terminated(pod=f"hog{i}")
        assert status["phase"] == "Failed"
        assert status.get("reason") == "Evicted" or ended["reason"] == "OOMKilled", (status, ended)
    assert global_oom_kills() == before


def test_a_fork_bomb_stops_at_its_pods_limit(sandbox: Sandbox) -> None:
    """A program that does nothing but start itself twice. The pod beside it and the machine go on."""
    bomb = pod("bomb", container(script="bomb() { bomb | bomb & }; bomb; exec sleep 1000"))
    calm = pod("calm", container(script=UNTIL_TERM))
    with start_pods(sandbox, calm, bomb, options=("--pod-max-pids", "60")) as running:
        running.read_until("fork")
        path = cgroup_of(sandbox, "bomb")

        def has_been_stopped() -> bool:
            # counted where the process is that wanted to fork; since Linux 6.11 where the limit is
            return any(int(control(group, "pids.events").split()[1]) for group in (path, f"{path}/main"))

        wait_for(has_been_stopped, "a fork that was refused")
        assert int(control(path, "pids.current")) <= 60
        assert command("true") == ""
        assert len(processes_of(cgroup_of(sandbox, "calm", "main"))) == 2
        kill_at_once(running)
        assert finish(running).code == 130
    assert sandbox.left_behind() == []


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


EXT4 = ("mkfs.ext4", "-q", "-m", "0", "-N", "256")
XFS = ("mkfs.xfs", "-q")
"""It makes inodes as they are needed, so there is no small table of them."""


@contextmanager
def small_disk(at: Path, *make: str, mib: int) -> Iterator[None]:
    image = at.parent / "disk.img"
    with image.open("wb") as file:
        file.truncate(mib << 20)
    command(*make, image)
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
    with small_disk(sandbox.state_dir, "mkfs.ext4", "-q", "-m", "0", "-N", "64", mib=8):
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


@pytest.mark.parametrize(("make", "mib"), [pytest.param(EXT4, 8, id="ext4"), pytest.param(XFS, 320, id="xfs")])
def test_a_full_disk_is_the_containers_own_error(sandbox: Sandbox, make: tuple[str, ...], mib: int) -> None:
    script = f"head -c {mib + 12}M /dev/zero > /data/file; echo left with $?; df -P /data | tail -n 1"
    full = pod(
        "p",
        container(script=script, volumeMounts=[{"name": "data", "mountPath": "/data"}]),
        volumes=[{"name": "data", "emptyDir": {}}],
    )
    with small_disk(sandbox.state_dir, *make, mib=mib):
        outcome = run_pods(sandbox, full, options=("--eviction-mode", "off"))
        assert outcome.code == 0, outcome.text
        assert "left with 1" in outcome.log()
        assert any("No space left on device" in line for line in outcome.log()), outcome.log()
        shutil.rmtree(sandbox.state_dir / "lost+found", ignore_errors=True)  # xfs has none


@pytest.mark.parametrize(("make", "mib"), [pytest.param(EXT4, 8, id="ext4"), pytest.param(XFS, 320, id="xfs")])
def test_the_root_file_system_of_a_container_may_be_on_any_disk(
    sandbox: Sandbox, make: tuple[str, ...], mib: int
) -> None:
    """The upper layer of an overlay is there: what is new and what was removed is seen, and gone with the container."""
    script = "echo new > /etc/new; rm /etc/debian_version; cat /etc/new; ls /etc/debian_version"
    with small_disk(sandbox.state_dir, *make, mib=mib):
        outcome = run_pods(sandbox, script_pod(script))
        assert outcome.code == 2, outcome.text
        assert "new" in outcome.log()
        shutil.rmtree(sandbox.state_dir / "lost+found", ignore_errors=True)
    assert Path("/etc/debian_version").exists()
    assert not Path("/etc/new").exists()
