"""What a small node keeps free by default, and what it gives to pods."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodeguard.agent.config_load import build
from nodeguard.model.node import NodeCapacity

MI = 1 << 20
NODE = NodeCapacity(cpu_millicpu=1000, memory_bytes=8192 * MI)


def memory_threshold(mib: int | None, **flags: str) -> str:
    """The hard threshold of memory.available on a node of this size."""
    node = None if mib is None else replace(NODE, memory_bytes=mib * MI)
    thresholds = build([], flags=flags).eviction(node).thresholds
    return next(str(one) for one in thresholds if one.signal == "memory.available")


@pytest.mark.parametrize(
    ("mib", "expected"), [(None, "100Mi"), (8192, "100Mi"), (1000, "100Mi"), (999, "10%"), (64, "10%")]
)
def test_the_default_is_scaled_down_with_the_node(mib: int | None, expected: str) -> None:
    assert memory_threshold(mib) == f"memory.available<{expected}/hard"


def test_what_somebody_asked_for_is_not() -> None:
    assert memory_threshold(64, eviction_hard="memory.available<100Mi") == "memory.available<100Mi/hard"


def test_allocatable_goes_with_it() -> None:
    small = replace(NODE, memory_bytes=200 * MI)
    assert str(build([]).allocatable(small)["memory"]) == "180Mi"
    assert str(build([]).allocatable(NODE)["memory"]) == "8092Mi"
