"""What the node gives up first: the table of section 7."""

from __future__ import annotations

import pytest
from evictionbuilder import DEDICATED, INCONSISTENT, SINGLE, SPLIT

from nodeguard.model.eviction import Layout
from nodeguard.model.signal import Signal
from nodeguard.policy.reclaim import reclaim_steps

BOTH = ("containers", "images")
TABLE = [
    ("single", SINGLE, (BOTH, BOTH, BOTH)),
    ("inconsistent", INCONSISTENT, (BOTH, BOTH, BOTH)),
    ("dedicated", DEDICATED, ((), BOTH, BOTH)),
    ("split", SPLIT, (("containers",), ("images",), ("containers",))),
]


@pytest.mark.parametrize(
    ("layout", "signal", "expected"),
    [
        pytest.param(layout, f"{file_system}.{what}", steps, id=f"7 {name} {file_system}.{what}")
        for name, layout, row in TABLE
        for file_system, steps in zip(("nodefs", "imagefs", "containerfs"), row, strict=True)
        for what in ("available", "inodesFree")
    ],
)
def test_file_systems(layout: Layout, signal: str, expected: tuple[str, ...]) -> None:
    assert reclaim_steps(Signal(signal), layout) == expected


@pytest.mark.parametrize("signal", ["memory.available", "allocatableMemory.available", "pid.available"])
@pytest.mark.parametrize("layout", [SINGLE, DEDICATED, SPLIT], ids=["single", "dedicated", "split"])
def test_nothing_helps_against_other_shortages(layout: Layout, signal: str) -> None:
    assert reclaim_steps(Signal(signal), layout) == ()
