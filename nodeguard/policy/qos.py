"""The QoS class of a pod, and why it is that one.

Source: kubernetes, pkg/apis/core/v1/helper/qos/qos.go; KEP 2837 for pod-level resources.
"""

from __future__ import annotations

from dataclasses import dataclass

from nodeguard.model.pod import Pod, QOSClass, ResourceRequirements
from nodeguard.policy.effective import amount, sum_of, uses_pod_level

_NAMES = ("cpu", "memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class QosVerdict:
    """A pod's class; ``reason`` says in words what decided."""

    qos: QOSClass
    reason: str


def qos_class(pod: Pod) -> QosVerdict:
    """Judge by cpu and memory above zero alone: zero counts as absent, ephemeral containers as not there.

    Pod-level resources in use silence the containers. A class that ``status.qosClass`` carries is never changed.
    """
    if pod.qos_class is not None:
        return QosVerdict(qos=pod.qos_class, reason="status.qosClass is set, and never changes")
    pod_level = uses_pod_level(pod)
    if pod_level and pod.resources is not None:
        holders = [("spec.resources", pod.resources)]
    else:
        holders = [(f"container {c.name}", c.resources) for c in pod.containers + pod.init_containers]

    requests = sum_of(
        {n: r.requests[n] for n in _NAMES if n in r.requests and r.requests[n].nano > 0} for _, r in holders
    )
    limits = sum_of({n: r.limits[n] for n in _NAMES if n in r.limits and r.limits[n].nano > 0} for _, r in holders)
    if not requests and not limits:
        who = "spec.resources has" if pod_level else "no container has"
        what = "no cpu or memory request or limit" if pod_level else "a cpu or memory request or limit"
        return QosVerdict(qos=QOSClass.BEST_EFFORT, reason=f"{who} {what} above zero")

    limited = all(amount(r.limits, name).nano > 0 for _, r in holders for name in _NAMES)
    if limited and requests == limits:
        who = "spec.resources has" if pod_level else "every container has"
        return QosVerdict(qos=QOSClass.GUARANTEED, reason=f"{who} cpu and memory limits, and the requests equal them")
    holder, causes = next((holder, causes) for holder, r in holders if (causes := _causes(r)))
    return QosVerdict(qos=QOSClass.BURSTABLE, reason=f"{holder}: {'; '.join(causes)}")


def _causes(resources: ResourceRequirements) -> list[str]:
    """What keeps one holder of resources from being guaranteed."""
    causes = []
    for name in _NAMES:
        request, limit = amount(resources.requests, name), amount(resources.limits, name)
        if limit.nano <= 0:
            causes.append(f"no {name} limit" + (f" beside the request {request}" if request.nano > 0 else ""))
        elif request.nano <= 0:
            causes.append(f"no {name} request beside the limit {limit}")
        elif request != limit:
            causes.append(f"{name} request {request} differs from limit {limit}")
    return causes
