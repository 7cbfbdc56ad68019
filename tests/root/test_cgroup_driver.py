"""Processes in real cgroups: moved, counted, killed, and shared with runc."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox import patient

from nodeguard.errors import CgroupGone, Conflict, ControlMismatch, NotFound
from nodeguard.kernel.cgroup import group
from nodeguard.kernel.cgroup.detect import detect
from nodeguard.kernel.cgroup.driver import UNIFIED, Driver
from nodeguard.kernel.process import state
from nodeguard.model.node import CgroupLimits, ControlFile
from nodeguard.policy.control import control_files

pytestmark = pytest.mark.root

MIB = 1 << 20
DEADLINE_SECONDS = patient(20.0)


@pytest.fixture(scope="module")
def driver() -> Driver:
    return detect()


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for child in started:
        with child:  # closes its stdin
            child.kill()


@pytest.fixture
def root(driver: Driver, children: list[subprocess.Popen[bytes]]) -> Iterator[str]:
    # After the children, so that it goes before them: a frozen process does not end by a signal alone.
    path = f"/ngtest-{os.getpid()}-{os.urandom(3).hex()}"
    driver.create(path, "root")
    try:
        yield path
    finally:
        driver.remove(path)
    assert not driver.processes(path)
    assert not driver.children(path)


def start(children: list[subprocess.Popen[bytes]], *argv: str) -> int:
    children.append(subprocess.Popen(argv, stdin=subprocess.PIPE))
    return children[-1].pid


def wait_until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def write(driver: Driver, path: str, limits: CgroupLimits) -> None:
    files = control_files(limits, driver.version)
    driver.write(path, [file for file in files if driver.has(file.controller, file.file)])


def memory_limit_file(driver: Driver) -> str:
    return "memory.max" if driver.version == 2 else "memory.limit_in_bytes"


def test_a_process_is_moved_in_every_hierarchy(
    driver: Driver, root: str, children: list[subprocess.Popen[bytes]]
) -> None:
    driver.create(f"{root}/a", "me")
    pid = start(children, "sleep", "60")
    driver.attach(f"{root}/a", pid)
    where = group.membership(pid)
    if driver.mode == "v2":
        assert where == {"": f"{root}/a"}
    else:
        assert {where[name] for name in driver.controllers} == {f"{root}/a"}
    assert driver.processes(root) == {pid}
    if driver.mode != "v1":
        assert where[""] == f"{root}/a"
        assert "populated 1" in driver.read(root, UNIFIED, "cgroup.events")


def test_a_process_that_is_gone_is_not_found(driver: Driver, root: str) -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    driver.create(f"{root}/a", "me")
    with pytest.raises(NotFound):
        driver.attach(f"{root}/a", child.pid)


def test_the_v2_half_alone(driver: Driver, root: str, children: list[subprocess.Popen[bytes]]) -> None:
    pid = start(children, "sleep", "60")
    driver.attach_unified(root, pid)
    where = group.membership(pid)
    if driver.mode == "hybrid":
        assert where[""] == root
        assert where["memory"] != root
        assert driver.processes(root) == {pid}
        driver.kill(root)
        assert children[0].wait() == -9
    else:
        assert root not in where.values()


def test_kill_takes_the_whole_subtree_and_nobody_else(
    driver: Driver, root: str, children: list[subprocess.Popen[bytes]]
) -> None:
    for path in ("/a", "/a/b", "/c"):
        driver.create(root + path, "me")
    inside = start(children, "sh", "-c", "trap '' TERM; read go; sleep 60 & sleep 60 & wait")
    outside = start(children, "sleep", "60")
    driver.attach(f"{root}/a/b", inside)
    driver.attach(f"{root}/c", outside)
    assert children[0].stdin is not None
    children[0].stdin.write(b"go\n")
    children[0].stdin.flush()
    wait_until(lambda: len(driver.processes(f"{root}/a")) == 3)
    driver.kill(f"{root}/a")
    assert driver.processes(f"{root}/a") == set()
    assert driver.processes(root) == {outside}
    assert state(outside) != "Z"
    assert driver.exists(f"{root}/a/b")


def test_kill_stops_a_crowd_that_keeps_forking(
    driver: Driver, root: str, children: list[subprocess.Popen[bytes]]
) -> None:
    write(driver, root, CgroupLimits(pids_max=60, memory_max=64 * MIB, swap_max=0))
    driver.create(f"{root}/a", "me")
    script = "read go; f() { while :; do sleep 0.01 & wait $!; done; }; for i in 1 2 3 4 5 6 7 8; do f & done; wait"
    driver.attach(f"{root}/a", start(children, "sh", "-c", script))
    assert children[0].stdin is not None
    children[0].stdin.write(b"go\n")
    children[0].stdin.flush()
    wait_until(lambda: len(driver.processes(root)) > 8)
    driver.kill(root)
    assert driver.processes(root) == set()


def test_a_process_in_one_v1_hierarchy_alone_is_killed_too(
    driver: Driver, root: str, children: list[subprocess.Popen[bytes]]
) -> None:
    pid = start(children, "sleep", "60")
    if driver.mode == "v2":
        driver.attach(root, pid)  # there is one hierarchy only
    else:
        Path(f"/sys/fs/cgroup/pids{root}/cgroup.procs").write_text(str(pid))
    driver.kill(root)
    assert children[0].wait() == -9


def test_paused_processes_are_killed(driver: Driver, root: str, children: list[subprocess.Popen[bytes]]) -> None:
    driver.create(f"{root}/a", "me")
    driver.attach(f"{root}/a", start(children, "sleep", "60"))
    freeze = ("freezer", "freezer.state", "FROZEN") if driver.version == 1 else ("pids", "cgroup.freeze", "1")
    driver.write(
        f"{root}/a", [ControlFile(version=driver.version, controller=freeze[0], file=freeze[1], value=freeze[2])]
    )
    driver.kill(root)
    assert children[0].wait() == -9


def test_this_process_is_never_killed(
    driver: Driver, root: str, children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = start(children, "sleep", "60")
    driver.attach(root, pid)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid)
        with pytest.raises(Conflict, match="nodeguard itself"):
            driver.kill(root)
    assert state(pid) != "Z"


def test_removing_kills_what_runs(driver: Driver, root: str, children: list[subprocess.Popen[bytes]]) -> None:
    driver.create(f"{root}/a", "me")
    driver.create(f"{root}/a/b", "me")
    driver.attach(f"{root}/a/b", start(children, "sleep", "60"))
    driver.remove(f"{root}/a")
    assert not driver.exists(f"{root}/a")
    assert children[0].wait() == -9


def test_memory_limits_are_rounded_by_the_kernel_and_understood(driver: Driver, root: str) -> None:
    write(driver, root, CgroupLimits(memory_max=64 * MIB + 5000, swap_max=0))
    assert driver.read(root, "memory", memory_limit_file(driver)) == str(64 * MIB + 4096)


def test_a_clamped_value_is_a_mismatch(driver: Driver, root: str) -> None:
    file, value = ("cpu.weight", "20000") if driver.version == 2 else ("cpu.shares", "1")
    with pytest.raises(ControlMismatch) as caught:
        driver.write(root, [ControlFile(version=driver.version, controller="cpu", file=file, value=value)])
    assert caught.value.got in ("100", "2")


def test_a_limit_below_what_is_used_is_a_mismatch_or_an_oom_kill(
    driver: Driver, root: str, children: list[subprocess.Popen[bytes]]
) -> None:
    write(driver, root, CgroupLimits(memory_max=64 * MIB, swap_max=0))
    script = "read go; x=$(head -c 20000000 /dev/zero | tr '\\0' x); echo done; sleep 60"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            driver.attach(root, child.pid)
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(b"go\n")
            child.stdin.flush()
            assert child.stdout.readline() == b"done\n"
            if driver.version == 1:
                with pytest.raises(ControlMismatch) as caught:
                    write(driver, root, CgroupLimits(memory_max=4 * MIB))
                assert caught.value.wanted == str(4 * MIB)
                assert driver.memory_oom_kills(root) == 0
            else:
                write(driver, root, CgroupLimits(memory_max=4 * MIB))
                wait_until(lambda: driver.memory_oom_kills(root) > 0)
        finally:
            child.kill()


def test_an_oom_kill_is_counted_at_the_pod_too(driver: Driver, root: str) -> None:
    driver.create(f"{root}/app", "me")
    write(driver, f"{root}/app", CgroupLimits(memory_max=8 * MIB, swap_max=0))
    # The shell inside the limit is small, its child is not.
    with subprocess.Popen(["sh", "-c", "read go; head -c 64000000 /dev/zero | tail"], stdin=subprocess.PIPE) as child:
        driver.attach(f"{root}/app", child.pid)
        child.communicate(b"go\n", timeout=DEADLINE_SECONDS)
    assert driver.memory_oom_kills(f"{root}/app") >= 1
    assert driver.memory_oom_kills(root) == driver.memory_oom_kills(f"{root}/app")


def test_a_quota_above_the_parents_is_refused_on_v1(driver: Driver, root: str) -> None:
    driver.create(f"{root}/a", "me")
    write(driver, root, CgroupLimits(cpu_quota_us=50_000, cpu_period_us=100_000))
    above = CgroupLimits(cpu_quota_us=90_000, cpu_period_us=100_000)
    if driver.version == 1:
        with pytest.raises(ControlMismatch):
            write(driver, f"{root}/a", above)
    else:
        write(driver, f"{root}/a", above)


def test_processes_and_groups_do_not_mix_on_v2(
    driver: Driver, root: str, children: list[subprocess.Popen[bytes]]
) -> None:
    pid = start(children, "sleep", "60")
    driver.attach(root, pid)
    if driver.mode == "v2":
        with pytest.raises(Conflict, match="holds processes"):
            driver.create(f"{root}/a", "me")
    else:
        driver.create(f"{root}/a", "me")


@pytest.fixture
def bundle(root: str) -> Iterator[Path]:
    directory = Path(f"/var/tmp{root}")
    (directory / "rootfs/bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", directory / "rootfs/bin/busybox")
    subprocess.run(["runc", "spec"], cwd=directory, check=True)
    yield directory
    subprocess.run(
        ["runc", "--root", directory / "state", "delete", "--force", root.lstrip("/")], check=False, capture_output=True
    )
    shutil.rmtree(directory)


def test_runc_joins_our_group_and_leaves_our_values_alone(driver: Driver, root: str, bundle: Path) -> None:
    pod, container = f"{root}/pod1", f"{root}/pod1/app"
    driver.create(pod, "uid")
    driver.create(container, "uid")
    limits = CgroupLimits(
        cpu_shares=102,
        cpu_weight=17,
        cpu_quota_us=50_000,
        cpu_period_us=100_000,
        memory_max=64 * MIB,
        swap_max=0,
        pids_max=77,
    )
    write(driver, container, limits)
    config = json.loads((bundle / "config.json").read_text())
    config["process"] |= {"args": ["/bin/busybox", "sleep", "60"], "terminal": False}
    config["linux"] |= {"cgroupsPath": container, "resources": {}}
    (bundle / "config.json").write_text(json.dumps(config))
    runc = ["runc", "--root", str(bundle / "state")]
    name = root.lstrip("/")

    subprocess.run([*runc, "run", "--detach", name], cwd=bundle, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    pid = json.loads(subprocess.run([*runc, "state", name], check=True, capture_output=True).stdout)["pid"]
    where = group.membership(pid)
    assert where[""] == container if driver.mode != "v1" else "" not in where
    joined = driver.controllers - {"misc"}  # of which runc 1.1 has not heard; nodeguard writes nothing there
    assert {where[controller] for controller in joined if driver.mode != "v2"} <= {container}
    for control in control_files(limits, driver.version):
        if driver.has(control.controller, control.file):
            assert driver.read(container, control.controller, control.file) == control.value
    assert driver.processes(pod) == {pid}

    inside = subprocess.run([*runc, "exec", name, "/bin/busybox", "cat", "/proc/1/cgroup", "/proc/self/cgroup"],
                            check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout  # fmt: skip
    hierarchies = [line.split(":", 1)[1] for line in inside.splitlines()]  # several controllers may share one
    half = len(hierarchies) // 2
    assert hierarchies[:half] == hierarchies[half:]

    driver.kill(container)
    assert not driver.processes(pod)
    subprocess.run([*runc, "delete", name], check=True)
    assert driver.children(pod) == [], "runc removes the group it joined"
    with pytest.raises(CgroupGone):
        driver.inode(container)
