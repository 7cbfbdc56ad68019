"""The tree read from the kernel's own files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeguard.agent.tree_view import read_tree, render
from nodeguard.kernel.cgroup.detect import detect
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.model.node import CgroupLimits
from nodeguard.policy.control import control_files

pytestmark = pytest.mark.root

ROOT = f"/ngtest-{os.getpid()}-{os.urandom(3).hex()}"


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = detect(ROOT)
    try:
        yield driver
    finally:
        driver.remove(ROOT)


def test_limits_usage_and_pressure_of_a_real_tree(driver: Driver, tmp_path: Path) -> None:
    assert read_tree(driver, ROOT, tmp_path) is None
    pod = f"{ROOT}/burstable/podu1"
    for path in (ROOT, f"{ROOT}/burstable", pod, f"{pod}/app"):
        driver.create(path, "test")
    limits = CgroupLimits(
        cpu_shares=512,
        cpu_weight=20,
        cpu_quota_us=50_000,
        cpu_period_us=100_000,
        memory_max=64 << 20,
        pids_max=30,
    )
    driver.write(pod, control_files(limits, driver.version))

    tree = read_tree(driver, ROOT, tmp_path)
    assert tree is not None
    assert tree.reading.memory_max is None
    (tier,) = tree.children
    (node,) = tier.children
    reading = node.reading
    assert (reading.cpu_quota_us, reading.cpu_period_us) == (50_000, 100_000)
    assert (reading.memory_max, reading.pids_max, reading.pids) == (64 << 20, 30, 0)
    assert (reading.cpu_weight if driver.version == 2 else reading.cpu_shares) in (20, 512)
    assert reading.memory_bytes is not None
    assert reading.cpu_seconds == 0.0
    if driver.mode != "v1":
        assert set(reading.pressure) == {"cpu", "memory", "io"}
    assert [child.name for child in node.children] == ["app"]
    assert "500m" in render(tree)
