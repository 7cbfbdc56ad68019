"""Which pods the kubelet lets in while the node is short of something.

Source: kubelet, pkg/kubelet/eviction/eviction_manager.go, Admit; helpers.go (reason and message).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nodeguard.model.placement import NO_SCHEDULE, Taint
from nodeguard.model.pod import Pod, QOSClass
from nodeguard.policy.priority import is_critical
from nodeguard.policy.qos import qos_class
from nodeguard.policy.taint import is_tolerated

MEMORY_PRESSURE = "MemoryPressure"
PRESSURE_CONDITIONS = frozenset({MEMORY_PRESSURE, "DiskPressure", "PIDPressure"})
EVICTED = "Evicted"
_MEMORY_TAINT = Taint(key="node.kubernetes.io/memory-pressure", effect=NO_SCHEDULE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureVerdict:
    """Whether the pod may come in, and if not, its ``status.reason`` and message."""

    admitted: bool
    reason: str = ""
    message: str = ""


ADMITTED = PressureVerdict(admitted=True)


def admit_under_pressure(pod: Pod, conditions: Iterable[str]) -> PressureVerdict:
    """Judge by the conditions that are True now; those that are no pressure, such as ``Ready``, do not matter.

    Memory pressure alone keeps out only BestEffort pods that do not tolerate it, any other pressure all pods but
    critical ones.
    """
    pressures = PRESSURE_CONDITIONS.intersection(conditions)
    if not pressures or is_critical(pod):
        return ADMITTED
    if pressures == {MEMORY_PRESSURE} and (
        qos_class(pod).qos is not QOSClass.BEST_EFFORT or is_tolerated(_MEMORY_TAINT, pod.tolerations)
    ):
        return ADMITTED
    message = f"The node had condition: [{' '.join(sorted(pressures))}]. "
    return PressureVerdict(admitted=False, reason=EVICTED, message=message)
