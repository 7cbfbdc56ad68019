"""What single processes use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.kernel.process import TICKS_PER_SECOND, identify
from nodeguard.kernel.usage import parse_kib, parse_stat, read_usage

STAT = (
    "4711 (a ) 1 2 (b)) S 1 4711 4711 0 -1 4194560 1200 99 30 7 250 50 11 12 20 0 1 0 987654 12345678 1000 "
    "18446744073709551615 1 1 0 0 0 0 0 4096 81920 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0"
)
ROLLUP = """5653ce393000-7fff8e84c000 ---p 00000000 00:00 0                          [rollup]
Rss:                1768 kB
Pss:                 267 kB
Pss_Anon:            112 kB
SwapPss:               4 kB
"""


def test_cpu_time_and_page_faults_of_a_process_with_a_wild_name() -> None:
    found = parse_stat(STAT)
    assert found is not None
    assert (found.process.pid, found.process.start_time_ticks) == (4711, 987654)
    assert found.cpu_ns == 300 * 10**9 // TICKS_PER_SECOND
    assert (found.page_faults, found.major_page_faults) == (1230, 30)
    assert found.memory_bytes is None


def test_memory_is_the_proportional_share(tmp_path: Path) -> None:
    directory = tmp_path / "4711"
    directory.mkdir()
    (directory / "stat").write_text(STAT)
    (directory / "smaps_rollup").write_text(ROLLUP)
    found = read_usage(4711, tmp_path)
    assert found is not None
    assert (found.memory_bytes, found.anon_bytes, found.swap_bytes) == (267 * 1024, 112 * 1024, 4096)


def test_a_process_that_is_gone(tmp_path: Path) -> None:
    assert read_usage(4711, tmp_path) is None


@pytest.mark.parametrize("text", ["", "1 (x", "1 (x) S", "x (y) " + "1 " * 30, STAT.replace(" 250 ", " -250 ")])
def test_what_is_no_stat_is_unknown(text: str) -> None:
    assert parse_stat(text) is None


def test_this_process() -> None:
    found = read_usage(os.getpid())
    assert found is not None
    assert found.process == identify(os.getpid())
    assert found.page_faults > 0


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    parse_stat(text)
    assert all(count >= 0 for count in parse_kib(text).values())
