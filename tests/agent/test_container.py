"""The end of a container: its last words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nodeguard.agent.instance import HURRIED_PIECES, Instance
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
    monkeypatch: pytest.MonkeyPatch, seen: dict[str, float], pods_are_stopped: bool, is_bounded: bool
) -> None:
    instance: Any = Instance.__new__(Instance)
    left: list[int] = []
    monkeypatch.setattr(Instance, "_leave", lambda _: left.append(1))
    view = ContainerView(name="main", kind=ContainerKind.APP, **seen)  # type: ignore[arg-type]
    loop = SimpleNamespace(call_at=lambda *_: SimpleNamespace(cancel=lambda: None))
    logs = SimpleNamespace(is_hurried=pods_are_stopped, forget=lambda _: None)
    instance._host = SimpleNamespace(logs=logs, loop=loop, clock=SimpleNamespace(now=lambda: 0.0))
    instance._worker, instance._plan = SimpleNamespace(view=view), SimpleNamespace(container_id="c")
    instance._log = SimpleNamespace(read_some=lambda: True)
    instance._last_pieces, instance._patience = 0, None
    pieces = 1
    while pieces < HURRIED_PIECES * 3 and instance._read_last_words():
        pieces += 1
    assert (pieces, bool(left)) == ((HURRIED_PIECES, True) if is_bounded else (HURRIED_PIECES * 3, False))
