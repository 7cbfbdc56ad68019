"""Containers that ``memory.high`` holds back: a leak is slowed down there, and at its end stands still for ever.

Source: Kubernetes enhancements 2570 (MemoryQoS), why it was halted: a container that cannot get below its
``memory.high`` neither runs nor dies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

STALLED_PERCENT = 10.0
"""Of ten seconds, the share in which some task waited for memory: below it, it was cache that was reclaimed easily."""

RELAX_SECONDS = 10.0
"""How long one is held back before ``memory.high`` is lifted; then its limit and the node's thresholds decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """One container's: the kernel's counter, since when it is held back, and whether ``memory.high`` was lifted."""

    high_events: int = 0
    since: float | None = None
    is_relaxed: bool = False

    def is_due(self, now: float) -> bool:
        """It has been held back for long enough."""
        return not self.is_relaxed and self.since is not None and now - self.since >= RELAX_SECONDS


def look(before: Throttling, high_events: int, stalled_percent: float | None, now: float) -> Throttling:
    """What the next look makes of it; without PSI the counter alone decides. A counter that fell is a new container's.

    Who stands still causes no events any more.
    """
    if high_events < before.high_events:
        before = Throttling()
    has_news = high_events > before.high_events
    if stalled_percent is None:
        is_held_back = has_news
    else:
        is_held_back = stalled_percent >= STALLED_PERCENT and (has_news or before.since is not None)
    since = (now if before.since is None else before.since) if is_held_back else None
    return replace(before, high_events=high_events, since=since)
