"""A bound on how many of a costly thing go on at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Turnstile:
    """Lets ``places`` callers in at a time; the others wait in line, first come first served."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._line: deque[Callable[[], None]] = deque()

    def enter(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when there is a place, perhaps at once; it must call ``leave`` in the end."""
        if self._free:
            self._free -= 1
            callback()
        else:
            self._line.append(callback)

    def leave(self) -> None:
        """Give the place back."""
        if self._line:
            self._line.popleft()()
        else:
            self._free += 1
