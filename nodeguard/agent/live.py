"""The node as the last pass saw it, for those who ask what would happen now: ``<run_dir>/live/PID.json``.

Written by a thread, at most every ten seconds; a disk that is slow or full costs the loop nothing.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nodeguard.agent.loop import Loop
from nodeguard.agent.record import Owner, write_json
from nodeguard.model.eviction_pass import Pass

log = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
_MAX_BYTES = 16 << 20


class LiveNode:
    """What this process tells. All methods are called in the loop's thread and return at once."""

    def __init__(self, loop: Loop, run_dir: Path, owner: Owner, node: Callable[[], Mapping[str, Any]]) -> None:
        """``node()`` is the v1 Node; called from another thread."""
        self._loop, self._owner, self._node = loop, owner, node
        self._path = run_dir / "live" / f"{owner.pid}.json"
        self._due_at = 0.0
        self._is_writing = False
        self._is_open = True
        self._writing = threading.Lock()

    def report(self, looked: Pass) -> None:
        """What a pass saw; most calls do nothing."""
        now = self._loop.clock.now()
        if now >= self._due_at and not self._is_writing and self._is_open:
            self._due_at, self._is_writing = now + EVERY_SECONDS, True
            self._loop.in_thread(lambda: self._write(looked, now), self._written)

    def close(self) -> None:
        """This process looks after nothing any more. Waits for a write that is under way: nobody else would end it."""
        self._is_open = False
        with self._writing, suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _write(self, looked: Pass, at: float) -> None:
        node = self._node()
        name = node.get("metadata", {}).get("name", "")
        from nodeguard.policy.replay import scenario_document  # not before something is to be written

        scenario = scenario_document(looked, name=f"{name}-now", node=node)
        with self._writing:
            if self._is_open:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_json(self._path, {"owner": asdict(self._owner), "at": at, "scenario": scenario})

    def _written(self, _: Any, error: BaseException | None) -> None:
        self._is_writing = False
        if error is not None:
            log.warning("state of the node not written path=%s error=%s", self._path, error)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveScenario:
    """What one process told at ``at``, UNIX seconds."""

    owner: Owner
    at: float
    scenario: dict[str, Any]


def read_live(run_dir: Path, boot_id: str) -> list[LiveScenario]:
    """What living processes tell; what ended ones told is removed."""
    found = []
    for path in sorted((run_dir / "live").glob("*.json")):
        with suppress(OSError, ValueError, TypeError, KeyError):
            with path.open("rb") as file:
                data = json.loads(file.read(_MAX_BYTES))
            told = LiveScenario(owner=Owner(**data["owner"]), at=float(data["at"]), scenario=dict(data["scenario"]))
            if told.owner.is_alive(boot_id):
                found.append(told)
            else:
                path.unlink(missing_ok=True)
    return found
