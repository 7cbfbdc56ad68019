from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.observer import Observer
from bench.report import table, verdicts
from bench.stats import Summary, summarize


def figure(median_ms: float) -> Summary:
    return Summary(count=3, median_ms=median_ms, p99_ms=median_ms, min_ms=median_ms, max_ms=median_ms)


def test_summarize_gives_milliseconds() -> None:
    summary = summarize([0.003, 0.001, 0.002, 0.010])
    assert (summary.count, summary.median_ms, summary.min_ms, summary.max_ms) == (4, 2.5, 1.0, 10.0)


def test_the_99th_percentile_leaves_one_of_a_hundred_out() -> None:
    assert summarize([number / 1000 for number in range(1, 101)]).p99_ms == pytest.approx(99.0)
    assert summarize([number / 1000 for number in range(1, 51)]).p99_ms == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("inside_ms", "word"), [pytest.param(55.9, "pass", id="at the bound"), pytest.param(56.1, "MISS", id="above it")]
)
def test_the_inside_is_held_against_bare_of_the_same_run(inside_ms: float, word: str) -> None:
    (line,) = verdicts({"bare start": figure(40.0), "nodeguard inside": figure(inside_ms)})
    assert line.startswith(word)


def test_nothing_is_said_about_what_was_not_measured() -> None:
    assert verdicts({"nodeguard whole": figure(1.0)}) == []


def test_stops_are_compared_with_stops() -> None:
    text = table({"bare start": figure(40.0), "bare stop": figure(10.0), "nodeguard stop": figure(20.0)})
    assert "2.00" in text.splitlines()[-1]


def test_the_observer_waits_for_every_byte(tmp_path: Path) -> None:
    with Observer(tmp_path / "observer") as observer:
        fifo = tmp_path / "observer" / "fifo"
        before = time.monotonic()
        fifo.write_bytes(b"xx")
        fifo.write_bytes(b"x")
        assert observer.wait(3) >= before
        with pytest.raises(TimeoutError, match="1 containers"):
            observer.wait(timeout_seconds=0.01)
