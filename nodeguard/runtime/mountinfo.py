"""The mount table, read.

Source: proc_pid_mountinfo(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class MountEntry:
    """One line: where, what kind, and the optional fields that tell how mounts propagate (``shared:1`` …)."""

    point: str
    file_system: str
    propagation: tuple[str, ...]


def parse_mountinfo(text: str) -> tuple[MountEntry, ...]:
    """The entries of ``/proc/self/mountinfo``, oldest first; blanks in a path are octal there."""
    entries = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields = left.split(" ")
        if not separator or len(fields) < 6:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), fields[4])
        entries.append(
            MountEntry(point=point, file_system=right.split(" ")[0], propagation=tuple(fields[6:])),
        )
    return tuple(entries)


def read_mountinfo() -> tuple[MountEntry, ...]:
    """The mounts this process sees."""
    return parse_mountinfo(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))
