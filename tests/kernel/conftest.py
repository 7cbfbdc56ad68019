"""A cgroup file system of ordinary files: mkdir fills a directory as the kernel does, rmdir takes the files along."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeguard.kernel import mount

V1_MOUNTS = (
    *("cpu,cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"),
    *("hugetlb", "net_cls,net_prio", "name=systemd"),
)
V1_FILES = {
    "cpu": {"cpu.shares": "1024", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "-1"},
    "cpuacct": {"cpuacct.usage": "0"},
    "cpuset": {"cpuset.cpus": "", "cpuset.mems": ""},
    "memory": {
        "memory.limit_in_bytes": "9223372036854771712",
        "memory.memsw.limit_in_bytes": "9223372036854771712",
        "memory.use_hierarchy": "0",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0",
    },
    "freezer": {"freezer.state": "THAWED"},
    "pids": {"pids.max": "max", "pids.current": "0"},
    "hugetlb": {"hugetlb.2MB.limit_in_bytes": "9223372036852678656"},
}
V2_FILES = {
    "cgroup": {
        "cgroup.kill": "",
        "cgroup.freeze": "0",
        "cgroup.events": "populated 0\nfrozen 0",
        "memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0",
    },
    "cpu": {"cpu.weight": "100", "cpu.max": "max 100000"},
    "cpuset": {"cpuset.cpus": "", "cpuset.mems": ""},
    "memory": {
        "memory.max": "max",
        "memory.swap.max": "max",
        "memory.oom.group": "0",
        "memory.events": "low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\noom_group_kill 0",
    },
    "pids": {"pids.max": "max"},
}


class FakeCgroupfs:
    """Hierarchies below one directory, and the mountinfo that tells of them."""

    def __init__(self, base: Path, v1: tuple[str, ...], v2: str | None) -> None:
        self.base = base
        self._v1 = {base / names: names.split(",") for names in v1}
        self._v2 = base / "unified" if v2 is not None else None
        for directory, names in self._v1.items():
            directory.mkdir(parents=True)
            self._fill_v1(directory, names)
        if "cpuset" in v1:
            (base / "cpuset/cpuset.cpus").write_text("0-3\n")
            (base / "cpuset/cpuset.mems").write_text("0\n")
        if self._v2 is not None:
            self._v2.mkdir(parents=True)
            self._fill(self._v2, {"cgroup.procs": "", "cgroup.controllers": v2 or "", "cgroup.subtree_control": ""})
        lines = ["25 1 254:0 / / rw,relatime - ext4 /dev/vda rw"]
        lines += [f"30 25 0:30 / {d} rw,relatime - cgroup cgroup rw,{','.join(n)}" for d, n in self._v1.items()]
        if self._v2 is not None:
            lines.append(f"41 25 0:41 / {self._v2} rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate")
        self.mountinfo = "\n".join(lines) + "\n"

    def populate(self, directory: Path) -> None:
        """Give a new group the files of its hierarchy."""
        for top, names in self._v1.items():
            if top in directory.parents:
                self._fill_v1(directory, names)
        if self._v2 is not None and self._v2 in directory.parents:
            handed_down = (directory.parent / "cgroup.subtree_control").read_text().replace("+", "").split()
            core = {"cgroup.procs": "", "cgroup.subtree_control": "", "cgroup.controllers": " ".join(handed_down)}
            self._fill(directory, core)
            for name in ("cgroup", *handed_down):
                self._fill(directory, V2_FILES.get(name, {}))

    def _fill_v1(self, directory: Path, names: list[str]) -> None:
        self._fill(directory, {"cgroup.procs": "", "tasks": "", "notify_on_release": "0"})
        for name in names:
            self._fill(directory, V1_FILES.get(name, {}))

    @staticmethod
    def _fill(directory: Path, files: dict[str, str]) -> None:
        for name, text in files.items():
            (directory / name).write_text(text + "\n" if text else "")


@pytest.fixture
def fake_cgroupfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes a FakeCgroupfs: v1 mounts, and the controllers of the v2 tree (None: there is none)."""
    made: list[FakeCgroupfs] = []
    mkdir, rmdir = os.mkdir, os.rmdir

    def fake_mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        mkdir(path, mode, dir_fd=dir_fd)
        for each in made:
            if each.base in Path(os.fsdecode(path)).parents:
                each.populate(Path(os.fsdecode(path)))

    def fake_rmdir(path: Any, *, dir_fd: int | None = None) -> None:
        directory = Path(os.fsdecode(path))
        if any(each.base in directory.parents for each in made):
            for entry in list(directory.iterdir()) if directory.is_dir() else []:
                if not entry.is_dir():
                    entry.unlink()
        rmdir(path, dir_fd=dir_fd)

    def make(v1: tuple[str, ...] = (), v2: str | None = None) -> FakeCgroupfs:
        fake = FakeCgroupfs(tmp_path / "cgroup", v1, v2)
        made.append(fake)
        return fake

    monkeypatch.setattr(os, "mkdir", fake_mkdir)
    monkeypatch.setattr(os, "rmdir", fake_rmdir)
    yield make
    monkeypatch.undo()
    shutil.rmtree(tmp_path / "cgroup", ignore_errors=True)


@pytest.fixture
def fake_mountinfo(fake_cgroupfs: Any) -> Any:
    """The mountinfo of a fake v1, hybrid or v2 host."""

    def make(mode: str) -> str:
        fake = {
            "v1": lambda: fake_cgroupfs(V1_MOUNTS),
            "hybrid": lambda: fake_cgroupfs(V1_MOUNTS, ""),
            "v2": lambda: fake_cgroupfs((), "cpuset cpu io memory pids rdma"),
        }[mode]()
        text: str = fake.mountinfo
        assert mount.parse_mountinfo(text)
        return text

    return make
