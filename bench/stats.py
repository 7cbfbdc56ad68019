"""Samples in, figures out."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is said about one metric; all in milliseconds."""

    count: int
    median_ms: float
    p99_ms: float
    min_ms: float
    max_ms: float


def summarize(seconds: Sequence[float]) -> Summary:
    """Median, 99th percentile by nearest rank (with fewer than 100 samples: the largest), minimum and maximum."""
    ordered = sorted(seconds)
    return Summary(
        count=len(ordered),
        median_ms=statistics.median(ordered) * 1000,
        p99_ms=ordered[math.ceil(0.99 * len(ordered)) - 1] * 1000,
        min_ms=ordered[0] * 1000,
        max_ms=ordered[-1] * 1000,
    )
