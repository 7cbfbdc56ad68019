"""The live cgroup tree: limits, usage and pressure of every tier, pod and container, as the kernel tells them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from nodeguard.agent.record import read_record
from nodeguard.agent.text import format_bytes, format_table
from nodeguard.errors import CgroupGone, HostLacks
from nodeguard.kernel.cgroup import stat
from nodeguard.policy.summary import working_set_bytes

_T = TypeVar("_T")
Level = Literal["root", "tier", "pod", "container"]

_BELOW: Mapping[Level, Level] = {"root": "tier", "tier": "pod", "pod": "container"}
_POD_NAME = re.compile(r"pod(.+)")


class Reader(stat.Reader, Protocol):
    """The part of a cgroup driver that looking needs."""

    def exists(self, path: str) -> bool:
        """Whether there is such a group."""

    def children(self, path: str) -> list[str]:
        """The groups right below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the files of one group say; None = not limited, or not known here.

    Of ``cpu_shares`` (v1) and ``cpu_weight`` (v2) one is set. ``pressure`` maps cpu, memory and io to the share of the
    last ten seconds, in percent, in which some task waited for it.
    """

    cpu_shares: int | None = None
    cpu_weight: int | None = None
    cpu_quota_us: int | None = None
    cpu_period_us: int | None = None
    cpu_seconds: float | None = None
    memory_max: int | None = None
    memory_bytes: int | None = None
    memory_working_set_bytes: int | None = None
    pids_max: int | None = None
    pids: int | None = None
    pressure: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNode:
    """One group and what is below it; ``pod`` is namespace/name where the records tell it."""

    level: Level
    name: str
    path: str
    reading: Reading
    uid: str | None = None
    pod: str | None = None
    children: tuple[TreeNode, ...] = ()


def read_tree(driver: Reader, root: str, run_dir: Path) -> TreeNode | None:
    """The tree below ``root``; None when there is none."""
    if not driver.exists(root):
        return None
    return _read_node(driver, root, root, "root", run_dir)


def tree_object(node: TreeNode) -> dict[str, Any]:
    """The tree as plain JSON values."""
    reading = {_camel_case(name): value for name, value in asdict(node.reading).items()}
    reading["pressure"] = dict(node.reading.pressure) or None
    return {
        "level": node.level,
        "name": node.name,
        "path": node.path,
        **({"pod": node.pod, "uid": node.uid} if node.level == "pod" else {}),
        **reading,
        "children": [tree_object(child) for child in node.children],
    }


def render(tree: TreeNode, *, ascii_only: bool = False) -> str:
    """The tree as a table, one line per group. Pure."""
    header = (
        "CGROUP",
        "CPU-SHARE",
        "CPU-LIMIT",
        "CPU-TIME",
        "MEMORY",
        "MEMORY-LIMIT",
        "PIDS",
        "PIDS-LIMIT",
        "PRESSURE",
    )
    rows = [(label, *_cells(node.reading)) for label, node in _labelled(tree, ascii_only)]
    if any(cells[-1] != "-" for cells in rows):
        return format_table((*header[:-1], "PRESSURE (cpu/memory/io)"), rows)
    return format_table(header[:-1], (cells[:-1] for cells in rows))


def _read_node(driver: Reader, path: str, name: str, level: Level, run_dir: Path) -> TreeNode:
    below = _BELOW.get(level)
    uid = pod = None
    if level == "pod":
        match = _POD_NAME.fullmatch(name)
        uid = match[1] if match is not None else None
        record = read_record(run_dir / "pods" / uid) if uid is not None else None
        pod = f"{record.namespace}/{record.name}" if record is not None else None
    children = []
    if below is not None:
        for child in _in_order(driver.children(path), level):
            with suppress(CgroupGone):
                children.append(_read_node(driver, f"{path}/{child}", child, below, run_dir))
    reading = _read(driver, path)
    return TreeNode(level=level, name=name, path=path, reading=reading, uid=uid, pod=pod, children=tuple(children))


_TIERS = ("guaranteed", "burstable", "besteffort")


def _in_order(names: list[str], level: Level) -> list[str]:
    """Tiers from the best protected down, anything else by name."""
    if level == "root":
        return sorted(names, key=lambda name: (_TIERS.index(name) if name in _TIERS else len(_TIERS), name))
    return sorted(names)


def _read(driver: Reader, path: str) -> Reading:
    found = stat.read_stat(driver, path)
    quota, period = _cpu_limits(driver, path)
    is_v2 = driver.version == 2
    return Reading(
        cpu_shares=None if is_v2 else _number(driver, path, "cpu", "cpu.shares"),
        cpu_weight=_number(driver, path, "cpu", "cpu.weight") if is_v2 else None,
        cpu_quota_us=quota,
        cpu_period_us=period,
        cpu_seconds=None if found.cpu is None else found.cpu.usage_ns / 1e9,
        memory_max=found.memory_limit_bytes,
        memory_bytes=found.memory_usage_bytes,
        memory_working_set_bytes=working_set_bytes(found),
        pids_max=_number(driver, path, "pids", "pids.max"),
        pids=found.tasks,
        pressure={resource: pressure.some.avg10 for resource, pressure in found.pressure.items()},
    )


def _cpu_limits(driver: Reader, path: str) -> tuple[int | None, int | None]:
    """Quota and period in microseconds."""
    if driver.version == 1:
        quota = _number(driver, path, "cpu", "cpu.cfs_quota_us")
        return quota, _number(driver, path, "cpu", "cpu.cfs_period_us")
    quota_text, _, period_text = (_text(driver, path, "cpu", "cpu.max") or "").partition(" ")
    return stat.parse_count(quota_text), stat.parse_count(period_text)


def _text(driver: Reader, path: str, controller: str, file: str) -> str | None:
    try:
        return driver.read(path, controller, file)
    except HostLacks:
        return None


def _number(driver: Reader, path: str, controller: str, file: str) -> int | None:
    text = _text(driver, path, controller, file)
    return None if text is None else stat.parse_count(text)


def _labelled(tree: TreeNode, ascii_only: bool) -> Iterator[tuple[str, TreeNode]]:
    """Every node with its branch lines."""
    middle, last, line = ("|- ", "`- ", "|  ") if ascii_only else ("├─ ", "└─ ", "│  ")

    def walk(node: TreeNode, lead: str) -> Iterator[tuple[str, TreeNode]]:
        for number, child in enumerate(node.children, start=1):
            is_last = number == len(node.children)
            yield lead + (last if is_last else middle) + _title(child), child
            yield from walk(child, lead + ("   " if is_last else line))

    yield _title(tree), tree
    yield from walk(tree, "")


def _title(node: TreeNode) -> str:
    return f"{node.pod} ({node.name})" if node.pod is not None else node.name


def _cells(reading: Reading) -> tuple[str, ...]:
    share = reading.cpu_weight if reading.cpu_weight is not None else reading.cpu_shares
    return (
        _or_dash(share, str),
        _cpu_limit(reading),
        _or_dash(reading.cpu_seconds, lambda seconds: f"{seconds:.2f}s"),
        _or_dash(reading.memory_working_set_bytes, format_bytes),
        _or_dash(reading.memory_max, format_bytes),
        _or_dash(reading.pids, str),
        _or_dash(reading.pids_max, str),
        "/".join(f"{reading.pressure.get(name, 0.0):.2f}" for name in ("cpu", "memory", "io"))
        if reading.pressure
        else "-",
    )


def _cpu_limit(reading: Reading) -> str:
    if reading.cpu_quota_us is None or not reading.cpu_period_us:
        return "-"
    millicpu = reading.cpu_quota_us * 1000 // reading.cpu_period_us
    return f"{millicpu}m" if millicpu % 1000 else str(millicpu // 1000)


def _or_dash(value: _T | None, show: Callable[[_T], str]) -> str:
    return "-" if value is None else show(value)


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
