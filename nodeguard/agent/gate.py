"""Admission while the node is short of something: who is refused, and what a refused pod looks like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nodeguard.errors import Rejected
from nodeguard.model.instant import rfc3339
from nodeguard.model.pod import Pod
from nodeguard.model.status import Phase
from nodeguard.policy.legacy_disk import OUT_OF_DISK, REFUSAL
from nodeguard.policy.pressure_admission import admit_under_pressure
from nodeguard.policy.qos import qos_class


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A pod that may not come in: its ``status.reason`` and ``status.message``."""

    pod: Pod
    reason: str
    message: str


class RefusedUnderPressure(Rejected):
    """The node's conditions keep pods out; all refusals at once."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        lines = (f"pod {one.pod.meta.key}: {one.reason}: {one.message}".rstrip() for one in refusals)
        super().__init__("\n".join(lines))
        self.refusals = tuple(refusals)


def refuse_under_pressure(pods: Iterable[Pod], conditions: Iterable[str], *, is_out_of_disk: bool = False) -> None:
    """Nothing, if all of these pods (their priority resolved) may come in while these conditions are True.

    ``is_out_of_disk`` is the legacy check, which knows no exception.

    Raises:
        RefusedUnderPressure: some may not.
    """
    held, refusals = tuple(conditions), []
    for pod in pods:
        verdict = admit_under_pressure(pod, held)
        if not verdict.admitted:
            refusals.append(Refusal(pod=pod, reason=verdict.reason, message=verdict.message))
        elif is_out_of_disk:
            refusals.append(Refusal(pod=pod, reason=OUT_OF_DISK, message=REFUSAL))
    if refusals:
        raise RefusedUnderPressure(refusals)


def refused_object(refusal: Refusal, now: float) -> dict[str, Any]:
    """The v1 Pod object of a pod that was refused.

    Source: kubelet, pkg/kubelet/kubelet.go, rejectPod.
    """
    pod = refusal.pod
    metadata = {
        **pod.raw.get("metadata", {}),
        "name": pod.meta.name,
        "namespace": pod.meta.namespace,
        **({"uid": pod.meta.uid} if pod.meta.uid else {}),
    }
    status = {
        "phase": Phase.FAILED.value,
        "qosClass": qos_class(pod).qos.value,
        "reason": refusal.reason,
        "message": refusal.message,
        "startTime": rfc3339(now),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod.raw.get("spec", {}), "status": status}
