"""A part of the machine's memory, bounded by a cgroup, and the numbers by which its shortage is told."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from bench.bare import remove_cgroups

VICTIM = "victim"
"""The cgroup of an arena of our own in which a hog runs that no nodeguard has started."""


def memory_hierarchy() -> tuple[Path, int]:
    """The mount point of the hierarchy that limits memory, and its version."""
    unified = None
    for fields in (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()):
        kind, options = fields[fields.index("-") + 1], fields[-1].split(",")
        if kind == "cgroup" and "memory" in options:
            return Path(fields[4]), 1
        if kind == "cgroup2" and "memory" in (Path(fields[4]) / "cgroup.controllers").read_text().split():
            unified = Path(fields[4])
    if unified is None:
        raise OSError("no cgroup hierarchy here limits memory")
    return unified, 2


def find_cgroup(name: str) -> Path | None:
    """The memory cgroup of that name, at the top or, on a systemd host, in a unit."""
    root, _ = memory_hierarchy()
    places = [root / name, *root.glob(f"system.slice/*/{name}")]
    return next((place for place in places if place.is_dir()), None)


class Arena:
    """A bounded memory cgroup with one below it for the hog; removed at the end."""

    def __init__(self, name: str, limit_bytes: int) -> None:
        self._name = name
        root, version = memory_hierarchy()
        self.path = root / name
        self.path.mkdir()
        if version == 2:
            for place in (root, self.path):
                (place / "cgroup.subtree_control").write_text("+memory")
        limit = "memory.limit_in_bytes" if version == 1 else "memory.max"
        (self.path / limit).write_text(str(limit_bytes))
        (self.path / VICTIM).mkdir()

    @property
    def entrance(self) -> Path:
        """Whoever writes 0 to it runs in the hog's cgroup."""
        return self.path / VICTIM / "cgroup.procs"

    def close(self) -> None:
        """Kill what still runs in it and remove it."""
        remove_cgroups(self._name)

    def command(self, argv: Sequence[str]) -> list[str]:
        """What runs the command inside."""
        return ["sh", "-c", 'echo 0 > "$0" && exec "$@"', str(self.entrance), *argv]


class Gauge:
    """Reads a cgroup's memory through files that are kept open: some microseconds each."""

    def __init__(self, path: Path, victim: Path) -> None:
        version = memory_hierarchy()[1]
        usage, key = (
            ("memory.usage_in_bytes", rb"total_inactive_file")
            if version == 1
            else ("memory.current", rb"inactive_file")
        )
        # v1 counts kills in the cgroup of the process alone, v2 in every one above it as well
        oom = victim / "memory.oom_control" if version == 1 else path / "memory.events"
        self._fds = [os.open(p, os.O_RDONLY) for p in (path / usage, path / "memory.stat", oom)]
        self._inactive = re.compile(rb"^" + key + rb" (\d+)", re.MULTILINE)
        self._kills = re.compile(rb"^oom_kill (\d+)", re.MULTILINE)

    def close(self) -> None:
        """Close the files."""
        for fd in self._fds:
            os.close(fd)

    def usage(self) -> int | None:
        """Bytes charged; None once the cgroup is gone."""
        try:
            return int(os.pread(self._fds[0], 32, 0))
        except OSError:
            return None

    def working_set(self) -> int | None:
        """What counts against the node's memory: usage without inactive file cache; None once the cgroup is gone.

        Source: spec of the signal memory.available, as the kubelet and cAdvisor compute it.
        """
        try:
            usage = int(os.pread(self._fds[0], 32, 0))
            inactive = self._inactive.search(os.pread(self._fds[1], 8192, 0))
        except OSError:
            return None
        return max(0, usage - (int(inactive[1]) if inactive else 0))

    def oom_kills(self) -> int | None:
        """How often the kernel's own killer struck; None once the cgroup is gone."""
        try:
            found = self._kills.search(os.pread(self._fds[2], 512, 0))
        except OSError:
            return None
        return int(found[1]) if found else 0
