"""A bound on what is only kept for speed: who gets none does without."""

from __future__ import annotations

import threading


class Allowance:
    """So many of something; may be asked from any thread."""

    def __init__(self, amount: int) -> None:
        self._left = amount
        self._lock = threading.Lock()

    def take(self, amount: int) -> bool:
        """Whether so many could be had, all or none."""
        with self._lock:
            if self._left < amount:
                return False
            self._left -= amount
            return True

    def give(self, amount: int) -> None:
        """They are free again."""
        with self._lock:
            self._left += amount
