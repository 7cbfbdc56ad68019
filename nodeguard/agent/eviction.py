"""Evictions carried out: struck, told, waited for until their resources are back.

Source: kubernetes, pkg/kubelet/eviction/eviction_manager.go, evictPod, waitForPodsCleanup. The kubelet waits 10 s at
least for a kill, in which a second hog would take all that is left: whoever was killed at once has two seconds here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nodeguard.agent.host import Host
from nodeguard.agent.pod import PodWorker
from nodeguard.agent.turn import Turn
from nodeguard.model.eviction import EVICTED, Eviction
from nodeguard.model.eviction_pass import Outcome
from nodeguard.model.signal import Resource, Signal

log = logging.getLogger(__name__)

KILLED_PATIENCE_SECONDS = 2.0
"""How long somebody killed at once may take to give memory or process ids back before the next one goes."""

CLEANUP_PATIENCE_SECONDS = 30.0
"""The same where a disk has to be cleared, or a grace period has passed. Source: podCleanupTimeout."""

TURN_PATIENCE_SECONDS = 2.0
"""How long a hard threshold waits for its turn: another process may hang, or give somebody a long grace period."""

DISRUPTION_REASON = "TerminationByKubelet"

_AT_ONCE = (Resource.MEMORY, Resource.PIDS)
"""What the dead give back; the rest has to be cleared away."""


@dataclass(kw_only=True)
class Victim:
    """A pod that was told to go; instants are the loop's clock's.

    ``term_at`` is when its grace period began; ``killed_at`` when its processes had SIGKILL pending, None while it
    still has its grace period.
    """

    worker: PodWorker
    eviction: Eviction
    record_id: str
    decided_at: float
    term_at: float | None
    killed_at: float | None
    give_up_at: float


class Evictor:
    """Carries evictions out and remembers whose resources are still on their way back."""

    def __init__(self, host: Host, turn: Turn, *, ended: Callable[[Victim, Outcome], None]) -> None:
        """``ended(victim, outcome)``: GONE, or PENDING when it took too long; in this case GONE may follow."""
        self._host, self._turn, self._ended = host, turn, ended
        self._victims: list[Victim] = []
        self._late: list[Victim] = []
        self._given_up: set[str] = set()
        self._refused_since, self._refused_at = 0.0, 0.0

    def has(self, worker: PodWorker) -> bool:
        """Whether the pod is on its way already."""
        return any(victim.worker is worker for victim in self._victims)

    @property
    def is_waiting(self) -> bool:
        """Somebody's resources are still to come back."""
        return bool(self._victims)

    def is_waiting_for(self, resource: Resource) -> bool:
        """Somebody's share of this is still to come back: of the dead soon only files are left."""
        if resource not in _AT_ONCE:
            return bool(self._victims)
        since = self._host.clock.now() - KILLED_PATIENCE_SECONDS
        return any(victim.killed_at is None or victim.killed_at > since for victim in self._victims)

    @property
    def beyond(self) -> set[str]:
        """Uids of pods that it is no use to evict: they were killed, or did not go in time."""
        killed = {victim.worker.pod.meta.uid for victim in self._victims if victim.killed_at is not None}
        return self._given_up | killed

    @property
    def has_somebody_to_hurry(self) -> bool:
        """Somebody still has a grace period."""
        return any(victim.killed_at is None for victim in self._victims)

    def may_evict(self, *, is_urgent: bool) -> bool:
        """Whether it is this process's turn, or it cannot wait for it any longer."""
        if self._turn.take():
            return True
        now = self._host.clock.now()
        if now > self._refused_at + TURN_PATIENCE_SECONDS:  # that was another time
            self._refused_since = now
        self._refused_at = now
        return is_urgent and now >= self._refused_since + TURN_PATIENCE_SECONDS

    def strike(self, worker: PodWorker) -> float:
        """SIGKILL is pending for everything in the pod, before anything else is done; returns when that was."""
        worker.strike()
        return self._host.clock.now()

    def evict(self, worker: PodWorker, eviction: Eviction, struck_at: float | None) -> Victim:
        """Have one pod go, which was struck already or has a grace period."""
        now = self._host.clock.now()
        victim = Victim(
            worker=worker,
            eviction=eviction,
            record_id="",
            decided_at=now if struck_at is None else struck_at,
            term_at=now if struck_at is None else None,
            killed_at=struck_at,
            give_up_at=now + _patience(eviction),
        )
        self._victims.append(victim)
        self._host.events.warning(worker.pod.meta, EVICTED, eviction.message, annotations=eviction.annotations)
        worker.stop(
            float(eviction.grace_seconds),
            reason=EVICTED,
            message=eviction.message,
            disruption=DISRUPTION_REASON if eviction.is_disruption else "",
        )
        return victim

    def hurry(self) -> None:
        """A hard threshold is met: whoever still has a grace period has it no longer."""
        for victim in self._victims:
            if victim.killed_at is None:
                victim.killed_at = self.strike(victim.worker)
                victim.give_up_at = victim.killed_at + _patience_with_killed(victim.eviction)
                victim.worker.stop(0.0)

    def settle(self) -> None:
        """See who is gone by now, and for whom nobody waits any longer."""
        self._settle_late()
        now = self._host.clock.now()
        for victim in list(self._victims):
            if victim.worker.is_gone:
                self._end(victim, Outcome.GONE)
            elif now >= victim.give_up_at:
                self._give_up(victim)

    def next_deadline(self) -> float | None:
        """When ``settle`` gives the next one up."""
        return min((victim.give_up_at for victim in self._victims), default=None)

    def close(self) -> None:
        """Nobody is waited for any more."""
        for victim in list(self._victims):
            self._end(victim, Outcome.GONE if victim.worker.is_gone else Outcome.PENDING)
        self._settle_late()
        self._turn.close()

    def _settle_late(self) -> None:
        """Nobody waits for these, but what became of them is to be known."""
        for victim in [late for late in self._late if late.worker.is_gone]:
            self._late.remove(victim)
            self._ended(victim, Outcome.GONE)

    def _give_up(self, victim: Victim) -> None:
        pod = victim.worker.pod
        if victim.worker.process_count() != 0:  # else there are files to be removed, or output to be read
            log.error("evicted pod is still there pod=%s", pod.meta.key)
            message = "Container runtime did not kill the pod in time"
            self._host.events.warning(pod.meta, "ExceededGracePeriod", message)
        self._given_up.add(pod.meta.uid)
        self._late.append(victim)
        self._end(victim, Outcome.PENDING)

    def _end(self, victim: Victim, outcome: Outcome) -> None:
        if victim.killed_at is None:
            victim.killed_at = victim.worker.killed_at()
        self._victims.remove(victim)
        self._ended(victim, outcome)
        if not self._victims:
            self._turn.give()


def worker_of(eviction: Eviction, workers: Iterable[PodWorker]) -> PodWorker | None:
    """The worker of the pod that is to go, by uid; None when it has gone by itself meanwhile."""
    uid = eviction.candidate.pod.meta.uid
    return next((worker for worker in workers if worker.pod.meta.uid == uid and not worker.is_gone), None)


def _patience(eviction: Eviction) -> float:
    if eviction.grace_seconds == 0:
        return _patience_with_killed(eviction)
    return max(10.0, 1.5 * eviction.grace_seconds) + CLEANUP_PATIENCE_SECONDS


def _patience_with_killed(eviction: Eviction) -> float:
    signal = eviction.signal
    returns_at_once = isinstance(signal, Signal) and signal.resource in _AT_ONCE
    return KILLED_PATIENCE_SECONDS if returns_at_once else 10.0 + CLEANUP_PATIENCE_SECONDS
