from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.kernel.cgroup.value import PAGE_BYTES, is_lower, is_same, parse_numbers

V1_UNLIMITED = "9223372036854771712"


@pytest.mark.parametrize(
    ("file", "wanted", "got", "same"),
    [
        pytest.param("memory.max", "max", "max", True, id="same text"),
        pytest.param("memory.max", "10000", "8192", True, id="pages round down"),
        pytest.param("memory.high", "10000", "12288", False, id="pages do not round up"),
        pytest.param("memory.max", "8192", "max", False, id="a limit that was not taken"),
        pytest.param("memory.swap.max", "4097", "4096", True, id="swap rounds too"),
        pytest.param("memory.limit_in_bytes", "-1", V1_UNLIMITED, True, id="v1 without limit"),
        pytest.param("memory.memsw.limit_in_bytes", "-1", V1_UNLIMITED, True, id="v1 swap without limit"),
        pytest.param("memory.limit_in_bytes", str(1 << 62), V1_UNLIMITED, True, id="more than any machine has"),
        pytest.param("memory.limit_in_bytes", "4096", V1_UNLIMITED, False, id="v1 limit not taken"),
        pytest.param("hugetlb.2MB.limit_in_bytes", "3145728", "2097152", True, id="huge pages round down"),
        pytest.param("hugetlb.2MB.max", "max", "9223372036852678656", True, id="huge pages without limit"),
        pytest.param("hugetlb.1GB.max", str(3 << 29), str(1 << 30), True, id="gigantic pages round down"),
        pytest.param("memory.oom.group", "1", "0", False, id="a flag is no amount"),
        pytest.param("pids.max", "max", "100", False, id="pids"),
        pytest.param("cpu.max", "50000", "50000 100000", True, id="the period may be left out"),
        pytest.param("cpu.max", "50000 100000", "50000 50000", False, id="another period"),
        pytest.param("cpuset.cpus", "0,1,2", "0-2", True, id="ranges"),
        pytest.param("cpuset.cpus", "0,1", "0-2", False, id="more cpus"),
        pytest.param("freezer.state", "FROZEN", "FREEZING", True, id="on its way"),
        pytest.param("freezer.state", "FROZEN", "THAWED", False, id="not frozen"),
        pytest.param("cpu.shares", "1", "2", False, id="clamped is not taken"),
    ],
)
def test_is_same(file: str, wanted: str, got: str, same: bool) -> None:
    assert is_same(file, wanted, got) is same


@given(st.integers(min_value=0, max_value=1 << 61))
def test_what_the_kernel_rounds_is_the_same(amount: int) -> None:
    assert is_same("memory.max", str(amount), str(amount // PAGE_BYTES * PAGE_BYTES))
    assert not is_same("memory.max", str(amount), str((amount // PAGE_BYTES + 1) * PAGE_BYTES))


@pytest.mark.parametrize(
    ("wanted", "current", "lower"),
    [("1", "2", True), ("2", "1", False), ("1", "1", False), ("-1", "5", False), ("5", V1_UNLIMITED, True)],
)
def test_is_lower(wanted: str, current: str, lower: bool) -> None:
    assert is_lower(wanted, current) is lower


def test_parse_numbers() -> None:
    assert parse_numbers("0-2,7\n") == {0, 1, 2, 7}
    assert parse_numbers("") == frozenset()
    with pytest.raises(ValueError):
        parse_numbers("a-b")
