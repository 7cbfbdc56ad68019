"""The regular removal of dead containers (every minute) and of unused images (every five).

Source: kubernetes, pkg/kubelet/kubelet.go, StartGarbageCollection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from nodeguard.agent.loop import Loop, Timer
from nodeguard.agent.reclaim import ImageCollection, Reclaimer

log = logging.getLogger(__name__)

CONTAINERS_SECONDS = 60.0
IMAGES_SECONDS = 300.0

Tell = Callable[[str, str], None]
"""Called with the reason and the message of a Warning event of the node."""


class GarbageCollector:
    """Collects until it is closed; both kinds work in a thread, and never while the same one still does."""

    def __init__(self, loop: Loop, reclaimer: Reclaimer, *, collects_images: bool, tell: Tell) -> None:
        self._loop, self._reclaimer, self._tell = loop, reclaimer, tell
        self._collects_images = collects_images
        self._failures = 0
        self._is_closed = False
        self._timers: dict[str, Timer] = {}

    def open(self) -> None:
        """Collect from now on; the first time when the first interval has passed."""
        self._repeat("containers", CONTAINERS_SECONDS, self._reclaimer.collect_containers, self._containers_done)
        if self._collects_images:
            self._repeat("images", IMAGES_SECONDS, self._reclaimer.collect_images, self._images_done)

    def close(self) -> None:
        """Stop."""
        self._is_closed = True
        for timer in self._timers.values():
            timer.cancel()

    def _repeat(
        self, what: str, seconds: float, work: Callable[[], Any], then: Callable[[Any, BaseException | None], None]
    ) -> None:
        def due() -> None:
            self._loop.in_thread(work, done)

        def done(result: Any, error: BaseException | None) -> None:
            if not self._is_closed:
                then(result, error)
                self._repeat(what, seconds, work, then)

        self._timers[what] = self._loop.call_at(self._loop.clock.now() + seconds, due)

    def _containers_done(self, _: Any, error: BaseException | None) -> None:
        if error is not None:
            log.error("dead containers not removed error=%r", error)
            self._tell("ContainerGCFailed", str(error))

    def _images_done(self, collection: ImageCollection | None, error: BaseException | None) -> None:
        """A failure is told as such from the second one in a row on: the first may be about figures still missing."""
        reason = "ImageGCFailed" if collection is None else collection.reason
        fault = str(error) if collection is None else collection.fault
        if not fault:
            self._failures = 0
            return
        self._failures += 1
        log.warning("images not removed as wanted error=%s", fault)
        if reason != "ImageGCFailed":
            self._tell(reason, fault)
        if self._failures > 1:
            self._tell("ImageGCFailed", fault)
