"""Images: which may go, in which order, and when."""

from __future__ import annotations

import pytest

from nodeguard.model.garbage import CachedImage
from nodeguard.policy.image_gc import (
    ImageGcSettings,
    bytes_to_free,
    candidates,
    removable,
    too_old,
    used_percent,
)

NOW = 1000


def image(name: str, *, detected: int = 0, used: int | None = None, **fields: bool) -> CachedImage:
    return CachedImage(name=name, size_bytes=10, detected_ns=detected, used_ns=used, **fields)


def names(images: list[CachedImage]) -> str:
    return "".join(each.name for each in images)


@pytest.mark.parametrize(
    ("images", "order"),
    [
        pytest.param([image("a", used=5), image("b", used=3)], "ba", id="IMG-3 used longest ago first"),
        pytest.param([image("a", used=0), image("b")], "ba", id="IMG-3 never used is oldest"),
        pytest.param([image("a", detected=2), image("b", detected=1)], "ba", id="IMG-3 then first detected first"),
        pytest.param([image("b"), image("a")], "ab", id="the name breaks ties"),
        pytest.param(
            [image("a", is_used=True), image("b", is_pinned=True), image("c")], "c", id="IMG-3 used or pinned"
        ),
    ],
)
def test_candidates(images: list[CachedImage], order: str) -> None:
    assert names(candidates(images)) == order
    assert names(candidates(images[::-1])) == order


@pytest.mark.parametrize(
    ("images", "maximum", "up", "goes"),
    [
        pytest.param([image("a", used=NOW - 101)], 100, 200, "a", id="IMG-4 unused for longer"),
        pytest.param([image("a", used=NOW - 100)], 100, 200, "", id="IMG-4 exactly that long"),
        pytest.param([image("a", detected=NOW)], 100, 200, "a", id="IMG-4 never used, however young"),
        pytest.param([image("a")], 100, 100, "", id="IMG-4 the agent is not up for longer"),
        pytest.param([image("a")], 0, 200, "", id="IMG-4 no maximum"),
        pytest.param([image("a", is_used=True)], 100, 200, "", id="in use"),
    ],
)
def test_too_old(images: list[CachedImage], maximum: int, up: int, goes: str) -> None:
    settings = ImageGcSettings(minimum_age_ns=10_000, maximum_age_ns=maximum)
    assert names(too_old(images, settings, NOW, up)) == goes


@pytest.mark.parametrize(
    ("capacity", "available", "percent", "wanted"),
    [
        pytest.param(1000, 150, 85, 50, id="IMG-5 at the high threshold"),
        pytest.param(1000, 151, 85, 49, id="IMG-5 the used share is rounded up"),
        pytest.param(1000, 160, 84, None, id="IMG-5 below it"),
        pytest.param(1000, 0, 100, 200, id="full"),
        pytest.param(1000, 2000, 0, None, id="IMG-5 more available than there is"),
        pytest.param(1001, 0, 100, 200, id="IMG-6 rounded down"),
    ],
)
def test_space(capacity: int, available: int, percent: int, wanted: int | None) -> None:
    assert used_percent(capacity, available) == percent
    assert bytes_to_free(ImageGcSettings(), capacity, available) == wanted


@pytest.mark.parametrize(
    ("images", "goes"),
    [
        pytest.param([image("a", detected=NOW - 100)], "a", id="IMG-6 as old as the minimum"),
        pytest.param([image("a", detected=NOW - 99)], "", id="IMG-6 younger"),
        pytest.param([image("a", used=NOW), image("b", used=NOW + 1)], "", id="IMG-6 used just now, or later"),
        pytest.param(
            [image("a", detected=NOW), image("b", used=9), image("c", used=5)], "cb", id="those left, in order"
        ),
    ],
)
def test_removable(images: list[CachedImage], goes: str) -> None:
    assert names(removable(images, 100, NOW)) == goes


def test_img_1_off_without_a_threshold_and_an_age() -> None:
    assert ImageGcSettings(high_percent=100).is_off
    assert not ImageGcSettings(high_percent=100, maximum_age_ns=1).is_off
    assert not ImageGcSettings().is_off
