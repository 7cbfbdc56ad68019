"""Which pods have to go, and what the node is short of: one pass of the eviction manager.

Source: kubernetes, pkg/kubelet/eviction/eviction_manager.go, synchronize; helpers.go. The order among thresholds of
the same urgency, and among pods that are equal in everything, is ours: upstream's is random.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from nodeguard.model.eviction import (
    Because,
    Candidate,
    Decision,
    Eviction,
    EvictionConfig,
    EvictionMemory,
    Observations,
    Snapshot,
    Standing,
)
from nodeguard.model.signal import Pressure
from nodeguard.model.threshold import Threshold
from nodeguard.policy.eviction_message import eviction_message
from nodeguard.policy.eviction_rank import rank, tell_one
from nodeguard.policy.localstorage import find_violation
from nodeguard.policy.reclaim import reclaim_steps
from nodeguard.policy.threshold import by_urgency, in_first_pass, with_containerfs

LOCAL_LIMIT_GRACE_SECONDS = 1


def evaluate(config: EvictionConfig, memory: EvictionMemory, snapshot: Snapshot, now_ns: int) -> Decision:
    """What to do about this snapshot; a node that could not be looked at at all is not for here.

    At most one pod goes because the node is short of something; all pods go that exceed their own limits, and while
    some do, the node's shortage has to wait. Critical pods stay.
    """
    if not config.thresholds and not config.local_storage_isolation:
        return Decision(memory=memory, conditions=memory.conditions)
    choose = with_containerfs if memory.has_run else in_first_pass
    observations = snapshot.observations
    met = _merge(
        _below(choose(config.thresholds, snapshot.layout), observations),
        _below(memory.due, observations, with_min_reclaim=True),
    )
    first_met_ns = {threshold: memory.first_met_ns.get(threshold, now_ns) for threshold in met}
    last_seen_ns = {**memory.last_seen_ns, **{threshold.signal.condition: now_ns for threshold in met}}
    conditions = _recent(last_seen_ns, config.transition_ns, now_ns)
    due = tuple(threshold for threshold in met if now_ns - first_met_ns[threshold] >= threshold.grace_ns)
    urgent = sorted(_fresh(due, observations, memory.observations), key=by_urgency)
    decision = Decision(
        memory=EvictionMemory(
            has_run=True,
            first_met_ns=first_met_ns,
            last_seen_ns=last_seen_ns,
            due=due,
            conditions=conditions,
            observations=observations,
        ),
        conditions=conditions,
        due=due,
    )
    candidates = sorted(snapshot.candidates, key=lambda candidate: candidate.order)
    if config.local_storage_isolation:
        exceeding = tuple(_evict_for_own_limit(candidate, snapshot) for candidate in candidates)
        evictions = tuple(eviction for eviction in exceeding if eviction is not None)
        if evictions:
            return replace(decision, evictions=evictions)
    if not urgent:
        return decision

    threshold = urgent[0]
    ranking = rank(candidates, threshold.signal, snapshot.layout, config.policy)
    victim = next((place for place, standing in enumerate(ranking) if not standing.candidate.facts.critical), None)
    return replace(
        decision,
        acted_on=threshold,
        reclaim=reclaim_steps(threshold.signal, snapshot.layout),
        ranking=ranking,
        evictions=() if victim is None else (_evict(ranking[victim], victim + 1, threshold, config, observations),),
    )


def after_reclaim(config: EvictionConfig, snapshot: Snapshot, decision: Decision, now: Observations) -> Decision:
    """The decision, once its node-level reclaim is done and left these observations.

    Nobody has to go if no threshold is met any more, minimum reclaim included: not one of all that are configured,
    also soft ones whose grace period has not passed.
    """
    thresholds = with_containerfs(config.thresholds, snapshot.layout)
    if not decision.reclaim or _below(thresholds, now, with_min_reclaim=True):
        return decision
    return replace(decision, ranking=(), evictions=())


def grace_seconds(config: EvictionConfig, threshold: Threshold, candidate: Candidate) -> int:
    """How long the victim has: never longer than it has already, and a second at least unless it is killed at once.

    Source: kubernetes, pkg/kubelet/eviction/eviction_manager.go; pkg/kubelet/pod_workers.go,
    calculateEffectiveGracePeriod.
    """
    if threshold.is_hard:
        wanted = config.hard_grace_seconds
    else:
        wanted = min(config.max_pod_grace_seconds, candidate.pod.termination_grace_period_seconds)
    is_killed = (threshold.is_hard and wanted == 0) or candidate.running_grace_seconds == 0
    return 0 if is_killed else _shortest(wanted, candidate)


def _shortest(wanted: int, candidate: Candidate) -> int:
    others = (candidate.running_grace_seconds, candidate.pod.meta.deletion_grace_period_seconds)
    return max(1, min([wanted, *(seconds for seconds in others if seconds is not None)]))


def _below(
    thresholds: Iterable[Threshold], observations: Observations, *, with_min_reclaim: bool = False
) -> tuple[Threshold, ...]:
    """Those whose signal has less available than they demand; equal is enough, unknown is not less."""
    return tuple(t for t in thresholds if _is_below(t, observations, with_min_reclaim))


def _is_below(threshold: Threshold, observations: Observations, with_min_reclaim: bool) -> bool:
    observed = observations.get(threshold.signal)
    if observed is None:
        return False
    limit = threshold.value.of(observed.capacity)
    if with_min_reclaim and threshold.min_reclaim is not None:
        limit += threshold.min_reclaim.of(observed.capacity)
    return limit > threshold.signal.resource.quantity(observed.available)


def _merge(met: Sequence[Threshold], unresolved: Iterable[Threshold]) -> tuple[Threshold, ...]:
    return (*met, *(old for old in unresolved if not any(old.is_same(threshold) for threshold in met)))


def _recent(last_seen_ns: Mapping[Pressure, int], transition_ns: int, now_ns: int) -> tuple[Pressure, ...]:
    return tuple(sorted(seen for seen, at_ns in last_seen_ns.items() if now_ns - at_ns < transition_ns))


def _fresh(due: Iterable[Threshold], observations: Observations, earlier: Observations) -> list[Threshold]:
    """Those about which something was learnt since the last pass: a stale number is not acted on twice."""
    return [threshold for threshold in due if _is_fresh(threshold, observations, earlier)]


def _is_fresh(threshold: Threshold, observations: Observations, earlier: Observations) -> bool:
    now, before = observations[threshold.signal].sampled_at_ns, earlier.get(threshold.signal)
    if now is None or before is None or before.sampled_at_ns is None:
        return True
    return now > before.sampled_at_ns


def _evict(
    victim: Standing, place: int, threshold: Threshold, config: EvictionConfig, observations: Observations
) -> Eviction:
    observed, told = observations[threshold.signal], tell_one(victim, place, threshold.signal, config.policy)
    message = eviction_message(victim.candidate, threshold, observed)
    return Eviction(
        candidate=victim.candidate,
        signal=threshold.signal,
        threshold=threshold,
        grace_seconds=grace_seconds(config, threshold, victim.candidate),
        message=message.text,
        annotations=message.annotations,
        is_disruption=True,
        because=Because(
            limit=threshold.value.of(observed.capacity).value(),
            available=observed.available,
            capacity=observed.capacity,
            usage=told.usage,
            request=told.request,
            exceeds_request=told.exceeds_request,
            priority=told.priority,
            qos_class=told.qos_class,
            why=told.why,
        ),
    )


def _evict_for_own_limit(candidate: Candidate, snapshot: Snapshot) -> Eviction | None:
    """Without statistics nothing is exceeded."""
    facts, usage = candidate.facts, candidate.usage
    violation = find_violation(facts, usage, snapshot.layout) if usage is not None else None
    if violation is None or facts.critical:
        return None
    used = violation.limit.from_int(violation.usage, violation.limit.format)
    return Eviction(
        candidate=candidate,
        signal=violation.kind,
        threshold=None,
        grace_seconds=0 if candidate.running_grace_seconds == 0 else _shortest(LOCAL_LIMIT_GRACE_SECONDS, candidate),
        message=violation.message,
        annotations={},
        is_disruption=False,
        because=Because(
            limit=violation.limit.value(),
            usage=violation.usage,
            priority=facts.priority,
            qos_class=facts.qos_class,
            why=f"{violation.where} uses {used}, its limit is {violation.limit}",
        ),
    )
