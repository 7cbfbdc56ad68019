"""The tree as it is shown: what is read, and how it looks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest

from nodeguard.agent.tree_view import read_tree, render, tree_object
from nodeguard.errors import CgroupGone, HostLacks

UNLIMITED_V1 = "9223372036854771712"
MIB = 1 << 20


class FakeReader:
    """Groups as a mapping of path to the files in it."""

    def __init__(self, version: Literal[1, 2], groups: Mapping[str, Mapping[str, str]]) -> None:
        self.version, self.groups = version, groups
        self.vanished: set[str] = set()

    def exists(self, path: str) -> bool:
        return path in self.groups

    def inode(self, path: str) -> int:
        return 1

    def children(self, path: str) -> list[str]:
        return [name.rpartition("/")[2] for name in self.groups if name.rpartition("/")[0] == path]

    def read(self, path: str, controller: str, file: str) -> str:
        if path in self.vanished:
            raise CgroupGone(path)
        try:
            return self.groups[path][file]
        except KeyError:
            raise HostLacks(file) from None


def v2(**others: str) -> dict[str, str]:
    files = {
        "cpu.weight": "59",
        "cpu.max": "max 100000",
        "cpu.stat": "usage_usec 1500000\nuser_usec 1000000",
        "memory.max": "max",
        "memory.current": str(20 * MIB),
        "memory.stat": f"anon 1\ninactive_file {4 * MIB}\nactive_file 3",
        "pids.max": "max",
        "pids.current": "3",
        "cpu.pressure": "some avg10=1.25 avg60=0.00 avg300=0.00 total=1\nfull avg10=9.00 avg60=0.00 total=0",
        "memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0",
        "io.pressure": "some avg10=12.50 avg60=0.00 avg300=0.00 total=0",
    }
    return files | {name.replace("_", "."): value for name, value in others.items()}


def v1(**others: str) -> dict[str, str]:
    files = {
        "cpu.shares": "512",
        "cpu.cfs_quota_us": "-1",
        "cpu.cfs_period_us": "100000",
        "cpuacct.usage": "2500000000",
        "memory.limit_in_bytes": UNLIMITED_V1,
        "memory.usage_in_bytes": str(MIB),
        "memory.stat": f"inactive_file 1\ntotal_inactive_file {2 * MIB}",
        "pids.max": "max",
        "pids.current": "1",
    }
    return files | others


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run directory that knows the pod u1."""
    directory = tmp_path / "pods" / "u1"
    directory.mkdir(parents=True)
    owner = {"pid": 1, "start_time_ticks": 1, "boot_id": "b"}
    record = {"uid": "u1", "namespace": "default", "name": "web", "owner": owner}
    record |= {"cgroup": "/ng/burstable/podu1", "log_dir": "/l", "state_dir": "/s", "runtime": "runc"}
    (directory / "record.json").write_text(json.dumps(record))
    return tmp_path


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader(
        2,
        {
            "/ng": v2(memory_max=str(1 << 30), pids_max="100"),
            "/ng/besteffort": v2(),
            "/ng/burstable": v2(),
            "/ng/guaranteed": v2(),
            "/ng/burstable/podu1": v2(cpu_max="50000 100000"),
            "/ng/burstable/podu1/app": v2(cpu_max="200000 100000", memory_max=str(64 * MIB)),
            "/ng/burstable/podu1/app/made-by-the-workload": v2(),
            "/ng/burstable/podu2": v2(),
        },
    )


def test_no_tree(tmp_path: Path) -> None:
    assert read_tree(FakeReader(2, {}), "/ng", tmp_path) is None


def test_levels_names_and_values_on_v2(reader: FakeReader, run_dir: Path) -> None:
    tree = read_tree(reader, "/ng", run_dir)
    assert tree is not None
    assert [child.name for child in tree.children] == ["guaranteed", "burstable", "besteffort"]
    assert (tree.reading.memory_max, tree.reading.pids_max) == (1 << 30, 100)
    known, unknown = tree.children[1].children
    assert (known.pod, known.uid) == ("default/web", "u1")
    assert (unknown.pod, unknown.uid) == (None, "u2")
    (container,) = known.children
    assert container.level == "container"
    assert container.children == ()
    reading = container.reading
    assert (reading.cpu_weight, reading.cpu_shares) == (59, None)
    assert (reading.cpu_quota_us, reading.cpu_period_us, reading.cpu_seconds) == (200000, 100000, 1.5)
    assert (reading.memory_max, reading.memory_bytes) == (64 * MIB, 20 * MIB)
    assert reading.memory_working_set_bytes == 16 * MIB
    assert (reading.pids_max, reading.pids) == (None, 3)
    assert reading.pressure == {"cpu": 1.25, "memory": 0.0, "io": 12.5}


def test_values_on_v1(tmp_path: Path) -> None:
    reader = FakeReader(1, {"/ng": v1(), "/ng/burstable": v1(**{"cpu.cfs_quota_us": "15000", "pids.max": "7"})})
    tree = read_tree(reader, "/ng", tmp_path)
    assert tree is not None
    reading = tree.reading
    assert (reading.cpu_shares, reading.cpu_weight, reading.cpu_quota_us) == (512, None, None)
    assert (reading.memory_max, reading.cpu_seconds) == (None, 2.5)
    assert reading.memory_working_set_bytes == 0
    assert reading.pressure == {}
    assert (tree.children[0].reading.cpu_quota_us, tree.children[0].reading.pids_max) == (15000, 7)


def test_a_group_that_goes_while_we_look_is_left_out(reader: FakeReader, run_dir: Path) -> None:
    reader.vanished.add("/ng/burstable/podu1/app")
    tree = read_tree(reader, "/ng", run_dir)
    assert tree is not None
    assert tree.children[1].children[0].children == ()


def test_missing_controllers_are_unknown_not_zero(tmp_path: Path) -> None:
    tree = read_tree(FakeReader(2, {"/ng": {}}), "/ng", tmp_path)
    assert tree is not None
    assert render(tree).splitlines()[1].split() == ["/ng", "-", "-", "-", "-", "-", "-", "-"]
    assert tree_object(tree)["memoryBytes"] is None


def test_the_table(reader: FakeReader, run_dir: Path) -> None:
    tree = read_tree(reader, "/ng", run_dir)
    assert tree is not None
    lines = render(tree).splitlines()
    assert [line[: lines[0].index("CPU-SHARE")].rstrip() for line in lines] == [
        "CGROUP",
        "/ng",
        "├─ guaranteed",
        "├─ burstable",
        "│  ├─ default/web (podu1)",
        "│  │  └─ app",
        "│  └─ podu2",
        "└─ besteffort",
    ]
    assert lines[5].split()[4:] == ["59", "2", "1.50s", "16Mi", "64Mi", "3", "-", "1.25/0.00/12.50"]
    assert lines[4].split()[5] == "500m"
    assert render(tree, ascii_only=True).isascii()
    assert "|  |  `- app" in render(tree, ascii_only=True)


def test_the_object(reader: FakeReader, run_dir: Path) -> None:
    tree = read_tree(reader, "/ng", run_dir)
    assert tree is not None
    found = json.loads(json.dumps(tree_object(tree)))
    pod = found["children"][1]["children"][0]
    assert (pod["level"], pod["pod"], pod["uid"]) == ("pod", "default/web", "u1")
    assert pod["children"][0]["path"] == "/ng/burstable/podu1/app"
    assert pod["cpuQuotaUs"] == 50000
    assert pod["memoryWorkingSetBytes"] == 16 * MIB
    assert pod["pressure"] == {"cpu": 1.25, "memory": 0.0, "io": 12.5}
