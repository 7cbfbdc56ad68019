"""CPU amounts to the numbers cgroups take: shares, weights, quotas.

All divisions truncate, as upstream's do.
Source: kubelet, pkg/kubelet/cm/helpers_linux.go and cgroup_manager_linux.go; opencontainers/cgroups, utils.go and
systemd/common.go.
"""

from __future__ import annotations

import math

MIN_SHARES = 2
MAX_SHARES = 262144
MAX_WEIGHT = 10000
MIN_QUOTA_US = 1000


def cpu_shares(millicpu: int) -> int:
    """``cpu.shares`` of v1: 1024 a core, between 2 and 262144."""
    return min(max(millicpu * 1024 // 1000, MIN_SHARES), MAX_SHARES)


def linear_weight(shares: int) -> int:
    """``cpu.weight`` of v2 as the kubelet computes it for its own cgroups: root, tiers and pods."""
    if shares >= MAX_SHARES:
        return MAX_WEIGHT
    return 1 + (shares - MIN_SHARES) * (MAX_WEIGHT - 1) // (MAX_SHARES - MIN_SHARES)


def quadratic_weight(shares: int) -> int:
    """``cpu.weight`` of v2 as today's runc and crun compute it for containers: 1024 shares are the default, 100."""
    if shares <= MIN_SHARES:
        return 1
    if shares >= MAX_SHARES:
        return MAX_WEIGHT
    log = math.log2(shares)
    return math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))


def cpu_quota_us(millicpu: int, period_us: int) -> int:
    """Microseconds of CPU time a period; 0 is no quota, and the kernel takes none below 1 ms."""
    if millicpu == 0:
        return 0
    return max(millicpu * period_us // 1000, MIN_QUOTA_US)


def systemd_quota_us(quota_us: int, period_us: int) -> int:
    """The quota after systemd kept it as a percentage: rounded up to 10 ms a second of wall time."""
    if quota_us <= 0:
        return quota_us
    per_second_us = quota_us * 1_000_000 // period_us
    per_second_us += -per_second_us % 10_000
    return per_second_us * period_us // 1_000_000
