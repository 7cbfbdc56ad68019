"""What nobody needs any more, as far as somebody can tell: dead containers and unused images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from nodeguard.model.eviction import ReclaimStep


class PodFate(Enum):
    """What becomes of a pod whose containers are looked at."""

    ACTIVE = "active"
    """It may start containers again."""
    TERMINATED = "terminated"
    """Nothing of it will ever run again; it is kept to be looked at."""
    DELETED = "deleted"
    """All that is left of it is to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadContainer:
    """One instance of a container that does not run; ``created_ns`` is when it was made, not when it ended."""

    uid: str
    name: str
    attempt: int
    created_ns: int
    fate: PodFate = PodFate.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedImage:
    """An image on the disk; instants are UNIX nanoseconds.

    ``used_ns`` is when it was last seen in use, None if never; an image that ``is_used`` is used by a container,
    running or dead.
    """

    name: str
    size_bytes: int
    detected_ns: int
    used_ns: int | None = None
    is_used: bool = False
    is_pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """What a step gave back: ``removed`` names what went, ``errors`` what would not."""

    used_bytes: int = 0
    inodes: int = 0
    removed: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReclaimResult:
    """What a node-level reclaim gave back, by step in the order in which they were taken."""

    steps: Mapping[ReclaimStep, Freed] = field(default_factory=dict)

    @property
    def freed_bytes(self) -> int:
        """All steps together."""
        return sum(step.used_bytes for step in self.steps.values())
