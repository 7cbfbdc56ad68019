"""One clock for the agent: UNIX seconds that never jump."""

from __future__ import annotations

import time


class Clock:
    """Wall-clock time at the start, carried on by the monotonic clock.

    Grace periods, back-off and deadlines must not move when somebody sets the host's clock.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """UNIX seconds."""
        return time.monotonic() + self._offset

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back, for comparing instants of this process."""
        return time.monotonic_ns()
