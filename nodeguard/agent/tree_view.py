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
from nodeguard.kernel.cgroup.driver import UNIFIED

_T = TypeVar("_T")
Level = Literal["root", "tier", "pod", "container"]

_BELOW: Mapping[Level, Level] = {"root": "tier", "tier": "pod", "pod": "container"}
_V1_UNLIMITED = 1 << 62
"""cgroup v1 has no word for no limit: it shows the largest number of whole pages."""
_POD_NAME = re.compile(r"pod(.+)")


class Reader(Protocol):
    """The part of a cgroup driver that looking needs."""

    @property
    def version(self) -> Literal[1, 2]:
        """The files that limits are in."""

    def exists(self, path: str) -> bool:
        """Whether there is such a group."""

    def children(self, path: str) -> list[str]:
        """The groups right below."""

    def read(self, path: str, controller: str, file: str) -> str:
        """The text of one file."""


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
    reading = _read_v2(driver, path) if driver.version == 2 else _read_v1(driver, path)
    return TreeNode(level=level, name=name, path=path, reading=reading, uid=uid, pod=pod, children=tuple(children))


_TIERS = ("guaranteed", "burstable", "besteffort")


def _in_order(names: list[str], level: Level) -> list[str]:
    """Tiers from the best protected down, anything else by name."""
    if level == "root":
        return sorted(names, key=lambda name: (_TIERS.index(name) if name in _TIERS else len(_TIERS), name))
    return sorted(names)


def _read_v1(driver: Reader, path: str) -> Reading:
    usage = _number(driver, path, "memory", "memory.usage_in_bytes")
    memory_max = _number(driver, path, "memory", "memory.limit_in_bytes")
    quota = _number(driver, path, "cpu", "cpu.cfs_quota_us")
    cpu_nanoseconds = _number(driver, path, "cpuacct", "cpuacct.usage")
    return Reading(
        cpu_shares=_number(driver, path, "cpu", "cpu.shares"),
        cpu_quota_us=quota if quota is not None and quota > 0 else None,
        cpu_period_us=_number(driver, path, "cpu", "cpu.cfs_period_us"),
        cpu_seconds=None if cpu_nanoseconds is None else cpu_nanoseconds / 1e9,
        memory_max=None if memory_max is None or memory_max >= _V1_UNLIMITED else memory_max,
        memory_bytes=usage,
        memory_working_set_bytes=_working_set(driver, path, usage, "total_inactive_file"),
        pids_max=_number(driver, path, "pids", "pids.max"),
        pids=_number(driver, path, "pids", "pids.current"),
        pressure=_pressure(driver, path),
    )


def _read_v2(driver: Reader, path: str) -> Reading:
    usage = _number(driver, path, "memory", "memory.current")
    cpu_max = (_text(driver, path, "cpu", "cpu.max") or "").split()
    cpu_usec = _keyed(_text(driver, path, "cpu", "cpu.stat")).get("usage_usec")
    return Reading(
        cpu_weight=_number(driver, path, "cpu", "cpu.weight"),
        cpu_quota_us=int(cpu_max[0]) if cpu_max and cpu_max[0] != "max" else None,
        cpu_period_us=int(cpu_max[1]) if len(cpu_max) > 1 else None,
        cpu_seconds=None if cpu_usec is None else cpu_usec / 1e6,
        memory_max=_number(driver, path, "memory", "memory.max"),
        memory_bytes=usage,
        memory_working_set_bytes=_working_set(driver, path, usage, "inactive_file"),
        pids_max=_number(driver, path, "pids", "pids.max"),
        pids=_number(driver, path, "pids", "pids.current"),
        pressure=_pressure(driver, path),
    )


def _text(driver: Reader, path: str, controller: str, file: str) -> str | None:
    try:
        return driver.read(path, controller, file)
    except HostLacks:
        return None


def _number(driver: Reader, path: str, controller: str, file: str) -> int | None:
    text = _text(driver, path, controller, file)
    return None if text is None or text == "max" else int(text)


def _keyed(text: str | None) -> dict[str, int]:
    """``key value`` lines."""
    pairs = (line.split() for line in (text or "").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def _working_set(driver: Reader, path: str, usage: int | None, inactive: str) -> int | None:
    """What cannot be dropped at once.

    Source: cadvisor, container/libcontainer/handler.go, setMemoryStats.
    """
    if usage is None:
        return None
    return max(0, usage - _keyed(_text(driver, path, "memory", "memory.stat")).get(inactive, 0))


def _pressure(driver: Reader, path: str) -> dict[str, float]:
    """PSI ``some avg10``, from the v2 side on hybrid hosts too; containers are on the v1 side alone there."""
    found = {}
    for resource in ("cpu", "memory", "io"):
        with suppress(HostLacks, CgroupGone, OSError):
            match = _SOME_AVG10.search(driver.read(path, UNIFIED, f"{resource}.pressure"))
            if match is not None:
                found[resource] = float(match[1])
    return found


_SOME_AVG10 = re.compile(r"^some avg10=([0-9.]+)", re.MULTILINE)


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
