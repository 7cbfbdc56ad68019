"""``<run_dir>/nodes/PID.json``: what one process tells of the node, written by it and read by everybody.

A full disk is what a node may have to tell of, so the file has room: when it cannot be replaced it is overwritten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path

from nodeguard.agent.record import Owner
from nodeguard.model.node import NodeCondition, NodeFacts
from nodeguard.model.unwire import from_wire
from nodeguard.model.wire import to_wire
from nodeguard.policy.node_object import node_object
from nodeguard.policy.pod_share import PodShare
from nodeguard.policy.signal_state import SignalState

LONG_AGO_SECONDS = 1e9
MAX_BYTES = 8 << 20
"""More than a thousand pods need."""
_BLOCK_BYTES = 4096
_READS = 3
"""One that is being overwritten is whole again at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFile:
    """What one process tells; ``renewed_at`` is the monotonic clock's seconds, its sign of life.

    ``ends`` maps conditions to when they will be over, UNIX seconds, if no threshold is met again.
    """

    owner: Owner
    renewed_at: float
    facts: NodeFacts
    conditions: tuple[NodeCondition, ...]
    signals: tuple[SignalState, ...] = ()
    ends: Mapping[str, float] = field(default_factory=dict)
    pods: tuple[PodShare, ...] = ()

    def silent_seconds(self, monotonic: float) -> float:
        """How long its process has given no sign of life; one from the future is from now."""
        return min(max(0.0, monotonic - self.renewed_at), LONG_AGO_SECONDS)


def path_of(run_dir: Path, owner: Owner) -> Path:
    """Where this process tells of the node."""
    return run_dir / "nodes" / f"{owner.pid}.json"


def to_text(file: NodeFile) -> bytes:
    """The file's text, with blanks up to a whole number of blocks and one block to grow."""
    text = json.dumps({**to_wire(file), "owner": asdict(file.owner)}).encode()  # as in all files that have an owner
    return text.ljust((len(text) // _BLOCK_BYTES + 2) * _BLOCK_BYTES)


def write_text(path: Path, text: bytes) -> None:
    """Replace the file in one step; on a full disk overwrite the one that is there, which takes no more of it.

    Raises:
        OSError: neither can be done.
    """
    beside = path.with_name(f".{path.name}")
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(text)
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        _overwrite(path, text)


def _overwrite(path: Path, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        content, size = text.rstrip(), os.fstat(fd).st_size
        if len(content) > size:
            raise OSError(f"{path}: {len(content)} bytes do not fit into the {size} there are")
        os.pwrite(fd, content.ljust(size), 0)
    finally:
        os.close(fd)


def read_node_files(run_dir: Path, boot_id: str) -> tuple[NodeFile, ...]:
    """What living processes tell, the one that has run longest first; damaged files are passed over."""
    found = []
    with suppress(FileNotFoundError):
        for path in sorted((run_dir / "nodes").iterdir()):
            if path.suffix == ".json" and not path.name.startswith("."):
                file = _read(path)
                if file is not None and file.owner.is_alive(boot_id):
                    found.append(file)
    return tuple(sorted(found, key=lambda file: (file.owner.start_time_ticks, file.owner.pid)))


def _read(path: Path) -> NodeFile | None:
    for _ in range(_READS):
        try:
            with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
                data = json.loads(stream.read(MAX_BYTES), parse_constant=_finite, parse_float=_finite)
            file = from_wire(NodeFile, {**data, "owner": to_wire(Owner(**data["owner"]))})
            node_object(file.facts, file.conditions)
            return file
        except OSError:
            return None
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):  # nor an instant beyond all calendars
            continue
    return None


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is no number")
    return number
