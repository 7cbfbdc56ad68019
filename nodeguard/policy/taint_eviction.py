"""When a taint with the effect NoExecute removes a pod that runs, and which taints pods bear without saying so.

Source: kubernetes, pkg/controller/tainteviction/taint_eviction.go (processPodOnNode, getMinTolerationTime);
plugin/pkg/admission/defaulttolerationseconds; plugin/pkg/admission/podtolerationrestriction;
pkg/controller/daemon/util/daemonset_util.go (AddOrUpdateDaemonPodTolerations).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from nodeguard.model.placement import NO_EXECUTE, NO_SCHEDULE, Taint, Toleration
from nodeguard.model.pod import Pod, QOSClass
from nodeguard.policy.qos import qos_class
from nodeguard.policy.taint import tolerates

DISRUPTION_REASON = "DeletionByTaintManager"
DEFAULT_TOLERATION_SECONDS = 300

_PREFIX = "node.kubernetes.io/"
_NOT_READY, _UNREACHABLE = f"{_PREFIX}not-ready", f"{_PREFIX}unreachable"
_MEMORY_PRESSURE = Toleration(key=f"{_PREFIX}memory-pressure", operator="Exists", effect=NO_SCHEDULE)


def seconds_until_eviction(taints: Iterable[Taint], tolerations: Iterable[Toleration]) -> float | None:
    """How long a pod may stay beside these taints, counted from when they came; None for ever.

    One that nothing tolerates removes it at once. Otherwise the shortest time among the tolerations that are used, the
    first fitting one of each taint; those without a time do not limit it.
    """
    borne = tuple(tolerations)
    seconds: list[int] = []
    for taint in taints:
        if taint.effect != NO_EXECUTE:
            continue
        used = next((toleration for toleration in borne if tolerates(toleration, taint)), None)
        if used is None:
            return 0.0
        if used.seconds is not None:
            seconds.append(used.seconds)
    return float(max(0, min(seconds))) if seconds else None


def with_default_tolerations(pod: Pod) -> Pod:
    """The pod with what a cluster adds: five minutes beside a node that is not ready, unless it says otherwise itself;
    for a pod that is not BestEffort memory pressure; for a DaemonSet's pod all that its node may come to."""
    added = [*_daemon_tolerations(pod)]
    if qos_class(pod).qos is not QOSClass.BEST_EFFORT:
        added.append(_MEMORY_PRESSURE)
    own = [*pod.tolerations, *(one for one in dict.fromkeys(added) if one not in pod.tolerations)]
    for key in (_NOT_READY, _UNREACHABLE):
        if not any(one.key in (key, "") and one.effect in (NO_EXECUTE, "") for one in own):
            seconds = DEFAULT_TOLERATION_SECONDS
            own.append(Toleration(key=key, operator="Exists", effect=NO_EXECUTE, seconds=seconds))
    return replace(pod, tolerations=tuple(own))


def _daemon_tolerations(pod: Pod) -> Iterator[Toleration]:
    if pod.meta.controller_kind != "DaemonSet":
        return
    for key in (_NOT_READY, _UNREACHABLE):
        yield Toleration(key=key, operator="Exists", effect=NO_EXECUTE)
    names = ["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"]
    if pod.host_network:
        names.append("network-unavailable")
    for name in names:
        yield Toleration(key=_PREFIX + name, operator="Exists", effect=NO_SCHEDULE)
