"""Values as people read them."""

from __future__ import annotations

import pytest

from nodeguard.agent.text import format_age

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (-0.5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (2 * MINUTE, "2m"),
        (9 * MINUTE + 59, "9m59s"),
        (10 * MINUTE + 59, "10m"),
        (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"),
        (7 * HOUR + 30 * MINUTE, "7h30m"),
        (8 * HOUR, "8h"),
        (2 * DAY - 1, "47h"),
        (2 * DAY, "2d"),
        (7 * DAY + 5 * HOUR, "7d5h"),
        (8 * DAY + 5 * HOUR, "8d"),
        (2 * 365 * DAY - 1, "729d"),
        (3 * 365 * DAY + 2 * DAY, "3y2d"),
        (3 * 365 * DAY, "3y"),
        (9 * 365 * DAY, "9y"),
    ],
)
def test_ages_as_kubectl_tells_them(seconds: float, text: str) -> None:
    assert format_age(seconds) == text
