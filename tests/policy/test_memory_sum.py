"""Where the memory goes."""

from __future__ import annotations

import statsbuilder as sb
from statsbuilder import AT, MIB

from nodeguard.model.groupstat import GroupStat
from nodeguard.policy.memory_sum import MemoryLine, memory_sum


def lines(stat: GroupStat = sb.GROUP, version: int = 1, *, is_machine: bool = False) -> dict[str, MemoryLine]:
    assert version in (1, 2)
    found = memory_sum(stat, version=1 if version == 1 else 2, is_machine=is_machine, machine_available_bytes=900 * MIB)
    return {line.name: line for line in found}


def test_the_lines_add_up() -> None:
    found = {name: line.bytes for name, line in lines().items()}
    usage, working_set, available = found["usage"], found["workingSet"], found["available"]
    assert (usage, working_set, available) == (20 * MIB, 16 * MIB, 48 * MIB)
    assert found["reclaimable"] == 7 * MIB
    assert found["capacity"] == 64 * MIB
    assert found["machineAvailable"] == 900 * MIB


def test_each_line_names_its_file() -> None:
    assert lines()["usage"].formula == "memory.usage_in_bytes"
    assert lines(version=2)["usage"].formula == "memory.current"
    assert lines(version=2, is_machine=True)["usage"].formula == "memory.stat anon + file"
    assert lines(is_machine=True)["usage"].formula == "memory.usage_in_bytes"
    assert lines(is_machine=True)["capacity"].formula == "/proc/meminfo MemTotal"
    assert lines(is_machine=True)["swap"].formula == "/proc/meminfo SwapTotal - SwapFree"


def test_what_is_unknown_stays_so() -> None:
    found = lines(GroupStat(at=AT))
    assert {name for name, line in found.items() if line.bytes is not None} == {"machineAvailable"}
