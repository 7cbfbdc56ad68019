"""The pressure loop: looks at the node when something may have changed, decides, and has it done.

It is woken by the kernel where the kernel can (a usage threshold on cgroup v1; PSI and memory.events on v2), by timers
that come the sooner the less there is left, and by pods that are gone. Every look reads fresh values. A look that finds
nothing costs a few system calls; candidates are measured only when one of them may have to go.

Source: kubernetes, pkg/kubelet/eviction/eviction_manager.go (Start, synchronize), memory_threshold_notifier_linux.go.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nodeguard.agent.alarms import Alarms
from nodeguard.agent.candidate import Candidates, with_container_memory
from nodeguard.agent.eviction import Evictor, worker_of
from nodeguard.agent.host import Host
from nodeguard.agent.loop import Timer
from nodeguard.agent.node_status import NodeStatus
from nodeguard.agent.observe import MemoryLook, Observer
from nodeguard.model.eviction import (
    Candidate,
    Decision,
    Eviction,
    EvictionConfig,
    EvictionMemory,
    EvictionMode,
    Layout,
    Observation,
    ReclaimStep,
    Snapshot,
)
from nodeguard.model.eviction_pass import Action, Pass
from nodeguard.model.signal import Pressure, Resource, Signal
from nodeguard.model.threshold import Threshold
from nodeguard.policy.alertness import alarm_levels, is_quiet, next_change_ns, unknown_conditions, watchfulness
from nodeguard.policy.eviction import after_reclaim, evaluate
from nodeguard.policy.signal_state import in_mode
from nodeguard.policy.threshold import with_containerfs

log = logging.getLogger(__name__)

NOBODY_LEFT_SECONDS = 0.25
"""When to look again after a pass that wanted a victim and found none, or was only to observe."""

RECLAIM_AGAIN_SECONDS = 10.0
"""The same where the node gave up all it could: that is not to be tried all the time."""

NOT_OUR_TURN_SECONDS = 0.02
NOT_OUR_TURN_ON_DISK_SECONDS = 1.0
"""The same where the node would first look for things to give up, and count what pods have."""

ANNOUNCE_SECONDS = 10.0
"""How often a shortage is announced while nothing comes of it. Source: the kubelet's interval."""

TELL_SECONDS = 10.0
"""How often somebody hears of a node on which nothing happens."""

FIRST_TELL_SECONDS = 1.0
"""And when for the first time: pods are to be started before."""

_MEMORY = (Signal.MEMORY_AVAILABLE, Signal.ALLOCATABLE_MEMORY_AVAILABLE)
_WATCHED = (EvictionMode.ENFORCE, EvictionMode.OBSERVE)

REPORT_SECONDS = 10.0
"""Source: kubernetes, nodeStatusUpdateFrequency."""


Reclaim = Callable[[Sequence[ReclaimStep]], Any]
"""What the node can give up itself; runs in a worker thread."""


class PressureLoop:
    """See the module. Lives in the loop's thread."""

    def __init__(
        self,
        host: Host,
        observer: Observer,
        *,
        config: EvictionConfig,
        modes: Mapping[str, EvictionMode],
        layout: Layout,
        candidates: Candidates,
        evictor: Evictor,
        reclaim: Reclaim,
        refresh: Callable[[Callable[[], None]], None],
        relieve: Callable[[int], None],
        status: NodeStatus,
        record: Callable[[Pass, Eviction, Action], str],
        told: Callable[[Pass], None],
    ) -> None:
        """``refresh(then)`` counts what pods take of the disks and calls ``then`` in the loop.

        ``relieve(bytes)`` has the kernel look for memory that pods can spare.

        ``record(pass, eviction, action)`` has a decision written down and returns its id; ``told`` gets every pass
        in which pods were looked at, and now and then one that has nothing to do but this."""
        self._host, self._observer, self._candidates, self._evictor = host, observer, candidates, evictor
        self._layout = layout
        self._configure(config, modes)
        self._reclaim, self._refresh, self._relieve = reclaim, refresh, relieve
        self._status, self._record, self._told = status, record, told
        self._memory = EvictionMemory()
        self._observations: dict[Signal, Observation] = {}
        self._failed: frozenset[Signal] = frozenset()
        self._others: Mapping[Signal, Observation] = {}
        self._others_failed: frozenset[Signal] = frozenset()
        self._others_due = 0.0
        self._storage_changed = False
        self._is_reclaiming = False
        self._is_looking = False
        self._holds: dict[Resource, float] = {}
        self._announced_at: dict[Threshold, float] = {}
        self._would_have_gone = ""
        self._observe_at = 0.0
        self._tell_at = host.clock.now() + FIRST_TELL_SECONDS
        self._unknown: frozenset[Pressure] | None = None
        self._measured: tuple[Candidate, ...] = ()
        self._timer: Timer | None = None
        groups = (observer.node_group, observer.pods_group)
        self._alarms = Alarms(host.loop, host.driver, groups, self.look)

    # life

    def open(self) -> None:
        """Look for the first time, and go on from there."""
        self._alarms.open()
        self.look()

    def close(self) -> None:
        """No more looks."""
        if self._timer is not None:
            self._timer.cancel()
        self._alarms.close()
        self._evictor.close()
        self._observer.close()

    @property
    def conditions(self) -> tuple[Pressure, ...]:
        """The node's pressure conditions that are True."""
        return self._memory.conditions

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """All thresholds in force."""
        return self._thresholds

    @property
    def observations(self) -> Mapping[Signal, Observation]:
        """The signals as of the last look."""
        return self._observations

    def reconfigure(self, config: EvictionConfig, modes: Mapping[str, EvictionMode]) -> None:
        """Decide by other thresholds from now on; whose grace period has begun under the same one, keeps it."""
        self._configure(config, modes)
        memory, known = self._memory, set(self._thresholds)
        self._memory = replace(
            memory,
            first_met_ns={threshold: at for threshold, at in memory.first_met_ns.items() if threshold in known},
            due=tuple(threshold for threshold in memory.due if threshold in known),
        )
        self._unknown = None
        self._others_due = 0.0
        self.look()

    def _configure(self, config: EvictionConfig, modes: Mapping[str, EvictionMode]) -> None:
        self._config = replace(config, thresholds=in_mode(config.thresholds, modes, *_WATCHED))
        self._enforced = replace(config, thresholds=in_mode(config.thresholds, modes, EvictionMode.ENFORCE))
        observed = in_mode(config.thresholds, modes, EvictionMode.OBSERVE)
        self._observed = replace(config, thresholds=observed, local_storage_isolation=False)
        self._thresholds = with_containerfs(self._config.thresholds, self._layout)

    def storage_changed(self) -> None:
        """What pods use of the disks has been measured anew."""
        self._storage_changed = True
        self.look()

    def pod_gone(self) -> None:
        """Nothing is left of some pod: whoever waits for resources looks again."""
        if self._evictor.is_waiting:
            self._others_due = 0.0
            self.look()

    # looking

    def look(self) -> None:
        """Read the signals; decide if there is anything to decide; plan the next look."""
        if self._is_looking:
            return
        self._is_looking = True
        try:
            self._look()
        finally:
            self._is_looking = False

    def _look(self) -> None:
        before = self._observations
        memory = self._observer.read_memory()
        now = self._host.clock.now()
        if now >= self._others_due:
            others = self._observer.read_others()
            self._others, self._others_failed = others.observations, others.failed
        self._observations = {**self._others, **memory.observations}
        self._failed = self._others_failed | memory.failed
        self._evictor.settle()
        now_ns = self._host.clock.monotonic_ns()
        is_quiet_now = is_quiet(
            self._thresholds,
            self._memory,
            self._observations,
            transition_ns=self._config.transition_ns,
            now_ns=now_ns,
        )
        if self._storage_changed or not is_quiet_now:
            self._pass(now_ns)
        elif now >= self._tell_at:
            self._told(self._with_candidates(self._decide(self._enforced, self._memory, self._bare(), now_ns)))
            self._tell_at = now + TELL_SECONDS
        self._tell(now_ns, is_quiet_now)
        self._alarms.arm(self._levels(memory))
        self._plan_next(before)

    def _pass(self, now_ns: int) -> None:
        """One pass of the eviction manager, in two steps: who is there matters only when somebody may have to go."""
        before = self._memory
        bare = self._bare()
        self._memory = evaluate(self._config, before, bare, now_ns).memory
        if short_bytes := self._newly_short(before):
            self._relieve(short_bytes)
        storage_changed, self._storage_changed = self._storage_changed, False
        if self._observed.thresholds:
            self._observe_only(self._decide(self._observed, before, bare, now_ns))
        enforced = self._decide(self._enforced, before, bare, now_ns)
        if self._evictor.is_waiting and any(threshold.is_hard for threshold in enforced.decision.due):
            self._evictor.hurry()
        acted_on = enforced.decision.acted_on
        acts = acted_on is not None and not self._is_waiting_for(acted_on) and not self._is_held(acted_on)
        if not acts and not storage_changed:
            return
        done = self._with_candidates(enforced)
        self._told(done)
        if done.decision.acted_on is None:
            for eviction in done.decision.evictions:
                self._evict(done, eviction)
        elif acts:
            self._act(done)

    def _newly_short(self, before: EvictionMemory) -> int:
        """How much memory is missing to soft thresholds whose grace period begins now."""
        missing = [0]
        for threshold in self._memory.first_met_ns:
            if threshold.signal.is_memory and not threshold.is_hard and threshold not in before.first_met_ns:
                seen = self._observations[threshold.signal]
                missing.append(threshold.value.of(seen.capacity).value() - seen.available)
        return max(missing)

    def _bare(self) -> Snapshot:
        return Snapshot(observations=self._observations, layout=self._layout)

    def _decide(self, config: EvictionConfig, memory: EvictionMemory, snapshot: Snapshot, now_ns: int) -> Pass:
        ours = with_containerfs(config.thresholds, self._layout)
        own = replace(memory, due=tuple(threshold for threshold in memory.due if threshold in ours))
        return Pass(
            config=config,
            decision=evaluate(config, own, snapshot, now_ns),
            snapshot=snapshot,
            memory=own,
            now_ns=now_ns,
        )

    def _with_candidates(self, bare: Pass) -> Pass:
        """The same look at the same instant, and who is there now."""
        measured = self._candidates.measure(bare.decision.acted_on, without=self._evictor.beyond)
        self._measured = measured
        return self._decide(bare.config, bare.memory, replace(bare.snapshot, candidates=measured), bare.now_ns)

    # acting

    def _act(self, done: Pass) -> None:
        decision = done.decision
        if decision.acted_on is None or not decision.acted_on.signal.file_system:
            self._evict_first(done)
            self._announce(decision)
        elif not self._is_reclaiming:
            self._announce(decision)
            self._start_reclaim(done)

    def _announce(self, decision: Decision) -> None:
        """Source: eviction_manager.go, EvictionThresholdMet."""
        threshold, now, node = decision.acted_on, self._host.clock.now(), self._host.settings.node_name
        if threshold is None or now < self._announced_at.get(threshold, -ANNOUNCE_SECONDS) + ANNOUNCE_SECONDS:
            return
        self._announced_at[threshold] = now
        if decision.ranking and not decision.evictions:
            log.error("nobody can be evicted threshold=%s", threshold)
        message = f"Attempting to reclaim {decision.resource}"
        self._host.events.of_node("Warning", node, "EvictionThresholdMet", message)

    def _start_reclaim(self, done: Pass) -> None:
        """A disk can wait a moment: the node gives up what it can, and what pods take of the disk is counted anew."""
        self._is_reclaiming = True
        steps = done.decision.reclaim
        if steps:
            self._host.loop.in_thread(lambda: self._reclaim(steps), lambda _, error: self._gave_up(done, error))
        else:
            self._gave_up(done, None)

    def _gave_up(self, done: Pass, error: BaseException | None) -> None:
        if error is not None:
            log.error("node-level reclaim failed error=%s", error)
        self._refresh(lambda: self._reclaimed(done))

    def _reclaimed(self, done: Pass) -> None:
        """What is there now decides; who is a candidate has to be asked again, too."""
        self._is_reclaiming = False
        now = {**self._observations, **self._observer.read_others().observations}
        again = self._with_candidates(done)
        decision = after_reclaim(done.config, again.snapshot, again.decision, now)
        was_enough = decision is not again.decision
        again = replace(again, decision=decision, after_reclaim=now)
        self._others_due = 0.0
        if not self._evictor.is_waiting and not was_enough:
            self._evict_first(again)
        self.look()

    def _evict_first(self, done: Pass) -> None:
        if not done.decision.evictions:
            self._hold(done, RECLAIM_AGAIN_SECONDS if done.decision.reclaim else NOBODY_LEFT_SECONDS)
            return
        threshold = done.decision.acted_on
        if not self._evictor.may_evict(is_urgent=threshold is not None and threshold.is_hard):
            self._hold(done, NOT_OUR_TURN_ON_DISK_SECONDS if done.decision.reclaim else NOT_OUR_TURN_SECONDS)
            return
        self._evict(done, done.decision.evictions[0])

    def _evict(self, done: Pass, eviction: Eviction) -> None:
        """Strike first; words and records may take their time."""
        worker = worker_of(eviction, self._candidates.workers())
        if worker is None or self._evictor.has(worker):  # gone between the look and now, or on its way
            return
        if worker.adopted_eviction and eviction.grace_seconds > 0:  # on its way since another process said so
            return
        self._announced_at.clear()
        containers = worker.container_memory() if eviction.signal in _MEMORY else {}
        struck_at = self._evictor.strike(worker) if eviction.grace_seconds == 0 else None
        if containers:
            done = self._with_containers(done, eviction, containers)
            eviction = done.decision.evictions[0]
        victim = self._evictor.evict(worker, eviction, struck_at)
        victim.record_id = self._record(done, eviction, Action.EVICT)

    def _with_containers(self, done: Pass, eviction: Eviction, containers: Mapping[str, int]) -> Pass:
        """The same decision, in whose words the victim's containers have their part."""
        told = with_container_memory(eviction.candidate, containers)
        candidates = tuple(told if one.order == told.order else one for one in done.snapshot.candidates)
        snapshot = replace(done.snapshot, candidates=candidates)
        decision = evaluate(done.config, done.memory, snapshot, done.now_ns)
        return replace(done, snapshot=snapshot, decision=replace(done.decision, **_outcome(decision)))

    def _observe_only(self, bare: Pass) -> None:
        """Write down what would have happened, once as long as it stays the same."""
        threshold = bare.decision.acted_on
        if threshold is None:
            self._would_have_gone = ""
            return
        if self._host.clock.now() < self._observe_at:
            return
        self._observe_at = self._host.clock.now() + NOBODY_LEFT_SECONDS
        done = self._with_candidates(bare)
        for eviction in done.decision.evictions[:1]:
            key = f"{threshold} {eviction.candidate.pod.meta.uid}"
            if key != self._would_have_gone:
                self._record(done, eviction, Action.WOULD_EVICT)
            self._would_have_gone = key

    def _hold(self, done: Pass, seconds: float) -> None:
        if done.decision.resource is not None:
            self._holds[done.decision.resource] = self._host.clock.now() + seconds

    def _is_waiting_for(self, threshold: Threshold) -> bool:
        return self._evictor.is_waiting_for(threshold.signal.resource)

    def _is_held(self, threshold: Threshold) -> bool:
        return self._host.clock.now() < self._holds.get(threshold.signal.resource, 0.0)

    # telling

    def _tell(self, now_ns: int, was_quiet: bool) -> None:
        unknown = unknown_conditions(self._thresholds, self._failed)
        if was_quiet and unknown == self._unknown:
            return
        self._unknown = unknown
        candidates, self._measured = self._measured, ()
        self._status.report(self._memory, self._observations, unknown=unknown, now_ns=now_ns, candidates=candidates)

    # the next look

    def _plan_next(self, before: Mapping[Signal, Observation]) -> None:
        now, now_ns = self._host.clock.now(), self._host.clock.monotonic_ns()
        free = tuple(threshold for threshold in self._thresholds if not self._is_held(threshold))
        watch = watchfulness(free, self._observations, before, has_alarm=self._alarms.is_armed)
        next_others = now + watch.others_seconds
        self._others_due = min(self._others_due, next_others) if self._others_due > now else next_others
        due = [now + watch.memory_seconds, self._others_due]
        due += [until for until in self._holds.values() if until > now]
        deadline = self._evictor.next_deadline()
        if deadline is not None:
            due.append(deadline)
            if self._evictor.is_waiting_for(Resource.MEMORY) and not self._evictor.has_somebody_to_hurry:
                due = [min(deadline, now + NOBODY_LEFT_SECONDS)]
        change_ns = next_change_ns(self._memory, self._config.transition_ns)
        if change_ns is not None and change_ns > now_ns:
            due.append(now + (change_ns - now_ns) / 1e9)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._host.loop.call_at(min(due), self.look)

    def _levels(self, look: MemoryLook) -> dict[str, tuple[int, ...]]:
        """The usages of each group at which thresholds are crossed, as they are now."""
        levels: dict[str, set[int]] = {}
        for signal, sample, group in (
            (Signal.MEMORY_AVAILABLE, look.node, self._observer.node_group),
            (Signal.ALLOCATABLE_MEMORY_AVAILABLE, look.pods, self._observer.pods_group),
        ):
            if sample is not None:
                inactive = sample.inactive_file_bytes
                found = alarm_levels(self._thresholds, signal, self._observations, inactive_file_bytes=inactive)
                levels.setdefault(group, set()).update(found)
        return {group: tuple(sorted(found)) for group, found in levels.items() if found}


def _outcome(decision: Decision) -> dict[str, Any]:
    return {"ranking": decision.ranking, "evictions": decision.evictions}
