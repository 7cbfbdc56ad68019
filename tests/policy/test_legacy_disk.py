"""The disk space manager of Kubernetes 1.3: N-42 to N-51."""

from __future__ import annotations

import pytest

from nodeguard.policy.legacy_disk import (
    DEFAULT_THRESHOLD_MB,
    DiskSpacePolicy,
    FsInfo,
    SpaceVerdict,
    is_recent,
    is_space_available,
    out_of_disk_verdict,
    validate_policy,
)

MIB = 1 << 20


def info(available: int, capacity: int = 1 << 40, timestamp: float = 0.0) -> FsInfo:
    return FsInfo(usage=0, capacity=capacity, available=available, timestamp=timestamp)


def test_n_43_one_setting_for_both() -> None:
    assert DiskSpacePolicy.of(DEFAULT_THRESHOLD_MB) == DiskSpacePolicy(docker_free_disk_mb=256, root_free_disk_mb=256)


@pytest.mark.parametrize(
    ("docker", "root", "named"), [(-1, -2, "Invalid value -1 for docker"), (0, -2, "Invalid value -2 for root")]
)
def test_n_44_a_negative_amount_is_named_docker_first(docker: int, root: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        validate_policy(DiskSpacePolicy(docker_free_disk_mb=docker, root_free_disk_mb=root))
    validate_policy(DiskSpacePolicy(docker_free_disk_mb=0, root_free_disk_mb=0))


@pytest.mark.parametrize(
    ("timestamp", "recent"),
    [
        pytest.param(98.001, True, id="N-49 newer than two seconds"),
        pytest.param(98.0, False, id="N-49 exactly two seconds"),
        pytest.param(50.0, False, id="N-49 older"),
    ],
)
def test_cache(timestamp: float, recent: bool) -> None:
    assert is_recent(info(1, timestamp=timestamp), 100.0) is recent
    assert is_recent(None, 100.0) is False


@pytest.mark.parametrize(
    ("available", "capacity", "enough", "has_error"),
    [
        pytest.param(256 * MIB, 1 << 40, True, False, id="N-50 exactly the threshold is enough"),
        pytest.param(256 * MIB - 1, 1 << 40, False, False, id="N-50 one byte less is not"),
        pytest.param(0, 0, True, True, id="N-50 no capacity: enough, with an error"),
        pytest.param(-1, 1 << 40, True, True, id="N-50 negative: enough, with an error"),
        pytest.param(-1, 0, True, True, id="N-50 both"),
    ],
)
def test_is_space_available(available: int, capacity: int, enough: bool, has_error: bool) -> None:
    verdict = is_space_available(info(available, capacity), 256)
    assert (verdict.is_available, bool(verdict.error)) == (enough, has_error)


def test_a_threshold_of_zero_is_never_met() -> None:
    assert is_space_available(info(0), 0) == SpaceVerdict(is_available=True)


def test_the_condition_in_the_words_of_its_time() -> None:
    out, enough = out_of_disk_verdict(True), out_of_disk_verdict(False)
    assert (out.type, out.status, out.reason, out.message, out.event) == (
        "OutOfDisk",
        "True",
        "KubeletOutOfDisk",
        "out of disk space",
        "NodeOutOfDisk",
    )
    assert (enough.status, enough.reason, enough.event) == (
        "False",
        "KubeletHasSufficientDisk",
        "NodeHasSufficientDisk",
    )
