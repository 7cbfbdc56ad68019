"""When an ended container may run again.

Source: kubelet, kuberuntime doBackOff with client-go's flowcontrol.Backoff: the first restart comes at once, then
10, 20, 40 … 300 s after the previous exit; forgotten when an exit lies more than 600 s after the last step.
"""

from __future__ import annotations

from nodeguard.model.status import ContainerView

INITIAL_BACKOFF_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 300.0
FORGET_AFTER_SECONDS = 600.0


def restart_at(seen: ContainerView, max_backoff_seconds: float = MAX_BACKOFF_SECONDS) -> float:
    """The instant (UNIX seconds) from which the next instance may be made; 0.0 = at once."""
    if seen.ended is None or seen.ended.finished_at is None or seen.backoff_updated_at is None:
        return 0.0
    if seen.ended.finished_at - seen.backoff_updated_at > FORGET_AFTER_SECONDS:
        return 0.0
    return seen.ended.finished_at + min(seen.backoff_seconds, max_backoff_seconds)


def next_backoff_seconds(seen: ContainerView, max_backoff_seconds: float = MAX_BACKOFF_SECONDS) -> float:
    """The step to remember when the next instance is made now (0.0 for a first start)."""
    if seen.ended is None or seen.ended.finished_at is None:
        return 0.0
    initial = min(INITIAL_BACKOFF_SECONDS, max_backoff_seconds)
    if seen.backoff_updated_at is None or seen.ended.finished_at - seen.backoff_updated_at > FORGET_AFTER_SECONDS:
        return initial
    return min(seen.backoff_seconds * 2 or initial, max_backoff_seconds)
