"""Which images go, and when.

Source: kubernetes, pkg/kubelet/images/image_gc_manager.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nodeguard.model.garbage import CachedImage


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageGcSettings:
    """When images are removed: from ``high_percent`` used on, until no more than ``low_percent`` are.

    ``maximum_age_ns`` 0: not for their age.
    """

    high_percent: int = 85
    low_percent: int = 80
    minimum_age_ns: int = 120 * 10**9
    maximum_age_ns: int = 0

    @property
    def is_off(self) -> bool:
        """Nothing is ever removed, unless the node runs short."""
        return self.high_percent == 100 and self.maximum_age_ns == 0


def candidates(images: Iterable[CachedImage]) -> list[CachedImage]:
    """Those that may go, first the ones used the longest ago (or never), of these the ones detected first."""
    unused = [image for image in images if not image.is_used and not image.is_pinned]
    return sorted(
        unused, key=lambda image: (image.used_ns is not None, image.used_ns or 0, image.detected_ns, image.name)
    )


def too_old(images: Iterable[CachedImage], settings: ImageGcSettings, now_ns: int, up_ns: int) -> list[CachedImage]:
    """Those to be removed for their age; nothing before the agent itself has run that long (``up_ns``).

    An image that was never used is too old at once; how long it has been there does not matter.
    """
    if settings.maximum_age_ns <= 0 or up_ns <= settings.maximum_age_ns:
        return []
    return [image for image in candidates(images) if now_ns - (image.used_ns or 0) > settings.maximum_age_ns]


def used_percent(capacity_bytes: int, available_bytes: int) -> int:
    """How full the file system is, rounded up; ``capacity_bytes`` is not zero."""
    return 100 - min(available_bytes, capacity_bytes) * 100 // capacity_bytes


def bytes_to_free(settings: ImageGcSettings, capacity_bytes: int, available_bytes: int) -> int | None:
    """How much has to go; None when there is enough room. It may be zero or less, and still images are too many."""
    if used_percent(capacity_bytes, available_bytes) < settings.high_percent:
        return None
    return capacity_bytes * (100 - settings.low_percent) // 100 - min(available_bytes, capacity_bytes)


def removable(images: Iterable[CachedImage], minimum_age_ns: int, now_ns: int) -> list[CachedImage]:
    """Those that may be removed for space, in order: neither just used nor younger than the minimum age."""
    return [
        image
        for image in candidates(images)
        if (image.used_ns is None or image.used_ns < now_ns) and now_ns - image.detected_ns >= minimum_age_ns
    ]
