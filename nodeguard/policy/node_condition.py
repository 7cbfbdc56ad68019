"""The node's conditions: what each says, when it changes, and which taints follow.

Source: kubelet, pkg/kubelet/nodestatus/setters.go (ReadyCondition, MemoryPressureCondition and its siblings);
kubernetes, pkg/controller/nodelifecycle/node_lifecycle_controller.go (nodeConditionToTaintKeyStatusMap, what becomes
of a node that is silent). The reason for a pressure that is Unknown is ours: the kubelet has no such state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from nodeguard.model.node import NodeCondition
from nodeguard.model.placement import NO_EXECUTE, NO_SCHEDULE, Taint
from nodeguard.model.signal import Pressure

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"
READY = "Ready"
GRACE_SECONDS = 50.0
"""A node that has been silent for longer than this is not believed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a condition is now. ``event`` is the reason of the node's event when the status changes, "" for none.

    ``is_live``: reason and message are those of every report, not only of the one that changed the status.
    """

    type: str
    status: str
    reason: str
    message: str
    event: str = ""
    is_live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent:
    """An event about the node itself; ``type`` is ``Normal`` or ``Warning``."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionChange:
    """The conditions to report, and the reasons of the node's events that tell of changes."""

    conditions: tuple[NodeCondition, ...]
    events: tuple[str, ...]


def report(verdicts: Iterable[Verdict], before: Collection[NodeCondition], now: float) -> ConditionChange:
    """The conditions at ``now``: the heartbeat is new, transition, reason and message change with the status.

    A condition that was not reported before starts from Unknown, so that its first report is a transition.
    """
    known = {condition.type: condition for condition in before}
    conditions: list[NodeCondition] = []
    events: list[str] = []
    for verdict in verdicts:
        old = known.get(verdict.type)
        if old is not None and old.status == verdict.status:
            same = replace(old, last_heartbeat_at=now)
            conditions.append(
                replace(same, reason=verdict.reason, message=verdict.message) if verdict.is_live else same
            )
            continue
        conditions.append(
            NodeCondition(
                type=verdict.type,
                status=verdict.status,
                reason=verdict.reason,
                message=verdict.message,
                last_heartbeat_at=now,
                last_transition_at=now,
            )
        )
        if verdict.event:
            events.append(verdict.event)
    return ConditionChange(conditions=tuple(conditions), events=tuple(events))


_TEXTS = {
    (Pressure.MEMORY, TRUE): ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    (Pressure.MEMORY, FALSE): ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    (Pressure.DISK, TRUE): ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    (Pressure.DISK, FALSE): ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    (Pressure.PID, TRUE): ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    (Pressure.PID, FALSE): ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}
_SIGNAL_UNKNOWN = ("SignalUnknown", "kubelet cannot tell")


def pressure_verdicts(
    seen: Collection[Pressure], unknown: Collection[Pressure] = (), details: Mapping[Pressure, str] | None = None
) -> tuple[Verdict, ...]:
    """MemoryPressure, DiskPressure, PIDPressure: True if seen, Unknown if a signal cannot be read, else False.

    A signal that cannot be read never makes a condition True; neither does it end one that has been seen just now.
    ``details`` is what the message of a condition that is not False ends with: numbers, or what cannot be read.
    """
    verdicts = []
    for pressure in Pressure:
        status = TRUE if pressure in seen else UNKNOWN if pressure in unknown else FALSE
        reason, message = _TEXTS.get((pressure, status), _SIGNAL_UNKNOWN)
        event = "" if status == UNKNOWN else reason.replace("Kubelet", "Node", 1)
        detail = (details or {}).get(pressure, "") if status != FALSE else ""
        verdicts.append(
            Verdict(
                type=pressure,
                status=status,
                reason=reason,
                message=f"{message}: {detail}" if detail else message,
                event=event,
            )
        )
    return tuple(verdicts)


def ready_verdict(faults: Sequence[str] = ()) -> Verdict:
    """Ready, unless something keeps the agent from looking after pods; the message is always the latest."""
    if faults:
        message = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
        return Verdict(
            type=READY, status=FALSE, reason="KubeletNotReady", message=message, event="NodeNotReady", is_live=True
        )
    message = "kubelet is posting ready status"
    return Verdict(type=READY, status=TRUE, reason="KubeletReady", message=message, event="NodeReady", is_live=True)


def told_of(name: str, reasons: Iterable[str]) -> tuple[NodeEvent, ...]:
    """The node's events about changes of its conditions, in the kubelet's words."""
    return tuple(
        NodeEvent(type="Normal", reason=reason, message=f"Node {name} status is now: {reason}") for reason in reasons
    )


def silenced(conditions: Iterable[NodeCondition], *, heard_at: float | None, now: float) -> tuple[NodeCondition, ...]:
    """The conditions as they are to be read at ``now``: all Unknown if the agent has been silent for too long.

    ``heard_at`` is when it last gave a sign of life, None if it never did. What it said stays the heartbeat.
    """
    if heard_at is not None and now - heard_at <= GRACE_SECONDS:
        return tuple(conditions)
    if heard_at is None:
        reason, message = "NodeStatusNeverUpdated", "Kubelet never posted node status."
    else:
        reason, message = "NodeStatusUnknown", "Kubelet stopped posting node status."
    return tuple(
        condition
        if condition.status == UNKNOWN
        else replace(condition, status=UNKNOWN, reason=reason, message=message, last_transition_at=now)
        for condition in conditions
    )


_PREFIX = "node.kubernetes.io/"
_PRESSURE_KEYS = {
    Pressure.MEMORY.value: "memory-pressure",
    Pressure.DISK.value: "disk-pressure",
    Pressure.PID.value: "pid-pressure",
    "NetworkUnavailable": "network-unavailable",
}
_READY_KEYS = {FALSE: "not-ready", UNKNOWN: "unreachable"}


def condition_taints(conditions: Iterable[NodeCondition], *, unschedulable: bool = False) -> tuple[Taint, ...]:
    """What follows from conditions for pods: pressure keeps new ones away, a node that is not ready also sends off
    those that run."""
    taints: list[Taint] = []
    for condition in conditions:
        if condition.type == READY and condition.status in _READY_KEYS:
            key = _PREFIX + _READY_KEYS[condition.status]
            taints += [Taint(key=key, effect=effect) for effect in (NO_SCHEDULE, NO_EXECUTE)]
        elif condition.status == TRUE and condition.type in _PRESSURE_KEYS:
            taints.append(Taint(key=_PREFIX + _PRESSURE_KEYS[condition.type], effect=NO_SCHEDULE))
    if unschedulable:
        taints.append(Taint(key=_PREFIX + "unschedulable", effect=NO_SCHEDULE))
    return tuple(taints)


_SERIOUSNESS = {TRUE: 0, FALSE: 1, UNKNOWN: 2}


def merged(reports: Iterable[Iterable[NodeCondition]]) -> tuple[NodeCondition, ...]:
    """One set of conditions from several agents on the same host: any that says True is believed, then False.

    Of those that agree, the first to have changed tells since when; the heartbeat is the latest.
    """
    by_type: dict[str, list[NodeCondition]] = {}
    for conditions in reports:
        for condition in conditions:
            by_type.setdefault(condition.type, []).append(condition)
    return tuple(
        replace(
            min(same, key=lambda one: (_SERIOUSNESS.get(one.status, 2), one.last_transition_at)),
            last_heartbeat_at=max(one.last_heartbeat_at for one in same),
        )
        for same in by_type.values()
    )
