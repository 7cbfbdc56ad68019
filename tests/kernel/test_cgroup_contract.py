"""What every driver does, on fake trees of all three kinds and on the real one of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nodeguard.errors import CgroupGone, Conflict, ControlMismatch, HostLacks, UsageError
from nodeguard.kernel import systemd
from nodeguard.kernel.cgroup.detect import detect
from nodeguard.kernel.cgroup.driver import UNIFIED, Driver
from nodeguard.model.node import CgroupLimits, ControlFile
from nodeguard.policy.control import control_files

MIB = 1 << 20


@dataclass
class Arena:
    driver: Driver
    root: str


@pytest.fixture(params=["v1", "hybrid", "v2", pytest.param("real", marks=pytest.mark.root)])
def arena(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arena]:
    if request.param == "real":
        driver = detect()
    else:
        monkeypatch.setattr(systemd, "is_systemd_host", lambda: False)
        driver = detect(mountinfo=request.getfixturevalue("fake_mountinfo")(request.param))
        assert driver.mode == request.param
    root = f"/ngtest-{os.getpid()}-{os.urandom(3).hex()}"
    try:
        driver.create(root, "root")
        yield Arena(driver, root)
    finally:
        driver.remove(root)
    assert not driver.exists(root)


def write(driver: Driver, path: str, **values: Any) -> None:
    files = control_files(CgroupLimits(**values), driver.version)
    driver.write(path, [file for file in files if driver.has(file.controller, file.file)])


def memory_limit(driver: Driver, path: str) -> str:
    return driver.read(path, "memory", "memory.max" if driver.version == 2 else "memory.limit_in_bytes")


def test_a_group_is_there_once_made_and_gone_once_removed(arena: Arena) -> None:
    pod = f"{arena.root}/pod1"
    assert not arena.driver.exists(pod)
    arena.driver.create(pod, "uid-1")
    arena.driver.create(f"{pod}/app", "uid-1")
    assert arena.driver.exists(pod)
    assert arena.driver.exists(f"{pod}/app")
    assert arena.driver.children(pod) == ["app"]
    assert arena.driver.children(arena.root) == ["pod1"]
    arena.driver.remove(pod)
    assert not arena.driver.exists(pod)
    assert arena.driver.children(arena.root) == []


def test_making_and_removing_may_be_repeated(arena: Arena) -> None:
    for _ in range(2):
        arena.driver.create(f"{arena.root}/a", "me")
    for _ in range(2):
        arena.driver.remove(f"{arena.root}/a")


def test_the_mark_tells_the_owner(arena: Arena) -> None:
    arena.driver.create(f"{arena.root}/a", "me")
    assert arena.driver.owner(f"{arena.root}/a") == "me"
    assert arena.driver.owner(f"{arena.root}/nothing") is None


def test_the_group_of_another_owner_is_a_conflict(arena: Arena) -> None:
    arena.driver.create(f"{arena.root}/a", "me")
    with pytest.raises(Conflict, match="belongs to me"):
        arena.driver.create(f"{arena.root}/a", "you")
    assert arena.driver.owner(f"{arena.root}/a") == "me"


def test_a_group_without_its_parent_is_not_made(arena: Arena) -> None:
    with pytest.raises(CgroupGone):
        arena.driver.create(f"{arena.root}/a/b", "me")


@pytest.mark.parametrize("path", ["relative", "/a/../b", "/./a"])
def test_a_path_that_climbs_is_refused(arena: Arena, path: str) -> None:
    with pytest.raises(UsageError):
        arena.driver.remove(path)


def test_limits_are_read_back(arena: Arena) -> None:
    arena.driver.create(f"{arena.root}/a", "me")
    write(
        arena.driver,
        f"{arena.root}/a",
        cpu_shares=102,
        cpu_weight=4,
        cpu_quota_us=50_000,
        cpu_period_us=100_000,
        memory_max=64 * MIB,
        swap_max=0,
        pids_max=77,
    )
    assert memory_limit(arena.driver, f"{arena.root}/a") == str(64 * MIB)
    assert arena.driver.read(f"{arena.root}/a", "pids", "pids.max") == "77"


@pytest.mark.parametrize("memory_max", [32 * MIB, 128 * MIB, -1])
def test_a_limit_moves_up_and_down(arena: Arena, memory_max: int) -> None:
    arena.driver.create(f"{arena.root}/a", "me")
    write(arena.driver, f"{arena.root}/a", memory_max=64 * MIB, swap_max=0)
    write(arena.driver, f"{arena.root}/a", memory_max=memory_max, swap_max=0)
    write(arena.driver, f"{arena.root}/a", memory_max=16 * MIB, swap_max=0)
    assert memory_limit(arena.driver, f"{arena.root}/a") == str(16 * MIB)


def test_quota_and_period_move_together(arena: Arena) -> None:
    arena.driver.create(f"{arena.root}/a", "me")
    arena.driver.create(f"{arena.root}/a/b", "me")
    write(arena.driver, f"{arena.root}/a", cpu_quota_us=100_000, cpu_period_us=100_000)
    write(arena.driver, f"{arena.root}/a/b", cpu_quota_us=100_000, cpu_period_us=100_000)
    write(arena.driver, f"{arena.root}/a/b", cpu_quota_us=10_000, cpu_period_us=10_000)
    write(arena.driver, f"{arena.root}/a/b", cpu_quota_us=-1, cpu_period_us=100_000)


def test_no_limit_is_understood(arena: Arena) -> None:
    arena.driver.create(f"{arena.root}/a", "me")
    write(arena.driver, f"{arena.root}/a", memory_max=-1, swap_max=-1, pids_max=-1)
    assert arena.driver.read(f"{arena.root}/a", "pids", "pids.max") == "max"


def test_a_value_the_kernel_refuses_is_a_mismatch_with_file_wanted_and_got(arena: Arena, tmp_path: Path) -> None:
    arena.driver.create(f"{arena.root}/a", "me")
    for fake in (tmp_path / "cgroup").glob(f"*{arena.root}/a/pids.max"):
        fake.unlink()
        fake.symlink_to("/dev/null")  # takes everything and remembers nothing
    control = ControlFile(version=arena.driver.version, controller="pids", file="pids.max", value="5000000")
    with pytest.raises(ControlMismatch) as caught:
        arena.driver.write(f"{arena.root}/a", [control])
    assert caught.value.path.endswith("/a/pids.max")
    assert caught.value.wanted == "5000000"
    assert caught.value.got in ("", "max")


def test_what_the_host_has_not_is_named(arena: Arena) -> None:
    arena.driver.create(f"{arena.root}/a", "me")
    assert arena.driver.has("pids", "pids.max")
    assert not arena.driver.has("pids", "pids.nothing")
    assert not arena.driver.has("nothing", "nothing.max")
    with pytest.raises(HostLacks, match=r"pids\.nothing"):
        arena.driver.read(f"{arena.root}/a", "pids", "pids.nothing")
    control = ControlFile(version=arena.driver.version, controller="memory", file="memory.nothing", value="1")
    with pytest.raises(HostLacks, match=r"memory\.nothing"):
        arena.driver.write(f"{arena.root}/a", [control])


@pytest.mark.root
def test_nothing_is_left_of_asking_before_anything_was_made() -> None:
    driver = detect()
    assert driver.has("pids", "pids.max")
    assert [name for name in driver.children("/") if name == f"nodeguard-sample-{os.getpid()}"] == []


def test_a_removed_group_is_gone_for_readers_and_writers(arena: Arena) -> None:
    gone = f"{arena.root}/gone"
    control = ControlFile(version=arena.driver.version, controller="pids", file="pids.max", value="5")
    with pytest.raises(CgroupGone):
        arena.driver.read(gone, "pids", "pids.max")
    with pytest.raises(CgroupGone):
        arena.driver.write(gone, [control])
    with pytest.raises(CgroupGone):
        arena.driver.attach(gone, os.getpid())
    with pytest.raises(CgroupGone):
        arena.driver.inode(gone)
    with pytest.raises(CgroupGone):
        arena.driver.memory_oom_kills(gone)
    assert arena.driver.processes(gone) == set()
    assert arena.driver.children(gone) == []
    arena.driver.kill(gone)


def test_the_inode_tells_groups_of_one_name_apart(arena: Arena) -> None:
    arena.driver.create(f"{arena.root}/a", "me")
    arena.driver.create(f"{arena.root}/b", "me")
    assert arena.driver.inode(f"{arena.root}/a") != arena.driver.inode(f"{arena.root}/b")


def test_oom_kills_are_counted(arena: Arena) -> None:
    arena.driver.create(f"{arena.root}/a", "me")
    assert arena.driver.memory_oom_kills(f"{arena.root}/a") in (0, 2)  # the fake v2 tree says 2


def test_core_files_of_the_v2_tree(arena: Arena) -> None:
    arena.driver.create(f"{arena.root}/a", "me")
    if arena.driver.mode == "v1":
        assert not arena.driver.has(UNIFIED, "cgroup.events")
        with pytest.raises(HostLacks):
            arena.driver.read(f"{arena.root}/a", UNIFIED, "cgroup.events")
    else:
        assert arena.driver.has(UNIFIED, "cgroup.events")
        assert "populated 0" in arena.driver.read(f"{arena.root}/a", UNIFIED, "cgroup.events")
