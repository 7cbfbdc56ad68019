"""How the kernel spells back what was written to a control file.

Source: Linux, mm/page_counter.c (page_counter_memparse), mm/hugetlb_cgroup.c, kernel/sched/core.c (cpu_max_write).
"""

from __future__ import annotations

import os
import re

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_UNLIMITED_FROM = 1 << 62
"""v1 says 9223372036854771712 for "no limit", and less where it rounds to huge pages; no machine has 4 EiB."""

_AMOUNT = re.compile(
    r"(?:memory(?:\.memsw|\.swap)?|hugetlb\.(?P<size>[0-9]+)(?P<unit>[KMG]B))"
    r"\.(?:limit_in_bytes|soft_limit_in_bytes|max|min|low|high)"
)
_UNIT_SHIFT = {"KB": 10, "MB": 20, "GB": 30}


def is_same(file: str, wanted: str, got: str) -> bool:
    """Whether the text ``got`` from the kernel means what was written."""
    if wanted == got:
        return True
    amount = _AMOUNT.fullmatch(file)
    if amount is not None:
        step = int(amount["size"]) << _UNIT_SHIFT[amount["unit"]] if amount["size"] else PAGE_BYTES
        return _same_bytes(parse_bytes(wanted), parse_bytes(got), step)
    if file == "cpu.max":  # the period may be left out and then stays
        return len(wanted.split()) == 1 and wanted.split() == got.split()[:1]
    if file == "freezer.state":  # v1 says so until the last process stands still
        return (wanted, got) == ("FROZEN", "FREEZING")
    if file in ("cpuset.cpus", "cpuset.mems"):
        return parse_numbers(wanted) == parse_numbers(got)
    return False


def parse_bytes(text: str) -> int | None:
    """An amount of memory; None when there is no limit.

    Raises:
        ValueError: this is no amount.
    """
    if text in ("max", "-1"):
        return None
    value = int(text)
    return None if value >= _UNLIMITED_FROM else value


def parse_numbers(text: str) -> frozenset[int]:
    """The numbers of a list such as ``0-2,7``.

    Raises:
        ValueError: this is no such list.
    """
    numbers: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def is_lower(wanted: str, current: str) -> bool:
    """Whether a limit goes down."""
    wanted_bytes, current_bytes = parse_bytes(wanted), parse_bytes(current)
    return wanted_bytes is not None and (current_bytes is None or wanted_bytes < current_bytes)


def _same_bytes(wanted: int | None, got: int | None, step: int) -> bool:
    if wanted is None or got is None:
        return wanted is got
    return got == wanted - wanted % step
