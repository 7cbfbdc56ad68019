"""How often: a bucket of tokens for each connection."""

from __future__ import annotations

from time import monotonic

RATE_PER_SECOND = 200.0
BURST = 400.0


class Bucket:
    """Fills at a steady rate, up to what may come at once."""

    def __init__(self, rate_per_second: float = RATE_PER_SECOND, burst: float = BURST) -> None:
        self._rate, self._burst = rate_per_second, burst
        self._tokens, self._at = burst, monotonic()

    def take(self, now: float | None = None) -> bool:
        """Whether one more is fine now (seconds of a clock that only goes forward)."""
        at = monotonic() if now is None else now
        self._tokens = min(self._burst, self._tokens + max(0.0, at - self._at) * self._rate)
        self._at = at
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
