"""Everything nodeguard decides about a pod's resources, with its reasons: what ``nodeguard explain -o json`` prints."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nodeguard.model.meta import PodUid
from nodeguard.model.node import CgroupLimits, NodeCapacity
from nodeguard.model.pod import ContainerKind, Pod, QOSClass
from nodeguard.policy.capacity import NOTHING_RESERVED, Reservations
from nodeguard.policy.control import described_files
from nodeguard.policy.effective import effective_limits, effective_requests
from nodeguard.policy.formula import Reasons, container_reasons, oom_reason, pod_reasons
from nodeguard.policy.limits import container_limits, pod_limits
from nodeguard.policy.oom import oom_score_adj
from nodeguard.policy.priority import is_critical
from nodeguard.policy.qos import qos_class
from nodeguard.policy.setting import ResourceSettings

ROOT = "<root>"
"""Stands for the root cgroup, wherever it is."""
_SLICE = "nodeguard"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodReference:
    """Which pod; ``uid`` is the manifest's, else one made of namespace and name."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """Requests and limits of the pod as a whole, as quantities in canonical form."""

    requests: Mapping[str, str]
    limits: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileExplanation:
    """One value of one control file; files with the same ``subject`` are twins of the two cgroup versions."""

    version: Literal[1, 2]
    file: str
    value: str
    formula: str
    from_: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupExplanation:
    """One cgroup: integers in the unit the name says, null where nothing is written at this level."""

    level: Literal["pod", "container"]
    container: str | None
    path: str
    cpu_shares: int | None
    cpu_weight: int | None
    cpu_quota_us: int | None
    cpu_period_us: int | None
    memory_max: int | None
    memory_min: int | None
    memory_low: int | None
    memory_high: int | None
    pids_max: int | None
    swap_max: int | None
    memory_oom_group: bool | None
    hugepages: Mapping[str, int]
    files: tuple[FileExplanation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerExplanation(CgroupExplanation):
    """The cgroup of a container, with what older runtimes would weigh it, and how the kernel ranks its processes."""

    container_kind: ContainerKind
    cpu_weight_linear: int | None
    oom_score_adj: int
    oom_score_adj_formula: str
    oom_score_adj_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One pod: its class, its cgroups from the outside in, and what of its manifest has no effect."""

    pod: PodReference
    qos_class: QOSClass
    qos_reason: str
    effective: Effective
    critical: bool
    priority: int
    cgroups: tuple[CgroupExplanation | ContainerExplanation, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationList:
    """The answer of ``nodeguard explain FILE… -o json``, one item per pod in the order of the input."""

    api_version: Literal["nodeguard.dev/v1alpha1"] = "nodeguard.dev/v1alpha1"
    kind: Literal["ExplanationList"] = "ExplanationList"
    items: tuple[Explanation, ...]


def explain_pod(
    pod: Pod,
    node: NodeCapacity,
    settings: ResourceSettings,
    *,
    reserved: Reservations = NOTHING_RESERVED,
    warnings: Iterable[str] = (),
) -> Explanation:
    """Explain one pod on a node with these resources and settings."""
    verdict = qos_class(pod)
    uid = pod.meta.uid or make_uid(pod)
    paths = _Paths(verdict.qos, uid, settings.systemd)
    values = pod_limits(pod, verdict.qos, node, settings)
    cgroups: list[CgroupExplanation | ContainerExplanation] = [
        CgroupExplanation(
            level="pod",
            container=None,
            path=paths.pod,
            hugepages=values.hugepages,
            files=_files(values, pod_reasons(pod, verdict.qos, values, settings)),
            **_numbers(values),
        )
    ]
    for container in (*pod.all_containers, *pod.ephemeral_containers):
        values = container_limits(pod, verdict.qos, container, node, settings, reserved)
        reasons = container_reasons(pod, verdict.qos, container, values, node, settings, reserved)
        score = oom_score_adj(pod, container, node.memory_bytes)
        why = oom_reason(pod, verdict.qos, container, node.memory_bytes, score)
        cgroups.append(
            ContainerExplanation(
                level="container",
                container=container.name,
                path=paths.container(container.name),
                hugepages=values.hugepages,
                files=_files(values, reasons),
                container_kind=container.kind,
                cpu_weight_linear=values.cpu_weight_linear,
                oom_score_adj=score,
                oom_score_adj_formula=why.formula,
                oom_score_adj_from=why.origin,
                **_numbers(values),
            )
        )
    return Explanation(
        pod=PodReference(namespace=pod.meta.namespace, name=pod.meta.name, uid=uid),
        qos_class=verdict.qos,
        qos_reason=verdict.reason,
        effective=Effective(
            requests={name: str(quantity) for name, quantity in effective_requests(pod).items()},
            limits={name: str(quantity) for name, quantity in effective_limits(pod).items()},
        ),
        critical=is_critical(pod),
        priority=pod.priority or 0,
        cgroups=tuple(cgroups),
        warnings=tuple(warnings),
    )


def make_uid(pod: Pod) -> PodUid:
    """A uid for a pod whose manifest has none: the same for the same namespace and name, on every machine."""
    return PodUid(str(uuid.uuid5(uuid.NAMESPACE_DNS, pod.meta.key)))


class _Paths:
    """Names of a pod's cgroups; systemd repeats all ancestors in each name, and a dash would end a component."""

    def __init__(self, qos: QOSClass, uid: str, systemd: bool) -> None:
        self._systemd = systemd
        if systemd:
            tier = f"{_SLICE}-{qos.tier}"
            self.pod = f"{ROOT}/{tier}.slice/{tier}-pod{uid.replace('-', '_')}.slice"
        else:
            self.pod = f"{ROOT}/{qos.tier}/pod{uid}"

    def container(self, name: str) -> str:
        return f"{self.pod}/{_SLICE}-{name}.scope" if self._systemd else f"{self.pod}/{name}"


_NUMBERS = (
    *("cpu_shares", "cpu_weight", "cpu_quota_us", "cpu_period_us", "memory_max", "memory_min", "memory_low"),
    *("memory_high", "pids_max", "swap_max", "memory_oom_group"),
)


def _numbers(values: CgroupLimits) -> dict[str, Any]:
    return {name: getattr(values, name) for name in _NUMBERS}


def _files(values: CgroupLimits, reasons: Reasons) -> tuple[FileExplanation, ...]:
    """Each v2 file, followed by its v1 twins."""
    versions: tuple[Literal[1, 2], ...] = (2, 1)
    described = [(version, *row) for version in versions for row in described_files(values, version)]
    order = list(dict.fromkeys(subject for _, subject, _ in described))
    described.sort(key=lambda row: order.index(row[1]))
    return tuple(
        FileExplanation(
            version=version,
            file=file.file,
            value=file.value,
            formula=reasons[file.file].formula,
            from_=reasons[file.file].origin,
            subject=subject,
        )
        for version, subject, file in described
    )
