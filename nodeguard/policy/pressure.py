"""Pressure as conditions and taints of the node.

Source: kubelet, pkg/kubelet/nodestatus/setters.go (MemoryPressureCondition and its siblings); kubernetes,
pkg/controller/nodelifecycle/node_lifecycle_controller.go (nodeConditionToTaintKeyStatusMap). The reason for Unknown is
ours: the kubelet has no such state.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from nodeguard.model.placement import NO_SCHEDULE, Taint
from nodeguard.model.signal import Pressure


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureCondition:
    """One of the node's conditions; instants are UNIX seconds.

    Reason, message and transition change with the status alone, the heartbeat with every report.
    """

    type: Pressure
    status: str
    reason: str
    message: str
    last_heartbeat_at: float
    last_transition_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionChange:
    """The conditions to report, and the reasons of the node's events that tell of changes."""

    conditions: tuple[PressureCondition, ...]
    events: tuple[str, ...]


_TEXTS = {
    (Pressure.MEMORY, "True"): ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    (Pressure.MEMORY, "False"): ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    (Pressure.DISK, "True"): ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    (Pressure.DISK, "False"): ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    (Pressure.PID, "True"): ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    (Pressure.PID, "False"): ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}
_UNKNOWN = ("SignalUnknown", "nothing is known about this resource")
_TAINTS = {
    Pressure.MEMORY: Taint(key="node.kubernetes.io/memory-pressure", effect=NO_SCHEDULE),
    Pressure.DISK: Taint(key="node.kubernetes.io/disk-pressure", effect=NO_SCHEDULE),
    Pressure.PID: Taint(key="node.kubernetes.io/pid-pressure", effect=NO_SCHEDULE),
}


def report(
    seen: Collection[Pressure],
    unknown: Collection[Pressure],
    before: Collection[PressureCondition],
    now: float,
) -> ConditionChange:
    """The three conditions at ``now``: True if seen, Unknown if nothing could be measured, else False.

    A condition that was not reported before starts from Unknown, so that its first report is a transition.
    """
    known = {condition.type: condition for condition in before}
    conditions: list[PressureCondition] = []
    events: list[str] = []
    for pressure in Pressure:
        status = "True" if pressure in seen else "Unknown" if pressure in unknown else "False"
        old = known.get(pressure)
        if old is not None and old.status == status:
            conditions.append(replace(old, last_heartbeat_at=now))
            continue
        reason, message = _TEXTS.get((pressure, status), _UNKNOWN)
        conditions.append(
            PressureCondition(
                type=pressure,
                status=status,
                reason=reason,
                message=message,
                last_heartbeat_at=now,
                last_transition_at=now,
            )
        )
        if status != "Unknown":
            events.append(reason.replace("Kubelet", "Node", 1))
    return ConditionChange(conditions=tuple(conditions), events=tuple(events))


def pressure_taints(seen: Collection[Pressure]) -> tuple[Taint, ...]:
    """What keeps new pods away meanwhile; running ones are not removed by it."""
    return tuple(_TAINTS[pressure] for pressure in Pressure if pressure in seen)
