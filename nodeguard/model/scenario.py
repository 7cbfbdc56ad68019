"""A scenario for ``simulate``: a described node, its pods, and what is seen of them step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeguard.model.eviction import Layout, Observations, VictimPolicy
from nodeguard.model.placement import Budget, Taint
from nodeguard.model.pod import Pod, PriorityClass, ResourceList
from nodeguard.model.signal import Pressure
from nodeguard.model.stats import PodUsage
from nodeguard.model.threshold import ThresholdValue

DEFAULT_TRANSITION_NS = 300 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioConfig:
    """``spec.config``; the thresholds are exactly those given unless ``merge_defaults``."""

    hard: Mapping[str, ThresholdValue | None] = field(default_factory=dict)
    soft: Mapping[str, ThresholdValue | None] = field(default_factory=dict)
    grace_ns: Mapping[str, int] = field(default_factory=dict)
    min_reclaim: Mapping[str, ThresholdValue] = field(default_factory=dict)
    merge_defaults: bool = False
    transition_ns: int = DEFAULT_TRANSITION_NS
    max_pod_grace_seconds: int = 0
    hard_grace_seconds: int = 0
    enforce: tuple[str, ...] = ("pods",)
    kube_reserved: ResourceList = field(default_factory=dict)
    system_reserved: ResourceList = field(default_factory=dict)
    local_storage_isolation: bool = True
    policy: VictimPolicy = VictimPolicy.KUBELET


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioNode:
    """``spec.node``; ``allocatable`` None: what follows from capacity and reservations."""

    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    capacity: ResourceList = field(default_factory=dict)
    allocatable: ResourceList | None = None
    conditions: tuple[Pressure, ...] = ()
    supplemental_groups_policy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstMet:
    """A threshold, written as in results, that has been met since ``at_ns``; ``is_due``: for its grace period."""

    threshold: str
    at_ns: int
    is_due: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioMemory:
    """``spec.memory``: what passes before the first step have left; instants lie before it."""

    first_met: tuple[FirstMet, ...] = ()
    last_seen_ns: Mapping[Pressure, int] = field(default_factory=dict)
    observations: Observations = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """A pod that is being stopped before the first step; ``uid`` is empty when only the name is known."""

    key: str
    uid: str
    grace_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One pass and what comes with it; ``at`` is in seconds as written, names of pods are ``namespace/name``.

    ``observations_after_reclaim`` None: a reclaim changes nothing.
    """

    at: int | float
    at_ns: int
    observations: Observations = field(default_factory=dict)
    observations_after_reclaim: Observations | None = None
    stats: tuple[PodUsage, ...] = ()
    forgotten: tuple[str, ...] = ()
    replaced: tuple[Pod, ...] = ()
    gone: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    submitted: tuple[Pod, ...] = ()
    mode: str = "scheduler"
    judged_under_pressure: tuple[Pod, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A whole story; ``pods`` are in the order in which they started. Without ``memory`` no pass came before."""

    name: str = ""
    config: ScenarioConfig = ScenarioConfig()
    layout: Layout = field(default_factory=Layout)
    node: ScenarioNode = ScenarioNode()
    priority_classes: tuple[PriorityClass, ...] = ()
    budgets: tuple[Budget, ...] = ()
    pods: tuple[Pod, ...] = ()
    memory: ScenarioMemory | None = None
    stopping: tuple[Stopping, ...] = ()
    steps: tuple[Step, ...] = ()
