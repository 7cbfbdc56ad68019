"""The end of a container: its last words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nodeguard.agent.instance import Instance
from nodeguard.agent.log_follower import HURRIED_PIECES, LogFollower
from nodeguard.model.pod import ContainerKind
from nodeguard.model.status import ContainerView


@pytest.mark.parametrize(
    ("seen", "pods_are_stopped", "is_bounded"),
    [
        ({}, False, False),  # it ended by itself, and all that it said is wanted
        ({}, True, True),
        ({"terminated_at": 1.0}, False, True),
        ({"killed_at": 1.0}, False, True),
    ],
)
def test_whoever_is_sent_away_does_not_stay_for_all_that_was_ever_said(
    seen: dict[str, float], pods_are_stopped: bool, is_bounded: bool
) -> None:
    view = ContainerView(name="main", kind=ContainerKind.APP, **seen)  # type: ignore[arg-type]
    loop = SimpleNamespace(call_at=lambda *_: SimpleNamespace(cancel=lambda: None))
    logs = SimpleNamespace(is_hurried=pods_are_stopped, forget=lambda _: None)
    host = SimpleNamespace(logs=logs, loop=loop, clock=SimpleNamespace(now=lambda: 0.0))
    instance: Any = Instance.__new__(Instance)
    instance._host, instance._worker = host, SimpleNamespace(view=view)
    left: list[int] = []
    follower: Any = LogFollower.__new__(LogFollower)
    follower._host, follower._plan = host, SimpleNamespace(container_id="c")
    follower._is_hurried, follower._then = instance._is_hurried, lambda: left.append(1)
    follower._log = SimpleNamespace(read_some=lambda: True, close=lambda: None)
    follower._watch, follower._last_pieces, follower._patience = -1, 0, None
    pieces = 1
    while pieces < HURRIED_PIECES * 3 and follower._read_last_words():
        pieces += 1
    assert (pieces, bool(left)) == ((HURRIED_PIECES, True) if is_bounded else (HURRIED_PIECES * 3, False))
