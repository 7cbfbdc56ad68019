"""Statistics of cgroups from files as the kernel wrote them, and from any text at all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.errors import CgroupGone, HostLacks
from nodeguard.kernel.cgroup import stat
from nodeguard.kernel.cgroup.stat import parse_count, parse_keyed, parse_limit, parse_pressure, read_cpu, read_stat
from nodeguard.policy.summary import working_set_bytes

RECORDED = Path(__file__).parent / "recorded"
NO_LIMIT_V1 = "9223372036854771712"


class FakeReader:
    """Groups as a mapping of path to the files in it; counts what is read."""

    def __init__(self, version: Literal[1, 2], groups: dict[str, dict[str, str]]) -> None:
        self.version, self.groups = version, groups
        self.reads: Counter[str] = Counter()

    def read(self, path: str, controller: str, file: str) -> str:
        self.reads[f"{path}:{file}"] += 1
        if path not in self.groups:
            raise CgroupGone(path)
        try:
            return self.groups[path][file].strip()
        except KeyError:
            raise HostLacks(file) from None

    def inode(self, path: str) -> int:
        return len(path)


def recorded(version: Literal[1, 2], place: str) -> dict[str, str]:
    return {path.name: path.read_text() for path in (RECORDED / f"v{version}" / place).iterdir()}


def reader(version: Literal[1, 2], **others: str) -> FakeReader:
    files = {name.replace("__", "."): text for name, text in others.items()}
    return FakeReader(version, {"/": recorded(version, "top"), "/g": recorded(version, "group") | files})


# recorded files


def test_top_of_v2_has_no_usage_file_so_anon_and_file_count() -> None:
    found = read_stat(reader(2), "/")
    assert found.memory_usage_bytes == 12607488 + 40570880
    assert working_set_bytes(found) == 12607488 + 40570880 - 19542016
    assert found.memory_limit_bytes is None
    assert (found.memory.anon_bytes, found.memory.kernel_bytes) == (12607488, 7548928)
    assert (found.page_faults, found.major_page_faults) == (22571, 219)
    assert found.cpu is not None
    assert found.cpu.usage_ns == 15_700_000_000
    assert (found.swap_usage_bytes, found.tasks) == (None, None)
    assert found.pressure["io"].some.total_usec == 416302
    assert found.pressure["io"].full is not None
    assert found.pressure["io"].full.avg10 == 0.19


def test_group_of_v2() -> None:
    found = read_stat(reader(2), "/g")
    assert (found.memory_usage_bytes, working_set_bytes(found)) == (39976960, 39976960 - 13262848)
    assert (found.memory_limit_bytes, found.swap_limit_bytes) == (None, None)
    assert (found.swap_usage_bytes, found.tasks, found.oom_kills) == (0, 22, 0)
    assert found.memory.anon_bytes == 9830400
    assert found.cpu is not None
    assert found.cpu.usage_ns == 12_797_238_000
    assert (found.cpu_periods, found.cpu_throttled_ns) == (0, 0)


def test_top_of_v1_counts_the_whole_machine() -> None:
    found = read_stat(reader(1), "/")
    assert (found.memory_usage_bytes, working_set_bytes(found)) == (98258944, 98258944 - 55291904)
    assert found.memory_limit_bytes is None
    assert found.memory.anon_bytes == 12533760
    assert (found.page_faults, found.major_page_faults) == (15179, 114)
    assert found.cpu is not None
    assert found.cpu.usage_ns == 27133985938


def test_group_of_v1() -> None:
    found = read_stat(reader(1), "/g")
    assert (found.memory_usage_bytes, working_set_bytes(found)) == (46804992, 46804992 - 38445056)
    assert found.memory_limit_bytes == 67108864
    assert (found.swap_usage_bytes, found.swap_limit_bytes) == (0, None)
    assert found.oom_kills == 0
    assert found.pressure == {}


@pytest.mark.parametrize(
    ("memsw", "swap"),
    [
        pytest.param("100000000", 100000000 - 67108864, id="memory and swap together, less the memory"),
        pytest.param("67108864", 0, id="no swap at all"),
        pytest.param("60000000", 0, id="never below zero, between two writes"),
        pytest.param(NO_LIMIT_V1, None, id="not limited"),
    ],
)
def test_swap_limit_of_v1(memsw: str, swap: int | None) -> None:
    assert read_stat(reader(1, memory__memsw__limit_in_bytes=memsw), "/g").swap_limit_bytes == swap


def test_swap_limit_of_v2_is_swap_alone() -> None:
    assert read_stat(reader(2, memory__swap__max="4096"), "/g").swap_limit_bytes == 4096


def test_without_controllers_everything_is_unknown() -> None:
    for version in (1, 2):
        found = read_stat(FakeReader(version, {"/g": {}}), "/g")
        assert found == type(found)(at=found.at)


def test_half_a_memory_stat_makes_no_usage_of_the_top() -> None:
    fake = reader(2)
    fake.groups["/"]["memory.stat"] = "anon 5\ninactive_file 3\n"
    assert read_stat(fake, "/").memory_usage_bytes is None


def test_more_inactive_cache_than_usage_is_a_working_set_of_zero() -> None:
    assert working_set_bytes(read_stat(reader(2, memory__current="1"), "/g")) == 0


def test_a_group_that_is_gone() -> None:
    for version in (1, 2):
        for look in (read_stat, read_cpu):
            with pytest.raises(CgroupGone):
                look(reader(version), "/gone")


def test_pressure_that_is_switched_off_is_unknown() -> None:
    class Off(FakeReader):
        def read(self, path: str, controller: str, file: str) -> str:
            if file.endswith(".pressure"):
                raise OSError(95, "Operation not supported")
            return super().read(path, controller, file)

    found = read_stat(Off(2, {"/g": recorded(2, "group")}), "/g")
    assert found.pressure == {}
    assert found.memory_usage_bytes == 39976960


def test_a_look_reads_every_file_once() -> None:
    for version in (1, 2):
        fake = reader(version)
        read_stat(fake, "/g")
        assert set(fake.reads.values()) == {1}


def test_the_cpu_counter_alone_is_the_same() -> None:
    for version in (1, 2):
        alone, whole = read_cpu(reader(version), "/"), read_stat(reader(version), "/").cpu
        assert alone is not None
        assert whole is not None
        assert (alone.usage_ns, alone.of) == (whole.usage_ns, whole.of)


# parsers


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        pytest.param(str(1 << 62), 1 << 62, id="exactly 2^62 is still a limit"),
        pytest.param(str((1 << 62) + 1), None, id="more is none"),
        pytest.param(NO_LIMIT_V1, None, id="the word of v1"),
        pytest.param("max\n", None, id="the word of v2"),
        pytest.param("0\n", 0, id="nothing at all"),
        pytest.param("-1", None, id="not negative"),
    ],
)
def test_limits(text: str, limit: int | None) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", ["", "max", "-1", "1_000", "١٢", "0x10", "1 2", "1.5", "9" * 21, "+1"])
def test_what_is_no_count_is_unknown(text: str) -> None:
    assert parse_count(text) is None


def test_lines_that_make_no_sense_are_left_out() -> None:
    assert parse_keyed("a 1\nb\nc -1\nd 2 3\n e 4\nf x\ng 5\na 9\n\n") == {"a": 1, "g": 5}
    assert parse_keyed("hierarchical_memory_limit 9223372036854771712") == {
        "hierarchical_memory_limit": int(NO_LIMIT_V1)
    }


def test_pressure_of_old_kernels_has_no_full_line_for_cpu() -> None:
    found = parse_pressure("some avg10=0.12 avg60=0.00 avg300=100.00 total=18446744073709551615\n")
    assert found is not None
    assert found.full is None
    assert (found.some.avg300, found.some.total_usec) == (100.0, (1 << 64) - 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=0",
        "some avg10=. avg60=0.00 avg300=0.00 total=0",
        "some total=1",
    ],
)
def test_what_is_no_pressure_is_unknown(text: str) -> None:
    assert parse_pressure(text) is None


@given(st.text() | st.from_regex(stat._STALL) | st.from_regex(stat._KEYED))
def test_parsers_take_any_text(text: str) -> None:
    assert parse_count(text) is None or parse_count(text) == int(text)
    limit = parse_limit(text)
    assert limit is None or 0 <= limit <= 1 << 62
    assert all(number >= 0 for number in parse_keyed(text).values())
    pressure = parse_pressure(text)
    assert pressure is None or pressure.some.total_usec >= 0


_COUNTS = st.dictionaries(st.from_regex(r"[a-z_]{1,20}", fullmatch=True), st.integers(0, (1 << 64) - 1))


@given(_COUNTS)
def test_what_the_kernel_writes_is_read_back(counts: dict[str, int]) -> None:
    assert parse_keyed("".join(f"{key} {count}\n" for key, count in counts.items())) == counts
