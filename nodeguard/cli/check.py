"""What a check of the host starts from, and what it finds: the words of ``doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nodeguard.agent.config import Config
from nodeguard.kernel.cgroup.driver import Driver


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    DEGRADED = "degraded"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding about the host.

    ``consequence`` says what does not work, or what is done instead; ``remedy`` what would change that. ``run`` cannot
    work while a check that is ``needed`` is missing.
    """

    name: str
    status: Status
    detail: str
    consequence: str = ""
    remedy: str = ""
    needed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the checks start from; ``root`` is where /proc and /sys are found."""

    config: Config
    driver: Driver | None
    driver_error: str = ""
    is_root: bool
    root: Path = Path("/")

    def read(self, path: str) -> str | None:
        """A file's text without the white space around it; None when there is none or it tells nothing."""
        try:
            return (self.root / path.lstrip("/")).read_text(errors="replace").strip()
        except OSError:
            return None


def existing(directory: Path) -> Path:
    """The directory, or the nearest one above it that exists."""
    return next(place for place in (directory, *directory.parents) if place.is_dir())
