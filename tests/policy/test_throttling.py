"""Who is held back by memory.high, and for how long."""

from __future__ import annotations

import pytest

from nodeguard.policy.throttling import RELAX_SECONDS, STALLED_PERCENT, Throttling, look


@pytest.mark.parametrize(
    ("events", "stalled", "is_held_back"),
    [
        (10, STALLED_PERCENT, False),  # nothing new
        (11, STALLED_PERCENT, True),
        (11, STALLED_PERCENT - 0.1, False),  # cache that was reclaimed easily
        (11, None, True),  # no PSI here
    ],
)
def test_held_back(events: int, stalled: float | None, is_held_back: bool) -> None:
    seen = look(Throttling(high_events=10), events, stalled, now=5.0)
    assert seen == Throttling(high_events=events, since=5.0 if is_held_back else None)


def test_it_is_due_after_a_time_without_a_break() -> None:
    seen = Throttling()
    for second in range(int(RELAX_SECONDS)):
        assert not seen.is_due(float(second))
        seen = look(seen, 1, 50.0, float(second))  # it stands still: no more events
    assert seen.is_due(RELAX_SECONDS)
    broken = look(seen, 1, 0.0, RELAX_SECONDS + 1)
    assert not look(broken, 100, 50.0, RELAX_SECONDS + 2).is_due(RELAX_SECONDS + 3)


def test_what_was_lifted_is_not_lifted_again() -> None:
    seen = look(Throttling(high_events=5, is_relaxed=True), 6, 50.0, 0.0)
    assert not seen.is_due(RELAX_SECONDS * 2)


def test_a_new_container_begins_anew() -> None:
    assert look(Throttling(high_events=500, since=1.0, is_relaxed=True), 3, 50.0, 9.0) == Throttling(
        high_events=3, since=9.0
    )
