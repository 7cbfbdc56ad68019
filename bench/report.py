"""The table and the verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.stats import Summary

Figures = Mapping[str, Summary]
BASE = "bare start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a metric's median is held against; ``bound_ms`` may depend on what was measured beside it."""

    metric: str
    text: str
    bound_ms: Callable[[Figures], float]


TARGETS = (
    Target(metric="nodeguard inside", text="≤ 1.4 x bare start", bound_ms=lambda f: 1.4 * f[BASE].median_ms),
    Target(metric="nodeguard whole", text="≤ bare start + 200 ms", bound_ms=lambda f: f[BASE].median_ms + 200),
    Target(metric="nodeguard stop", text="≤ 60 ms", bound_ms=lambda _: 60.0),
    Target(metric="nodeguard --help", text="≤ 150 ms", bound_ms=lambda _: 150.0),
    Target(metric="nodeguard explain", text="≤ 150 ms", bound_ms=lambda _: 150.0),
    Target(
        metric="nodeguard 50 pods, per pod",
        text="≤ 1.2 x per pod of 10",
        bound_ms=lambda f: 1.2 * f["nodeguard 10 pods, per pod"].median_ms,
    ),
)


def table(figures: Figures) -> str:
    """One line a metric, in the order measured; ``x bare`` only where a start is compared with a start."""
    base = figures.get(BASE)
    lines = [f"{'':30} {'n':>4} {'median':>9} {'p99':>9} {'min':>9} {'max':>9} {'x bare':>7}   (ms)"]
    for metric, f in figures.items():
        other = figures.get("bare stop") if metric.endswith("stop") else base
        ratio = f"{f.median_ms / other.median_ms:7.2f}" if other else " " * 7
        lines.append(
            f"{metric:30} {f.count:4} {f.median_ms:9.1f} {f.p99_ms:9.1f} {f.min_ms:9.1f} {f.max_ms:9.1f} {ratio}"
        )
    return "\n".join(lines)


def verdicts(figures: Figures) -> list[str]:
    """One line a target whose metrics were measured."""
    lines = []
    for target in TARGETS:
        try:
            median_ms, bound_ms = figures[target.metric].median_ms, target.bound_ms(figures)
        except KeyError:
            continue
        word = "pass" if median_ms <= bound_ms else "MISS"
        lines.append(f"{word}  {target.metric:28} {median_ms:7.1f} ms, wanted {target.text} = {bound_ms:.1f} ms")
    return lines
