"""Durations in Go's notation (VAL-8)."""

from __future__ import annotations

import pytest

from nodeguard.model.duration import format_duration, read_duration


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        (0, 0),
        ("1h30m", 5400 * 10**9),
        ("100ms", 10**8),
        (".5s", 5 * 10**8),
        ("1.5us", 1500),
        ("-1s", -(10**9)),
        ("-0", 0),
        ("+1m", 60 * 10**9),
    ],
)
def test_durations(text: object, nanoseconds: int) -> None:
    assert read_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["90", "1d", "30mins", "", "1s ", 5, True, False, None, [], "9999999h", "s"])
def test_durations_refused(text: object) -> None:
    with pytest.raises(ValueError):
        read_duration(text)


@pytest.mark.parametrize("text", ["0s", "5m", "90s", "100ms", "1h"])
def test_durations_are_shown_short(text: str) -> None:
    assert format_duration(read_duration(text)) == text
