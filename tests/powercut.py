"""Where nodeguard stands still for good, so that the power is cut right there: in the middle of writing something."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

BASE = Path("/var/lib/nodeguard-powercut")
STOPPED = "stands still before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Right before this, of which everything earlier has reached the disk.

    ``event`` is Python's, ``path`` a pattern below the directories of a run. Most hosts lose ``/run`` at a restart.
    """

    event: str
    path: str
    loses_run: bool


CUTS: Mapping[str, Cut] = {
    "half-a-share": Cut(event="os.rename", path="run/owners/.*.json.*", loses_run=False),
    "half-a-record": Cut(event="os.rename", path="run/pods/*/.record.json.*", loses_run=False),
    "no-second-record": Cut(event="open", path="state/pods/*/.record.json.*", loses_run=True),
    "half-a-second-record": Cut(event="os.rename", path="state/pods/*/.record.json.*", loses_run=True),
    "no-volume": Cut(event="os.mkdir", path="state/pods/*/volumes/data", loses_run=True),
    "half-a-root-file-system": Cut(event="os.mkdir", path="state/pods/*/containers/*/work", loses_run=False),
    "half-a-bundle": Cut(event="os.rename", path="run/pods/*/bundles/*/config.json.partial", loses_run=False),
    "an-exit-not-seen": Cut(event="os.remove", path="run/exits/*", loses_run=False),
    "half-removed": Cut(event="os.remove", path="run/pods/*/messages/*", loses_run=True),
}


def stop_at(cut: Cut, base: Path) -> Callable[[], None]:
    """To be called in the process that is to stop. Source: Python, "Audit events table"."""

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event != cut.event:
            return
        path = str(arguments[0])
        if path.startswith(f"{base}/") and fnmatchcase(path.removeprefix(f"{base}/"), cut.path):
            os.sync()
            os.write(1, f"{STOPPED} {event} {path}\n".encode())
            while True:
                time.sleep(1000)

    return lambda: sys.addaudithook(watch)
