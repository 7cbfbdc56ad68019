from __future__ import annotations

import pytest

from nodeguard.model.node import UNLIMITED, CgroupLimits, ControlFile
from nodeguard.policy.control import control_files, described_files, size_in_file_name

FULL = CgroupLimits(
    cpu_shares=512,
    cpu_weight=59,
    cpu_weight_linear=20,
    cpu_quota_us=20_000,
    cpu_period_us=100_000,
    memory_max=1000,
    memory_min=1,
    memory_low=2,
    memory_high=900,
    swap_max=0,
    pids_max=10,
    memory_oom_group=True,
    hugepages={"2Mi": 4096, "1Gi": 0},
)


def values(limits: CgroupLimits, version: int) -> dict[str, str]:
    return {file.file: file.value for file in control_files(limits, version)}


def test_version_2() -> None:
    assert values(FULL, 2) == {
        "cpu.weight": "59",
        "cpu.max": "20000 100000",
        "memory.max": "1000",
        "memory.swap.max": "0",
        "memory.min": "1",
        "memory.low": "2",
        "memory.high": "900",
        "memory.oom.group": "1",
        "pids.max": "10",
        "hugetlb.2MB.max": "4096",
        "hugetlb.1GB.max": "0",
    }


def test_version_1_has_the_period_before_the_quota_and_memory_before_memory_and_swap() -> None:
    assert list(values(FULL, 1).items()) == [
        ("cpu.shares", "512"),
        ("cpu.cfs_period_us", "100000"),
        ("cpu.cfs_quota_us", "20000"),
        ("memory.limit_in_bytes", "1000"),
        ("memory.memsw.limit_in_bytes", "1000"),
        ("pids.max", "10"),
        ("hugetlb.2MB.limit_in_bytes", "4096"),
        ("hugetlb.1GB.limit_in_bytes", "0"),
    ]


def test_each_file_knows_its_v1_hierarchy() -> None:
    for version in (1, 2):
        for file in control_files(FULL, version):
            assert file.version == version
            assert file.controller == file.file.split(".")[0]
    assert ControlFile(version=2, controller="cpu", file="cpu.weight", value="59") in control_files(FULL, 2)


@pytest.mark.parametrize("version", [1, 2])
def test_nothing_is_written_for_what_is_not_set(version: int) -> None:
    assert control_files(CgroupLimits(), version) == ()


@pytest.mark.parametrize(
    ("limits", "v2", "v1"),
    [
        pytest.param(
            CgroupLimits(cpu_period_us=100_000),
            {"cpu.max": "max 100000"},
            {"cpu.cfs_period_us": "100000"},
            id="a period alone leaves the v1 quota untouched",
        ),
        pytest.param(
            CgroupLimits(cpu_quota_us=UNLIMITED, cpu_period_us=5000),
            {"cpu.max": "max 5000"},
            {"cpu.cfs_period_us": "5000", "cpu.cfs_quota_us": "-1"},
            id="no quota, written",
        ),
        pytest.param(
            CgroupLimits(memory_max=UNLIMITED, pids_max=UNLIMITED, hugepages={"64Ki": UNLIMITED}),
            {"memory.max": "max", "pids.max": "max", "hugetlb.64KB.max": "max"},
            {"memory.limit_in_bytes": "-1", "pids.max": "max", "hugetlb.64KB.limit_in_bytes": "-1"},
            id="unlimited",
        ),
        pytest.param(
            CgroupLimits(swap_max=0), {"memory.swap.max": "0"}, {}, id="no memory limit, so none of memory and swap"
        ),
        pytest.param(CgroupLimits(memory_oom_group=False), {"memory.oom.group": "0"}, {}, id="no group kill, written"),
    ],
)
def test_special_values(limits: CgroupLimits, v2: dict[str, str], v1: dict[str, str]) -> None:
    assert (values(limits, 2), values(limits, 1)) == (v2, v1)


@pytest.mark.parametrize(
    ("size", "name"),
    [("64Ki", "64KB"), ("2Mi", "2MB"), ("2048Ki", "2MB"), ("512Mi", "512MB"), ("1Gi", "1GB"), ("16Gi", "16GB")],
)
def test_page_sizes_in_file_names(size: str, name: str) -> None:
    assert size_in_file_name(size) == name


def test_twins_share_their_subject() -> None:
    subjects = [{subject for subject, _ in described_files(FULL, version)} for version in (1, 2)]
    assert subjects[0] < subjects[1]
