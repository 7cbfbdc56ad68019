"""A scenario played through: the agent's own decisions, on a virtual clock.

Every step is one pass of the eviction manager, then admissions in order. Whoever is admitted runs from then on, and
whoever was preempted for it is gone; an evicted pod is there until the scenario says that it has left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from nodeguard.model.document import Path
from nodeguard.model.eviction import (
    EVICTED,
    Because,
    Candidate,
    Decision,
    Eviction,
    EvictionConfig,
    EvictionMemory,
    Ranked,
    Snapshot,
    VictimPolicy,
)
from nodeguard.model.node import NodeView
from nodeguard.model.pod import Pod
from nodeguard.model.quantity import Quantity
from nodeguard.model.scenario import Scenario, Step
from nodeguard.model.stats import PodUsage
from nodeguard.model.threshold import DEFAULT_HARD, Threshold
from nodeguard.policy.admission import Mode, admit
from nodeguard.policy.capacity import Reservations, allocatable_of
from nodeguard.policy.eviction import after_reclaim, evaluate
from nodeguard.policy.eviction_facts import facts_of
from nodeguard.policy.eviction_rank import tell
from nodeguard.policy.pressure_admission import admit_under_pressure
from nodeguard.policy.priority import resolve
from nodeguard.policy.threshold import held_back, thresholds_of, with_containerfs

_DEFAULT_PODS = Quantity.from_int(110)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictedPod:
    """One pod that has to go, with ``status.message`` and the numbers behind the decision."""

    pod: str
    signal: str
    threshold: str | None
    grace_period_seconds: int
    reason: str
    message: str
    because: Because


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedPod:
    """The verdict on a pod that asked to run, and who had to go for it."""

    pod: str
    admitted: bool
    reason: str
    message: str
    preempted: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureJudgement:
    """The verdict of the pressure admission alone."""

    pod: str
    admitted: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What one pass came to; ``candidates`` are the pods of ``ranking`` with the numbers that put them there."""

    at: int | float
    thresholds_met: tuple[str, ...]
    node_conditions: tuple[str, ...]
    signal: str | None
    resource: str | None
    reclaim: tuple[str, ...]
    ranking: tuple[str, ...]
    candidates: tuple[Ranked, ...]
    evicted: tuple[EvictedPod, ...]
    submitted: tuple[SubmittedPod, ...]
    pressure_admission: tuple[PressureJudgement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult:
    """The answer of ``nodeguard simulate FILE… -o json``, one item of ``steps`` per step of the scenario."""

    api_version: Literal["nodeguard.dev/v1alpha1"] = "nodeguard.dev/v1alpha1"
    kind: Literal["SimulationResult"] = "SimulationResult"
    name: str
    policy: VictimPolicy
    steps: tuple[StepResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResultList:
    """Several answers: of several scenarios, or of one scenario under several policies."""

    api_version: Literal["nodeguard.dev/v1alpha1"] = "nodeguard.dev/v1alpha1"
    kind: Literal["SimulationResultList"] = "SimulationResultList"
    items: tuple[SimulationResult, ...]


def simulate(scenario: Scenario, policy: VictimPolicy | None = None) -> SimulationResult:
    """Play the scenario, with ``policy`` in place of its own."""
    config = eviction_config(scenario)
    if policy is not None:
        config = replace(config, policy=policy)
    world = _World(scenario)
    memory = _first_memory(scenario, config)
    steps: list[StepResult] = []
    for step in scenario.steps:
        world.apply(step)
        snapshot = Snapshot(
            observations=step.observations, candidates=tuple(world.candidates()), layout=scenario.layout
        )
        decision = evaluate(config, memory, snapshot, step.at_ns)
        memory = decision.memory
        after = step.observations if step.observations_after_reclaim is None else step.observations_after_reclaim
        decision = after_reclaim(config, snapshot, decision, after)
        world.stop(decision.evictions)
        steps.append(_result(step, decision, world, config.policy))
    return SimulationResult(name=scenario.name, policy=config.policy, steps=tuple(steps))


def eviction_config(scenario: Scenario) -> EvictionConfig:
    """The settings in force."""
    config = scenario.config
    return EvictionConfig(
        thresholds=thresholds_of(
            hard={**DEFAULT_HARD, **config.hard} if config.merge_defaults else config.hard,
            soft=config.soft,
            grace_ns=config.grace_ns,
            min_reclaim=config.min_reclaim,
            enforce=config.enforce,
        ),
        transition_ns=config.transition_ns,
        max_pod_grace_seconds=config.max_pod_grace_seconds,
        hard_grace_seconds=config.hard_grace_seconds,
        local_storage_isolation=config.local_storage_isolation,
        policy=config.policy,
    )


def faults(scenario: Scenario) -> Iterator[tuple[Path, str]]:
    """What is wrong with a scenario whose every field is well formed: the place, and the message."""
    yield from _class_faults(scenario)
    if scenario.memory is not None:
        known = [str(threshold) for threshold in _all_thresholds(eviction_config(scenario), scenario)]
        for position, met in enumerate(scenario.memory.first_met):
            if met.threshold not in known:
                there_are = f"; there are {', '.join(known)}" if known else ""
                message = f"no threshold {met.threshold!r} in spec.config{there_are}"
                yield ("spec", "memory", "firstMet", position, "threshold"), message


def _class_faults(scenario: Scenario) -> Iterator[tuple[Path, str]]:
    """Pods whose priority nobody tells: where they name their class, and what is wrong with it."""
    lists: list[tuple[Path, tuple[Pod, ...]]] = [(("spec", "pods"), scenario.pods)]
    for number, step in enumerate(scenario.steps):
        place: Path = ("spec", "steps", number)
        lists += [((*place, "replacePods"), step.replaced), ((*place, "submit"), step.submitted)]
        lists += [((*place, "admitUnderPressure"), step.judged_under_pressure)]
    for path, pods in lists:
        for position, pod in enumerate(pods):
            found = resolve(pod, scenario.priority_classes).errors if pod.priority is None else ()
            yield from (((*path, position, *fault.path.split(".")), fault.message) for fault in found)


class _World:
    """The pods and their statistics as the scenario goes on; everybody has a number, by order of arrival."""

    def __init__(self, scenario: Scenario) -> None:
        self._classes = scenario.priority_classes
        self.budgets = scenario.budgets
        self.node = _node_view(scenario)
        self._pods: dict[int, Pod] = {}
        self._active: set[int] = set()
        self._stats: list[PodUsage] = []
        self._running_grace: dict[int, int] = {}
        for pod in scenario.pods:
            self.start(self.resolved(pod))
        for stopping in scenario.stopping:
            for number in self._numbers(stopping.key):
                if self._pods[number].meta.uid == stopping.uid or not stopping.uid:
                    self._running_grace[number] = stopping.grace_seconds

    def resolved(self, pod: Pod) -> Pod:
        """The pod with its priority; a priority in the manifest stays what it is."""
        return resolve(pod, self._classes).pod

    def start(self, pod: Pod) -> None:
        """A pod more."""
        self._active.add(len(self._pods))
        self._pods[len(self._pods)] = pod

    def apply(self, step: Step) -> None:
        """What has changed by now."""
        for pod in map(self.resolved, step.replaced):
            self._pods.update(dict.fromkeys(self._numbers(pod.meta.key), pod))
        self.remove(step.gone)
        for name in step.back:
            self._active.update(self._numbers(name))
        for usage in step.stats:
            self._stats = [old for old in self._stats if not _is_of_same_pod(old, usage)] + [usage]
        for name in step.forgotten:
            pods = [self._pods[number] for number in self._numbers(name)]
            self._stats = [
                old for old in self._stats if old.key != name and not any(_is_about(old, pod) for pod in pods)
            ]

    def remove(self, names: Iterable[str]) -> None:
        """Pods that have left."""
        for name in names:
            for number in self._numbers(name):
                self._active.discard(number)
                self._running_grace.pop(number, None)

    def active(self) -> list[Pod]:
        """The pods that are there, in order of arrival."""
        return [self._pods[number] for number in sorted(self._active)]

    def candidates(self) -> Iterator[Candidate]:
        """The pods that can be evicted, with what is known of them; ended ones count until they are removed."""
        for number in sorted(self._active):
            pod = self._pods[number]
            if number in self._running_grace or not pod.is_inactive:
                usage = next((usage for usage in reversed(self._stats) if _is_about(usage, pod)), None)
                grace = self._running_grace.get(number)
                yield Candidate(facts=facts_of(pod), order=number, usage=usage, running_grace_seconds=grace)

    def stop(self, evictions: Iterable[Eviction]) -> None:
        """Remember how long the victims have left at most."""
        for eviction in evictions:
            self._running_grace[eviction.candidate.order] = eviction.grace_seconds

    def _numbers(self, name: str) -> list[int]:
        return [number for number, pod in self._pods.items() if pod.meta.key == name]


def _is_about(usage: PodUsage, pod: Pod) -> bool:
    """By uid where both have one: several pods may have had the name."""
    if usage.uid and pod.meta.uid:
        return usage.uid == pod.meta.uid
    return usage.key == pod.meta.key


def _is_of_same_pod(one: PodUsage, other: PodUsage) -> bool:
    if one.uid and other.uid:
        return one.uid == other.uid
    return one.key == other.key


def _first_memory(scenario: Scenario, config: EvictionConfig) -> EvictionMemory:
    """Conditions that the node has already count as seen at the first step, unless the scenario remembers when."""
    conditions = scenario.node.conditions
    started_ns = scenario.steps[0].at_ns if scenario.steps else 0
    memory = EvictionMemory(last_seen_ns=dict.fromkeys(conditions, started_ns), conditions=conditions)
    if scenario.memory is None:
        return memory
    thresholds = {str(threshold): threshold for threshold in _all_thresholds(config, scenario)}
    met = [(thresholds[one.threshold], one) for one in scenario.memory.first_met if one.threshold in thresholds]
    return replace(
        memory,
        has_run=True,
        first_met_ns={threshold: one.at_ns for threshold, one in met},
        last_seen_ns={**memory.last_seen_ns, **scenario.memory.last_seen_ns},
        due=tuple(threshold for threshold, one in met if one.is_due),
        observations=scenario.memory.observations,
    )


def _all_thresholds(config: EvictionConfig, scenario: Scenario) -> tuple[Threshold, ...]:
    """Those that can have been met: those given, and those that the layout adds."""
    return (*config.thresholds, *with_containerfs(config.thresholds, scenario.layout))


def _node_view(scenario: Scenario) -> NodeView:
    node, config = scenario.node, scenario.config
    hard = {**DEFAULT_HARD, **config.hard} if config.merge_defaults else config.hard
    reserved = Reservations(system=config.system_reserved, kube=config.kube_reserved)
    allocatable = node.allocatable
    if allocatable is None:
        allocatable = allocatable_of({"pods": _DEFAULT_PODS, **node.capacity}, reserved, held_back(hard))
    return NodeView(
        name=node.name,
        allocatable=allocatable,
        labels=node.labels,
        taints=node.taints,
        unschedulable=node.unschedulable,
        supplemental_groups_policy=node.supplemental_groups_policy,
    )


def _result(step: Step, decision: Decision, world: _World, policy: VictimPolicy) -> StepResult:
    acted_on = decision.acted_on
    ranking = tell(decision.ranking, acted_on.signal, policy) if acted_on is not None else ()
    conditions = frozenset(map(str, decision.conditions))
    return StepResult(
        at=step.at,
        thresholds_met=tuple(sorted({str(threshold) for threshold in decision.due})),
        node_conditions=tuple(sorted(conditions)),
        signal=str(acted_on.signal) if acted_on is not None else None,
        resource=str(decision.resource) if decision.resource is not None else None,
        reclaim=tuple(map(str, decision.reclaim)),
        ranking=tuple(ranked.pod for ranked in ranking),
        candidates=ranking,
        evicted=tuple(map(_evicted, decision.evictions)),
        submitted=tuple(_submit(world, pod, step, conditions) for pod in step.submitted),
        pressure_admission=tuple(_judge(world.resolved(pod), conditions) for pod in step.judged_under_pressure),
    )


def _evicted(eviction: Eviction) -> EvictedPod:
    return EvictedPod(
        pod=eviction.candidate.pod.meta.key,
        signal=str(eviction.signal),
        threshold=str(eviction.threshold) if eviction.threshold is not None else None,
        grace_period_seconds=eviction.grace_seconds,
        reason=EVICTED,
        message=eviction.message,
        because=eviction.because,
    )


def _submit(world: _World, pod: Pod, step: Step, conditions: frozenset[str]) -> SubmittedPod:
    newcomer = world.resolved(pod)
    verdict = admit(
        world.node, world.active(), newcomer, mode=Mode(step.mode), conditions=conditions, budgets=world.budgets
    )
    if verdict.admitted:
        world.remove(verdict.preempted)
        world.start(newcomer)
    return SubmittedPod(
        pod=newcomer.meta.key,
        admitted=verdict.admitted,
        reason=verdict.reason,
        message=verdict.message,
        preempted=verdict.preempted,
        reasons=verdict.reasons,
    )


def _judge(pod: Pod, conditions: frozenset[str]) -> PressureJudgement:
    verdict = admit_under_pressure(pod, conditions)
    return PressureJudgement(
        pod=pod.meta.key, admitted=verdict.admitted, reason=verdict.reason, message=verdict.message
    )
