from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.policy.convert import cpu_quota_us, cpu_shares, linear_weight, quadratic_weight, systemd_quota_us

SHARES = (2, 3, 28, 29, 102, 256, 512, 1024, 2048, 4096, 10240, 65536, 262143, 262144)
LINEAR = (1, 1, 1, 2, 4, 10, 20, 39, 79, 157, 391, 2500, 9999, 10000)
QUADRATIC = (1, 2, 7, 7, 17, 35, 59, 100, 174, 303, 639, 3023, 10000, 10000)


@pytest.mark.parametrize(
    ("millicpu", "shares"),
    [
        (0, 2),
        (1, 2),
        (2, 2),
        (3, 3),
        (100, 102),
        (250, 256),
        (801, 820),
        (1000, 1024),
        (255_999, 262142),
        (256_000, 262144),
        (10**9, 262144),
    ],
)
def test_cpu_shares(millicpu: int, shares: int) -> None:
    assert cpu_shares(millicpu) == shares


@pytest.mark.parametrize(("shares", "weight"), list(zip(SHARES, LINEAR, strict=True)))
def test_linear_weight(shares: int, weight: int) -> None:
    assert linear_weight(shares) == weight


@pytest.mark.parametrize(("shares", "weight"), list(zip(SHARES, QUADRATIC, strict=True)))
def test_quadratic_weight(shares: int, weight: int) -> None:
    assert quadratic_weight(shares) == weight


@pytest.mark.parametrize(
    ("millicpu", "period_us", "quota_us"),
    [
        (0, 100_000, 0),
        (1, 100_000, 1000),
        (10, 100_000, 1000),
        (11, 100_000, 1100),
        (15, 100_000, 1500),
        (200, 100_000, 20_000),
        (5, 1_000_000, 5000),
        (500, 5000, 2500),
        (1, 1000, 1000),
        (64_000, 100_000, 6_400_000),
    ],
)
def test_cpu_quota(millicpu: int, period_us: int, quota_us: int) -> None:
    assert cpu_quota_us(millicpu, period_us) == quota_us


@pytest.mark.parametrize(
    ("quota_us", "period_us", "rounded_us"),
    [
        (1500, 100_000, 2000),
        (2000, 100_000, 2000),
        (1, 100_000, 1000),
        (20_000, 100_000, 20_000),
        (2550, 5000, 2550),
        (0, 100_000, 0),
        (-1, 100_000, -1),
    ],
)
def test_systemd_rounds_up_to_a_percent(quota_us: int, period_us: int, rounded_us: int) -> None:
    assert systemd_quota_us(quota_us, period_us) == rounded_us


@given(st.integers(0, 300_000), st.integers(0, 300_000))
def test_more_cpu_never_weighs_less(one: int, other: int) -> None:
    less, more = sorted((one, other))
    for weight in (linear_weight, quadratic_weight):
        assert 1 <= weight(cpu_shares(less)) <= weight(cpu_shares(more)) <= 10_000
