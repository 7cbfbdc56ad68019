"""Records of decisions, from what was at hand when they were taken.

Nothing here is needed to act: records are built after the kill, in a thread that may take its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nodeguard.model.decision import (
    Action,
    DecidedPod,
    DecisionRecord,
    DecisionType,
    Level,
    LimitHit,
    Observed,
    Outcome,
    Pass,
    Progress,
    Timings,
)
from nodeguard.model.eviction import EVICTED, Eviction, Observation, PodFacts, Ranked
from nodeguard.model.instant import parse_rfc3339, rfc3339_micro
from nodeguard.model.pod import Pod, QOSClass
from nodeguard.model.quantity import BINARY_SI, Quantity
from nodeguard.policy.eviction_rank import tell
from nodeguard.policy.replay import scenario_document

MEMORY_LIMIT = "memory.max"
PIDS_LIMIT = "pids.max"
PIDS_REASON = "PidsLimitReached"


def eviction_record(
    looked: Pass,
    eviction: Eviction,
    *,
    id_: str,
    node_name: str,
    at: float,
    crossed_at: float | None = None,
    action: Action = Action.EVICT,
) -> DecisionRecord:
    """The record of one eviction of this pass; ``at`` is the wall-clock time of ``looked.now_ns``."""
    threshold, because = eviction.threshold, eviction.because
    facts = eviction.candidate.facts
    if threshold is None:
        kind = DecisionType.LIMIT_EXCEEDED
        observed = Observed(usage=because.usage, limit=because.limit)
        limit = f"{eviction.signal}>{Quantity.from_int(because.limit, BINARY_SI)}"
        candidates: tuple[Ranked, ...] = (_own_limit(eviction),)
    else:
        kind, limit = DecisionType.EVICTION, str(threshold)
        observed = _observed(looked.snapshot.observations[threshold.signal], looked.now_ns, because.limit)
        candidates = tell(looked.decision.ranking, threshold.signal, looked.config.policy)
    return DecisionRecord(
        id=id_,
        type=kind,
        action=action,
        at=rfc3339_micro(at),
        node=node_name,
        pod=_decided(facts),
        signal=str(eviction.signal),
        threshold=limit,
        observed=observed,
        policy=looked.config.policy,
        candidates=candidates,
        grace_period_seconds=eviction.grace_seconds,
        timings=Timings(crossed_at=_instant(crossed_at), decided_at=rfc3339_micro(at)),
        outcome=Outcome.PENDING if action is Action.EVICT else None,
        reason=EVICTED,
        message=eviction.message,
        why=because.why,
        conditions=tuple(map(str, looked.decision.conditions)),
        reclaim=tuple(map(str, looked.decision.reclaim)),
        scenario=scenario_document(looked, name=f"{facts.pod.meta.name}-{id_}"),
    )


def oom_record(
    facts: PodFacts,
    *,
    id_: str,
    node_name: str,
    at: float,
    level: Level,
    cgroup: str,
    limit_bytes: int | None,
    usage_bytes: int | None = None,
    container: str | None = None,
    kills: int = 1,
    outcome: Outcome = Outcome.GONE,
) -> DecisionRecord:
    """The kernel killed ``kills`` processes of the pod, because ``cgroup`` reached its memory limit.

    ``limit_bytes`` None: the limit is the host itself. ``usage_bytes`` is the most that was used, where that is known.
    """
    limit = "of the host" if limit_bytes is None else str(Quantity.from_int(limit_bytes, BINARY_SI))
    whose = f"container {container}" if container is not None else f"pod {facts.pod.meta.name}"
    of = {Level.CONTAINER: "its own", Level.POD: "the pod's", Level.TIER: f"the {facts.qos_class} tier's"}
    owner = of.get(level, "all pods'" if level is Level.ROOT else "the host's")
    why = f"{whose} needed more memory than {owner} limit"
    return DecisionRecord(
        id=id_,
        type=DecisionType.OOM_KILL,
        at=rfc3339_micro(at),
        node=node_name,
        pod=_decided(facts),
        signal=MEMORY_LIMIT,
        threshold=f"{MEMORY_LIMIT}={limit}/{level}" if limit_bytes is not None else None,
        observed=Observed(usage=usage_bytes, limit=limit_bytes),
        candidates=(_only(facts, usage_bytes, facts.memory_request.value(), why),),
        grace_period_seconds=0,
        timings=Timings(killed_at=rfc3339_micro(at)),
        outcome=outcome,
        reason="OOMKilled",
        message=f"{why} ({limit}): the kernel killed {_processes(kills)}",
        why=why,
        limit_hit=LimitHit(level=level, container=container, cgroup=cgroup, kills=kills),
    )


def limit_record(
    facts: PodFacts,
    *,
    id_: str,
    node_name: str,
    at: float,
    level: Level,
    cgroup: str,
    limit: int,
    usage: int | None = None,
    container: str | None = None,
    refused: int = 1,
) -> DecisionRecord:
    """The kernel refused the pod ``refused`` new processes, because ``cgroup`` reached its limit of them."""
    where = f"container {container}" if container is not None else f"pod {facts.pod.meta.name}"
    why = f"{where} may have {limit} processes and threads"
    return DecisionRecord(
        id=id_,
        type=DecisionType.LIMIT_EXCEEDED,
        at=rfc3339_micro(at),
        node=node_name,
        pod=_decided(facts),
        signal=PIDS_LIMIT,
        threshold=f"{PIDS_LIMIT}={limit}/{level}",
        observed=Observed(usage=usage, limit=limit),
        candidates=(_only(facts, usage, 0, why),),
        reason=PIDS_REASON,
        message=f"{why}: the kernel refused {_processes(refused)}",
        why=why,
        limit_hit=LimitHit(level=level, container=container, cgroup=cgroup, kills=0),
    )


def rejection_record(
    pod: Pod,
    *,
    id_: str,
    node_name: str,
    at: float,
    qos_class: QOSClass,
    reason: str,
    message: str,
    reasons: Sequence[str] = (),
    conditions: Sequence[str] = (),
) -> DecisionRecord:
    """The pod was not let in; ``reasons`` are all of them, where several are known."""
    return DecisionRecord(
        id=id_,
        type=DecisionType.REJECTED,
        at=rfc3339_micro(at),
        node=node_name,
        pod=DecidedPod(
            namespace=pod.meta.namespace,
            name=pod.meta.name,
            uid=pod.meta.uid,
            qos_class=qos_class,
            priority=pod.priority or 0,
        ),
        timings=Timings(decided_at=rfc3339_micro(at)),
        reason=reason,
        message=message,
        reasons=tuple(reasons) or (message.strip(),),
        conditions=tuple(conditions),
    )


def progressed(record: DecisionRecord, progress: Progress) -> DecisionRecord:
    """The record with what has become known since."""
    old = record.timings
    killed_at = _instant(progress.killed_at) or old.killed_at
    return replace(
        record,
        timings=replace(
            old,
            term_at=_instant(progress.term_at) or old.term_at,
            killed_at=killed_at,
            gone_at=_instant(progress.gone_at) or old.gone_at,
            crossing_to_kill_ms=_milliseconds(old.crossed_at, killed_at),
        ),
        freed_bytes=record.freed_bytes if progress.freed_bytes is None else progress.freed_bytes,
        outcome=progress.outcome or record.outcome,
        note=record.note if progress.note is None else progress.note,
    )


def _milliseconds(start: str | None, end: str | None) -> float | None:
    started, ended = parse_rfc3339(start or ""), parse_rfc3339(end or "")
    return None if started is None or ended is None else round((ended - started) * 1000, 3)


def _instant(at: float | None) -> str | None:
    return None if at is None else rfc3339_micro(at)


def _decided(facts: PodFacts) -> DecidedPod:
    meta = facts.pod.meta
    return DecidedPod(
        namespace=meta.namespace, name=meta.name, uid=meta.uid, qos_class=facts.qos_class, priority=facts.priority
    )


def _observed(observation: Observation, now_ns: int, limit: int) -> Observed:
    """A sample without a time was taken for this very pass."""
    sampled_at_ns = now_ns if observation.sampled_at_ns is None else observation.sampled_at_ns
    return Observed(
        available=observation.available,
        capacity=observation.capacity,
        sample_age_seconds=(now_ns - sampled_at_ns) / 1e9,
        limit=limit,
    )


def _own_limit(eviction: Eviction) -> Ranked:
    facts, because = eviction.candidate.facts, eviction.because
    return _only(facts, because.usage, facts.storage_request.value(), because.why)


def _only(facts: PodFacts, usage: int | None, request: int, why: str) -> Ranked:
    """The one candidate of a limit of its own."""
    return Ranked(
        pod=facts.pod.meta.key,
        rank=1,
        critical=facts.critical,
        qos_class=facts.qos_class,
        priority=facts.priority,
        exceeds_request=None if usage is None else usage > request,
        usage=usage,
        request=request,
        why=why,
    )


def _processes(count: int) -> str:
    return "a process" if count == 1 else f"{count} processes"
