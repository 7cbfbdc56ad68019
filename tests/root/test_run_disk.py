"""Disks run short, or pods exceed what they may take of them: on file systems of the test's own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopdisk import MIB, ext4, tmpfs
from root.lab import (
    Outcome,
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
from sandbox import Sandbox

pytestmark = pytest.mark.root

DATA = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
QUIET = "imagefs.available=0%,imagefs.inodesFree=0%,nodefs.available=0%,nodefs.inodesFree=0%".replace("=", "<")
"""The disks of the machine that runs the tests have nothing to say."""


def evicted(outcome: Outcome) -> list[str]:
    return [event["pod"].removeprefix("default/") for event in outcome.events if event["reason"] == "Evicted"]


def files_below(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir())


@pytest.fixture
def disk(sandbox: Sandbox) -> Iterator[Path]:
    with ext4(sandbox.base / "disk", size_bytes=64 * MIB) as made:
        yield made


def hard(*thresholds: str) -> tuple[str, ...]:
    return ("--eviction-hard", QUIET, *(word for each in thresholds for word in ("--eviction-hard", each)))


def test_logs_count_against_the_limit(sandbox: Sandbox) -> None:
    script = "head -c 6M /dev/zero | tr '\\0' x | fold -w 100; sleep 100"
    loud = pod("loud", container("main", script, resources=resources(limits="ephemeral-storage=4Mi")))
    outcome = run_pods(sandbox, loud, options=hard())
    assert evicted(outcome) == ["loud"]
    assert "exceeds the total limit of containers 4Mi" in outcome.status("loud")["message"]


def test_a_file_that_is_gone_in_time_costs_nothing(sandbox: Sandbox) -> None:
    """What counts is what is there when somebody looks."""
    script = "head -c 3M /dev/zero > /data/a; sleep 3; rm /data/a; head -c 3M /dev/zero > /data/b; sleep 3"
    volumes = [{"name": "data", "emptyDir": {"sizeLimit": "4Mi"}}]
    outcome = run_pods(sandbox, pod("p", container("main", script, **DATA), volumes=volumes), options=hard())
    assert (outcome.code, evicted(outcome)) == (0, [])


def test_everything_of_a_pod_lies_on_nodefs_and_is_gone_afterwards(sandbox: Sandbox, disk: Path) -> None:
    script = "echo hello > /data/file; echo up; sleep 100"
    volumes = [{"name": "data", "emptyDir": {}}]
    main = container("main", script, **DATA)
    options = (*hard(), "--nodefs", str(disk))
    env = {"NODEGUARD_LOG_DIR": ""}
    with start_pods(sandbox, pod("p", main, volumes=volumes), options=options, env=env) as running:
        wait_for_up(running)
        (place,) = (disk / "pods").iterdir()
        assert (place / "volumes" / "data" / "file").read_text() == "hello\n"
        assert len(list((place / "containers").glob("*/upper"))) == 1
        assert files_below(disk / "logs") == [f"default_p_{place.name}/main/0.log"]
        assert files_below(sandbox.state_dir / "pods") == []
        kill_at_once(running)
        finish(running)
    assert files_below(disk) == []


def test_writable_layers_lie_on_imagefs_and_decide_who_goes_there(sandbox: Sandbox, disk: Path) -> None:
    nodefs = sandbox.base / "nodefs"
    with tmpfs(nodefs, "size=64m"):
        volumes = [{"name": "data", "emptyDir": {}}]
        in_volume = pod(
            "volume", container("main", "head -c 30M /dev/zero > /data/file; sleep 5", **DATA), volumes=volumes
        )
        in_layer = pod("layer", container("main", "sleep 2; head -c 40M /dev/zero > /var/tmp/file; sleep 100"))
        options = (*hard("imagefs.available<30Mi"), "--nodefs", str(nodefs), "--imagefs", str(disk))
        outcome = run_pods(sandbox, in_volume, in_layer, options=options)
        assert evicted(outcome) == ["layer"]
        assert outcome.status("volume")["phase"] == "Succeeded"
        assert "Container main was using " in outcome.status("layer")["message"]
        assert files_below(disk) == files_below(nodefs) == []


def test_the_nodes_own_garbage_goes_before_a_pod(sandbox: Sandbox, disk: Path) -> None:
    unused = disk / "images" / "unpacked" / ("0" * 64)
    (unused / "rootfs").mkdir(parents=True)
    (unused / "rootfs" / "file").write_bytes(b"x" * 20 * MIB)
    (unused / "config.json").write_text("{}")
    os.utime(unused / "config.json", (time.time() - 3600, time.time() - 3600))
    script = "head -c 12M /dev/zero > /var/tmp/file; sleep 4"
    options = (*hard("imagefs.available<30Mi"), "--imagefs", str(disk))
    outcome = run_pods(sandbox, pod("p", container("main", script)), options=options)
    assert (outcome.code, evicted(outcome)) == (0, [])
    assert "EvictionThresholdMet" in outcome.reasons()
    assert not unused.exists()


def test_an_image_in_use_or_too_young_is_not_garbage(sandbox: Sandbox, disk: Path) -> None:
    young = disk / "images" / "unpacked" / ("1" * 64)
    (young / "rootfs").mkdir(parents=True)
    (young / "rootfs" / "file").write_bytes(b"x" * 20 * MIB)
    (young / "config.json").write_text("{}")
    script = "head -c 12M /dev/zero > /var/tmp/file; sleep 100"
    options = (*hard("imagefs.available<30Mi"), "--imagefs", str(disk))
    outcome = run_pods(sandbox, pod("p", container("main", script)), options=options)
    assert evicted(outcome) == ["p"]
    assert young.exists()


def test_nothing_stays_on_the_disks_of_a_nodeguard_that_was_killed(sandbox: Sandbox, disk: Path) -> None:
    imagefs = sandbox.base / "imagefs"
    with tmpfs(imagefs, "size=64m"):
        volumes = [{"name": "data", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory"}}]
        main = container("main", "echo x > /data/file; echo x > /var/tmp/file; echo up; sleep 1000", **DATA)
        options = (*hard(), "--nodefs", str(disk), "--imagefs", str(imagefs))
        with start_pods(sandbox, pod("p", main, volumes=volumes), options=options) as running:
            wait_for_up(running)
            assert len(list((imagefs / "layers").glob("*/*/upper"))) == 1
            running.process.kill()
            running.wait()
        done = sandbox.nodeguard("cleanup")
        assert (done.returncode, "default/p" in done.stdout) == (0, True)
        assert files_below(disk) == files_below(imagefs) == []
        assert list((imagefs / "layers").iterdir()) == list((disk / "pods").iterdir()) == []


@pytest.mark.parametrize("flag", ["--nodefs", "--imagefs"])
def test_a_directory_that_is_not_there(sandbox: Sandbox, flag: str) -> None:
    outcome = run_pods(sandbox, pod("p"), options=(flag, str(sandbox.base / "none")))
    assert outcome.code == 4
    assert_is_told(outcome.text, flag, "none", "no such directory")


def test_a_disk_that_vanishes_evicts_nobody(sandbox: Sandbox) -> None:
    """Unmounted lazily, under everybody's feet: its signals are unknown from then on."""
    from nodeguard.kernel import mount

    nodefs = sandbox.base / "nodefs"
    with tmpfs(nodefs, "size=64m"):
        options = (*hard("nodefs.available<1Mi"), "--nodefs", str(nodefs))
        with start_pods(sandbox, pod("p", container("main", "echo up; sleep 6")), options=options) as running:
            wait_for_up(running)
            for point in mount.mounts_below(nodefs):
                if point == str(nodefs):
                    mount.unmount(point)
            wait_for(lambda: running.process.poll() is not None or None, "the end of the run", timeout=60)
            outcome = finish(running)
    assert evicted(outcome) == []


def test_rotated_logs_go_before_a_pod(sandbox: Sandbox, disk: Path) -> None:
    """Four rotated files of a mebibyte each are what is missing to the threshold, and more."""
    script = (
        "for i in 1 2 3 4 5 6; do head -c 1M /dev/zero | tr '\\0' x | fold -w 1000; sleep 0.5; done; sleep 2\n"
        "free=$(($(stat -f -c '%a * %S' /data))); fallocate -l $((free - (29 << 20))) /data/file; sleep 4; echo done"
    )
    options = (*hard("nodefs.available<30Mi"), "--container-log-max-size", "1Mi")
    places = ("--nodefs", str(disk), "--imagefs", str(disk))
    volumes = [{"name": "data", "emptyDir": {}}]
    chatty = pod("chatty", container("main", script, **DATA), volumes=volumes)
    outcome = run_pods(sandbox, chatty, options=(*options, *places), env={"NODEGUARD_LOG_DIR": ""})
    assert "EvictionThresholdMet" in outcome.reasons()
    assert (outcome.code, evicted(outcome)) == (0, [])
    assert outcome.log(pod="chatty")[-1].endswith("done")
