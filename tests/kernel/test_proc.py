from __future__ import annotations

from pathlib import Path

import pytest

from nodeguard.errors import HostLacks
from nodeguard.kernel import proc

MEMINFO = """MemTotal:       16265932 kB
MemFree:         1205572 kB
Active(anon):    2315344 kB
SwapTotal:       2097148 kB
HugePages_Total:       4
Hugepagesize:       2048 kB
"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    write(tmp_path / "proc/meminfo", MEMINFO)
    write(tmp_path / "proc/sys/kernel/pid_max", "4194304\n")
    write(tmp_path / "proc/sys/kernel/threads-max", "127132\n")
    for name, pages in (("hugepages-1048576kB", 0), ("hugepages-2048kB", 4), ("hugepages-64kB", 1), ("odd", 3)):
        write(tmp_path / f"sys/kernel/mm/hugepages/{name}/nr_hugepages", f"{pages}\n")
    return tmp_path


def test_capacity(machine: Path) -> None:
    capacity = proc.read_capacity(machine / "proc", machine / "sys")
    assert capacity.memory_bytes == 16265932 * 1024
    assert capacity.swap_bytes == 2097148 * 1024
    assert capacity.pids == 127132
    assert capacity.cpu_millicpu >= 1000
    assert capacity.cpu_millicpu % 1000 == 0
    assert list(capacity.hugepages_bytes.items()) == [("64Ki", 65536), ("2Mi", 8 << 20), ("1Gi", 0)]


def test_lines_that_count_pages_are_not_scaled(machine: Path) -> None:
    memory = proc.read_meminfo(machine / "proc")
    assert memory["HugePages_Total"] == 4
    assert memory["Active(anon)"] == 2315344 * 1024


@pytest.mark.parametrize("text", ["", "MemTotal: lots\n", "garbage"])
def test_a_machine_that_does_not_tell_its_memory(machine: Path, text: str) -> None:
    write(machine / "proc/meminfo", text)
    with pytest.raises(HostLacks, match="MemTotal"):
        proc.read_capacity(machine / "proc", machine / "sys")


def test_what_is_unknown_keeps_its_default(machine: Path) -> None:
    write(machine / "proc/sys/kernel/pid_max", "nonsense")
    (machine / "proc/sys/kernel/threads-max").unlink()
    assert proc.read_capacity(machine / "proc", machine / "none").pids == 32768
    assert proc.read_capacity(machine / "proc", machine / "none").hugepages_bytes == {}


@pytest.mark.parametrize(
    ("line", "capabilities"),
    [
        ("CapEff:\t0000000000000000", set()),
        ("CapEff:\t0000000001000001", {"CAP_CHOWN", "CAP_SYS_RESOURCE"}),
        ("CapEff:\t000001ffffffffff", {f"CAP_{name}" for name in proc._CAPABILITIES}),
        ("nothing", set()),
    ],
)
def test_effective_capabilities(tmp_path: Path, line: str, capabilities: set[str]) -> None:
    write(tmp_path / "self/status", f"Name:\tx\n{line}\nCapBnd:\t000001ffffffffff\n")
    assert proc.effective_capabilities(tmp_path) == capabilities


def test_the_score_is_put_back_after_the_trial(tmp_path: Path) -> None:
    write(tmp_path / "self/oom_score_adj", "0\n")
    assert proc.can_lower_oom_score(tmp_path)
    assert (tmp_path / "self/oom_score_adj").read_text() == "0"
    assert not proc.can_lower_oom_score(tmp_path / "none")


def test_the_score_of_this_process_stays() -> None:
    before = Path("/proc/self/oom_score_adj").read_text()
    proc.can_lower_oom_score()
    assert Path("/proc/self/oom_score_adj").read_text() == before


def test_pressure(tmp_path: Path) -> None:
    assert not proc.has_pressure(tmp_path)
    write(tmp_path / "pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
    assert proc.has_pressure(tmp_path)


def test_boot_id_and_uptime(tmp_path: Path) -> None:
    write(tmp_path / "sys/kernel/random/boot_id", "6f29c48a-3848-4739-a101-c05921e59ebc\n")
    write(tmp_path / "uptime", "4694.53 9000.11\n")
    assert proc.boot_id(tmp_path) == "6f29c48a-3848-4739-a101-c05921e59ebc"
    assert proc.uptime_seconds(tmp_path) == 4694.53
