from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodeguard.errors import CgroupGone, Conflict, HostLacks
from nodeguard.kernel import systemd
from nodeguard.kernel.cgroup import mark
from nodeguard.kernel.cgroup.detect import detect

V1 = ("cpu,cpuacct", "cpuset", "memory", "pids", "freezer", "name=systemd")
READ_ONLY_V2 = "41 25 0:41 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"


@pytest.fixture(autouse=True)
def no_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "is_systemd_host", lambda: False)


def test_controllers_mounted_together_count_one_by_one(fake_cgroupfs: Any) -> None:
    driver = detect(mountinfo=fake_cgroupfs(V1).mountinfo)
    assert driver.controllers == {"cpu", "cpuacct", "cpuset", "memory", "pids", "freezer"}
    driver.create("/a", "me")
    assert driver.read("/a", "cpu", "cpu.shares") == "1024"
    assert driver.read("/a", "cpuacct", "cpuacct.usage") == "0"


def test_a_new_group_has_the_cpus_of_its_parent(fake_cgroupfs: Any) -> None:
    fake = fake_cgroupfs(V1)
    driver = detect(mountinfo=fake.mountinfo)
    driver.create("/a", "me")
    driver.create("/a/b", "me")
    assert (fake.base / "cpuset/a/b/cpuset.cpus").read_text().strip() == "0-3"
    assert (fake.base / "cpuset/a/b/cpuset.mems").read_text().strip() == "0"


def test_cpus_set_by_others_are_kept(fake_cgroupfs: Any) -> None:
    fake = fake_cgroupfs(V1)
    driver = detect(mountinfo=fake.mountinfo)
    driver.create("/a", "me")
    (fake.base / "cpuset/a/cpuset.cpus").write_text("2\n")
    driver.create("/a", "me")
    assert (fake.base / "cpuset/a/cpuset.cpus").read_text().strip() == "2"


def test_old_kernels_are_told_to_count_children(fake_cgroupfs: Any) -> None:
    fake = fake_cgroupfs(V1)
    detect(mountinfo=fake.mountinfo).create("/a", "me")
    assert (fake.base / "memory/a/memory.use_hierarchy").read_text().strip() == "1"


def test_every_hierarchy_is_used_named_ones_of_others_are_not(fake_cgroupfs: Any) -> None:
    fake = fake_cgroupfs((*V1, "name=elogind"))
    detect(mountinfo=fake.mountinfo).create("/a", "me")
    assert sorted(path.parent.name for path in fake.base.glob("*/a")) == sorted(V1)


def test_a_hierarchy_mounted_twice_counts_once(fake_cgroupfs: Any, tmp_path: Path) -> None:
    fake = fake_cgroupfs(V1)
    again = "\n".join(line.replace(str(fake.base), "/elsewhere") for line in fake.mountinfo.splitlines())
    driver = detect(mountinfo=fake.mountinfo + again + "\n")
    driver.create("/a", "me")
    assert (fake.base / "memory/a").is_dir()


def test_v2_hands_the_wanted_controllers_down(fake_cgroupfs: Any) -> None:
    fake = fake_cgroupfs((), "cpuset cpu io memory hugetlb pids rdma")
    driver = detect(mountinfo=fake.mountinfo)
    assert driver.controllers == {"cpu", "cpuset", "memory", "hugetlb", "pids"}
    driver.create("/a", "me")
    enabled = (fake.base / "unified/cgroup.subtree_control").read_text()
    assert enabled == "+cpu +cpuset +hugetlb +memory +pids"


def test_on_a_systemd_host_the_top_is_left_alone(fake_cgroupfs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "is_systemd_host", lambda: True)
    fake = fake_cgroupfs((), "cpuset cpu io memory hugetlb pids")
    (fake.base / "unified/cgroup.subtree_control").write_text("cpu memory pids\n")
    driver = detect("/a", mountinfo=fake.mountinfo)
    assert driver.controllers == {"cpu", "memory", "pids"}
    driver.create("/a", "me")
    assert (fake.base / "unified/cgroup.subtree_control").read_text() == "cpu memory pids\n"


@pytest.mark.parametrize("mark_name", ["trusted.delegate", "user.delegate"])
def test_below_a_delegated_unit_controllers_are_enabled(
    fake_cgroupfs: Any, monkeypatch: pytest.MonkeyPatch, mark_name: str
) -> None:
    monkeypatch.setattr(systemd, "is_systemd_host", lambda: True)
    attributes = {"unit.service": {mark_name: b"1"}}

    def getxattr(path: str, name: str) -> bytes:
        try:
            return attributes[Path(path).name][name]
        except KeyError:
            raise OSError(61, "No data available") from None

    monkeypatch.setattr(mark.os, "getxattr", getxattr)
    fake = fake_cgroupfs((), "cpuset cpu io memory hugetlb pids")
    (fake.base / "unified/cgroup.subtree_control").write_text("cpu memory pids\n")
    (fake.base / "unified/unit.service").mkdir()
    driver = detect("/unit.service/pods", mountinfo=fake.mountinfo)
    driver.create("/unit.service/pods", "me")
    assert (fake.base / "unified/unit.service/cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_a_group_of_others_is_not_changed(fake_cgroupfs: Any) -> None:
    fake = fake_cgroupfs((), "cpu memory pids")
    (fake.base / "unified/cgroup.subtree_control").write_text("cpu memory pids\n")
    (fake.base / "unified/theirs").mkdir()
    with pytest.raises(HostLacks, match="not delegated"):
        detect("/theirs/a", mountinfo=fake.mountinfo).create("/theirs/a", "me")
    assert (fake.base / "unified/theirs/cgroup.subtree_control").read_text() == ""


def test_a_group_of_others_is_a_conflict(fake_cgroupfs: Any) -> None:
    fake = fake_cgroupfs(V1)
    (fake.base / "memory/a").mkdir()
    with pytest.raises(Conflict, match="not nodeguard's"):
        detect(mountinfo=fake.mountinfo).create("/a", "me")


def test_a_group_that_a_crash_left_unmarked_is_taken(fake_cgroupfs: Any) -> None:
    fake = fake_cgroupfs(V1)
    driver = detect(mountinfo=fake.mountinfo)
    driver.create("/a", "me")
    (fake.base / "memory/a/b").mkdir()
    driver.create("/a/b", "me")
    assert driver.owner("/a/b") == "me"
    (fake.base / "memory/a/c").mkdir()
    (fake.base / "memory/a/c/cgroup.procs").write_text("4711\n")
    with pytest.raises(Conflict):
        driver.create("/a/c", "me")


def test_user_attributes_stand_in_for_refused_trusted_ones(fake_cgroupfs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    written: dict[str, bytes] = {}

    def setxattr(path: str, name: str, value: bytes) -> None:
        if name.startswith("trusted."):
            raise PermissionError(1, "Operation not permitted")
        written[name] = value

    monkeypatch.setattr(mark.os, "setxattr", setxattr)
    detect(mountinfo=fake_cgroupfs(V1).mountinfo).create("/a", "me")
    assert written == {"user.nodeguard": b"me"}


@pytest.mark.parametrize(
    ("mountinfo", "message"),
    [
        pytest.param("", "no cgroup file system", id="nothing mounted"),
        pytest.param("garbage - \n- -\n\n", "no cgroup file system", id="malformed text"),
        pytest.param(READ_ONLY_V2, "read-only", id="v2 read-only"),
        pytest.param("30 25 0:30 / /c rw - cgroup cgroup rw,cpu\n", "memory, pids", id="v1 without controllers"),
        pytest.param(
            "".join(f"30 25 0:30 / /c/{n} ro - cgroup cgroup ro,{n}\n" for n in ("cpu", "memory", "pids")),
            "read-only",
            id="v1 read-only",
        ),
    ],
)
def test_what_is_missing_is_named(mountinfo: str, message: str) -> None:
    with pytest.raises(HostLacks, match=message):
        detect(mountinfo=mountinfo)


def test_a_controller_that_v2_does_not_offer_is_named(fake_cgroupfs: Any) -> None:
    with pytest.raises(HostLacks, match="no controller memory"):
        detect(mountinfo=fake_cgroupfs((), "cpu pids").mountinfo)


def test_removal_that_stopped_half_way_is_finished(fake_cgroupfs: Any) -> None:
    fake = fake_cgroupfs(V1, "")
    driver = detect(mountinfo=fake.mountinfo)
    assert driver.mode == "hybrid"
    driver.create("/a", "me")
    for name in V1:
        (fake.base / name / "a").rmdir()
    assert driver.owner("/a") == "me"
    driver.remove("/a")
    assert driver.owner("/a") is None


def test_a_read_only_v2_tree_beside_v1_is_not_used(fake_cgroupfs: Any) -> None:
    assert detect(mountinfo=fake_cgroupfs(V1).mountinfo + READ_ONLY_V2).mode == "v1"


def test_oom_kills_of_a_v1_subtree_are_added_up(fake_cgroupfs: Any) -> None:
    fake = fake_cgroupfs(V1)
    driver = detect(mountinfo=fake.mountinfo)
    driver.create("/a", "me")
    for name, kills in (("b", 2), ("c", 3)):
        driver.create(f"/a/{name}", "me")
        text = f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n"
        (fake.base / f"memory/a/{name}/memory.oom_control").write_text(text)
    assert driver.memory_oom_kills("/a") == 5


def test_a_kernel_that_counts_no_oom_kills_says_so(fake_cgroupfs: Any) -> None:
    fake = fake_cgroupfs(V1)
    driver = detect(mountinfo=fake.mountinfo)
    driver.create("/a", "me")
    (fake.base / "memory/a/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\n")
    with pytest.raises(HostLacks, match="does not count"):
        driver.memory_oom_kills("/a")
    with pytest.raises(CgroupGone):
        driver.memory_oom_kills("/b")
