"""The disk space manager of Kubernetes 1.3 at work: the two-second cache, and letting pods in when in doubt."""

from __future__ import annotations

import logging

import pytest

from nodeguard.agent.legacy_disk import DiskSpaceManager
from nodeguard.policy.legacy_disk import DiskSpacePolicy, FsInfo

MIB = 1 << 20


class Disk:
    """A file system whose questions are counted."""

    def __init__(self, available: int, capacity: int = 1 << 40) -> None:
        self.available, self.capacity, self.asked = available, capacity, 0

    def __call__(self) -> FsInfo:
        self.asked += 1
        if self.available is None:
            raise OSError("stale handle")
        return FsInfo(usage=0, capacity=self.capacity, available=self.available, timestamp=-1.0)


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def manager(runtime: Disk, root: Disk, time: Time, megabytes: int = 256) -> DiskSpaceManager:
    return DiskSpaceManager(runtime, root, DiskSpacePolicy.of(megabytes), time)


def test_n_47_a_negative_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="docker"):
        manager(Disk(1), Disk(1), Time(), -1)


def test_n_49_the_cache_holds_for_two_seconds_by_kind() -> None:
    runtime, root, time = Disk(1 << 40), Disk(1 << 40), Time()
    disks = manager(runtime, root, time)
    assert not disks.is_out_of_disk()
    runtime.available = root.available = 0
    time.now += 1.999
    assert not disks.is_out_of_disk(), "as it was two seconds ago"
    assert (runtime.asked, root.asked) == (1, 1)
    time.now += 0.001
    assert disks.is_out_of_disk()
    assert (runtime.asked, root.asked) == (2, 1), "N-51: the one with the images is asked first, and enough"
    assert not disks.is_root_disk_space_available().is_available


def test_n_49_a_failure_is_not_cached() -> None:
    runtime, time = Disk(1 << 40), Time()
    disks = manager(runtime, Disk(1 << 40), time)
    runtime.available = None  # type: ignore[assignment]
    for _ in range(2):
        verdict = disks.is_runtime_disk_space_available()
        assert (verdict.is_available, verdict.error) == (True, "stale handle")
    assert runtime.asked == 2
    runtime.available = 0
    assert not disks.is_runtime_disk_space_available().is_available


@pytest.mark.parametrize(
    ("runtime", "root", "is_out"),
    [
        pytest.param(Disk(1 << 40), Disk(256 * MIB), False, id="exactly the threshold"),
        pytest.param(Disk(1 << 40), Disk(255 * MIB), True, id="the root file system is short"),
        pytest.param(Disk(255 * MIB), Disk(1 << 40), True, id="images are short"),
        pytest.param(Disk(0, capacity=0), Disk(-1), False, id="what cannot be true counts as enough"),
        pytest.param(Disk(0, capacity=0), Disk(0), True, id="one error hides not the other"),
    ],
)
def test_n_51_is_out_of_disk(runtime: Disk, root: Disk, is_out: bool) -> None:
    assert manager(runtime, root, Time()).is_out_of_disk() is is_out


def test_an_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert not manager(Disk(0, capacity=0), Disk(1 << 40), Time()).is_out_of_disk()
    assert "what=runtime" in caplog.text
