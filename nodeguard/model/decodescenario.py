"""A scenario from its document: every fault at once, nothing raised."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from nodeguard.model.build import build_meta
from nodeguard.model.buildplace import build_selector
from nodeguard.model.check.place import check_selector
from nodeguard.model.check.report import Report, guess, shown
from nodeguard.model.check.shape import check_shape
from nodeguard.model.decode import decode_items
from nodeguard.model.document import Document, Path
from nodeguard.model.duration import read_duration
from nodeguard.model.eviction import Layout, Observation, Observations, VictimPolicy
from nodeguard.model.field import OBJECTS
from nodeguard.model.finding import Finding, Severity, in_file_order
from nodeguard.model.placement import Budget, Taint
from nodeguard.model.pod import Pod
from nodeguard.model.quantity import Quantity
from nodeguard.model.scenario import (
    DEFAULT_TRANSITION_NS,
    FirstMet,
    Scenario,
    ScenarioConfig,
    ScenarioMemory,
    ScenarioNode,
    Step,
    Stopping,
)
from nodeguard.model.scenariotable import SCENARIO
from nodeguard.model.signal import Pressure, Signal
from nodeguard.model.stats import ContainerUsage, FsUsage, MemoryUsage, PodUsage, VolumeUsage
from nodeguard.model.threshold import parse_min_reclaim, parse_value, without_grace

_TABLE = {**OBJECTS, **SCENARIO}
_SIGNALS = tuple(map(str, Signal))
_PRESSURES = tuple(map(str, Pressure))
_RUNNING = ("pods", "replacePods")
_WORD = 1 << 64
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedScenario:
    """The scenario, None when something is wrong with it; ``errors`` are in file order."""

    scenario: Scenario | None
    errors: tuple[Finding, ...] = ()


def decode_scenario(document: Document) -> DecodedScenario:
    """What the document tells; fields that only matter where containers really run are not complained about."""
    decoder = _Decoder(document)
    scenario = decoder.read() if document.value is not None else Scenario()
    findings = [*document.findings, *decoder.report.findings, *decoder.findings]
    errors = in_file_order(finding for finding in findings if finding.severity is Severity.ERROR)
    return DecodedScenario(scenario=None if errors else scenario, errors=errors)


class _Decoder:
    def __init__(self, document: Document) -> None:
        self.report = Report(document)
        self.findings: list[Finding] = []
        self._document = document
        self._known: set[str] = set()

    def read(self) -> Scenario:
        value = check_shape(self.report, "Scenario", self._document.value, (), _TABLE)
        spec = value.get("spec", {})
        path: Path = ("spec",)
        classes = decode_items(
            self._document, (*path, "priorityClasses"), spec.get("priorityClasses", ()), "PriorityClass"
        )
        self.findings += classes.findings
        pods = self._pods(spec, path, "pods")
        self._known |= {pod.meta.key for pod in pods}
        layout = spec.get("layout", {})
        return Scenario(
            name=value.get("metadata", {}).get("name", ""),
            config=self._config(spec.get("config", {}), (*path, "config")),
            layout=Layout(
                dedicated_image_fs=layout.get("dedicatedImageFs", False),
                split_container_fs=layout.get("splitContainerFs", False),
            ),
            node=_node(spec.get("node", {})),
            priority_classes=classes.priority_classes,
            budgets=self._budgets(spec.get("podDisruptionBudgets", ()), (*path, "podDisruptionBudgets")),
            pods=pods,
            memory=self._memory(spec["memory"], (*path, "memory")) if "memory" in spec else None,
            stopping=self._stopping(spec.get("stopping", ()), (*path, "stopping")),
            steps=self._steps(spec.get("steps", ()), (*path, "steps")),
        )

    def _pods(self, holder: Mapping[str, Any], path: Path, key: str) -> tuple[Pod, ...]:
        items = holder.get(key, ())
        if key in _RUNNING:
            items = [_without_ephemeral_containers(item) for item in items]
        found = decode_items(self._document, (*path, key), items, "Pod")
        self.findings += found.findings
        return found.pods

    def _budgets(self, items: Iterable[dict[str, Any]], path: Path) -> tuple[Budget, ...]:
        for position, item in enumerate(items):
            check_selector(self.report, item.get("selector", {}), (*path, position, "selector"))
        return () if self.report.has_errors else tuple(map(_budget, items))

    def _config(self, value: Mapping[str, Any], path: Path) -> ScenarioConfig:
        grace_ns = self._by_signal(value, path, "evictionSoftGracePeriod", _not_negative_duration)
        soft = self._by_signal(value, path, "evictionSoft", parse_value)
        for signal in without_grace(soft, value.get("evictionSoftGracePeriod", {})):
            message = f"has no grace period: evictionSoftGracePeriod[{signal}] must say how long it may last"
            self.report.error((*path, "evictionSoft", signal), message)
        transition_ns = DEFAULT_TRANSITION_NS
        key = "evictionPressureTransitionPeriod"
        if key in value:
            transition_ns = self._parsed(_not_negative_duration, value[key], (*path, key)) or 0
        for key in ("kubeReserved", "systemReserved"):
            for name, quantity in value.get(key, {}).items():
                if quantity.nano < 0:
                    self.report.error((*path, key, name), f"{quantity} is negative; allowed are quantities from 0")
        enforce = value.get("enforceNodeAllocatable", ["pods"])
        if "none" in enforce and len(enforce) > 1:
            self.report.error((*path, "enforceNodeAllocatable"), "'none' excludes every other word")
        return ScenarioConfig(
            hard=self._by_signal(value, path, "evictionHard", parse_value),
            soft=soft,
            grace_ns=grace_ns,
            min_reclaim=self._by_signal(value, path, "evictionMinimumReclaim", parse_min_reclaim),
            merge_defaults=value.get("mergeDefaultEvictionSettings", False),
            transition_ns=transition_ns,
            max_pod_grace_seconds=value.get("evictionMaxPodGracePeriod", 0),
            hard_grace_seconds=value.get("hardEvictionGracePeriodSeconds", 0),
            enforce=tuple(enforce),
            kube_reserved=value.get("kubeReserved", {}),
            system_reserved=value.get("systemReserved", {}),
            local_storage_isolation=value.get("localStorageCapacityIsolation", True),
            policy=VictimPolicy(value.get("evictionPolicy") or VictimPolicy.KUBELET),
        )

    def _by_signal(
        self, holder: Mapping[str, Any], path: Path, key: str, parse: Callable[[Any], Value]
    ) -> dict[str, Value]:
        parsed: dict[str, Value] = {}
        for name, given in holder.get(key, {}).items():
            place = (*path, key, name)
            if not self._is_signal(name, place):
                continue
            try:
                parsed[name] = parse(given)
            except ValueError as e:
                self.report.error(place, str(e))
        return parsed

    def _is_signal(self, name: str, place: Path) -> bool:
        if name in _SIGNALS:
            return True
        meant = guess(name, _SIGNALS)
        hint = f", did you mean {meant}?" if meant else f"; signals are {', '.join(_SIGNALS)}"
        self.report.error(place, f"unknown signal{hint}")
        return False

    def _parsed(self, parse: Callable[[Any], Value], given: Any, path: Path) -> Value | None:
        try:
            return parse(given)
        except ValueError as e:
            self.report.error(path, str(e))
            return None

    def _memory(self, value: Mapping[str, Any], path: Path) -> ScenarioMemory:
        last_seen_ns: dict[Pressure, int] = {}
        for name, given in value.get("lastSeen", {}).items():
            place = (*path, "lastSeen", name)
            at_ns = self._instant(given, place)
            if name not in _PRESSURES:
                self.report.error(place, f"unknown condition; conditions are {', '.join(_PRESSURES)}")
            elif at_ns is not None:
                last_seen_ns[Pressure(name)] = at_ns
        return ScenarioMemory(
            first_met=tuple(
                FirstMet(
                    threshold=item.get("threshold", ""),
                    at_ns=self._instant(item.get("at", 0), (*path, "firstMet", position, "at")) or 0,
                    is_due=item.get("due", False),
                )
                for position, item in enumerate(value.get("firstMet", ()))
            ),
            last_seen_ns=last_seen_ns,
            observations=self._observations(value.get("observations", {}), (*path, "observations")),
        )

    def _stopping(self, items: Iterable[Mapping[str, Any]], path: Path) -> tuple[Stopping, ...]:
        stopping: list[Stopping] = []
        for position, item in enumerate(items):
            reference = item.get("podRef", {})
            key = f"{reference.get('namespace') or 'default'}/{reference.get('name', '')}"
            self._check_known(key, (*path, position, "podRef"))
            grace_seconds = item.get("gracePeriodSeconds", 0)
            stopping.append(Stopping(key=key, uid=reference.get("uid", ""), grace_seconds=grace_seconds))
        return tuple(stopping)

    def _steps(self, items: Iterable[dict[str, Any]], path: Path) -> tuple[Step, ...]:
        steps: list[Step] = []
        for position, item in enumerate(items):
            place = (*path, position)
            at_ns = self._instant(item["at"], (*place, "at")) if "at" in item else None
            if at_ns is not None and steps and at_ns < steps[-1].at_ns:
                self.report.error((*place, "at"), f"found {item['at']}, before the step at {steps[-1].at}")
            steps.append(self._step(item, place, at_ns or 0))
        return tuple(steps)

    def _step(self, item: Mapping[str, Any], path: Path, at_ns: int) -> Step:
        after = item.get("observationsAfterReclaim")
        replaced = self._pods(item, path, "replacePods")
        for pod in replaced:
            self._check_known(pod.meta.key, (*path, "replacePods"))
        submitted = self._pods(item, path, "submit")
        step = Step(
            at=item.get("at", 0),
            at_ns=at_ns,
            observations=self._observations(item.get("observations", {}), (*path, "observations")),
            observations_after_reclaim=self._observations(after, (*path, "observationsAfterReclaim"))
            if after
            else None,
            stats=tuple(map(_usage, item.get("podStats", ()))),
            forgotten=self._names(item, path, "forgetStats"),
            replaced=replaced,
            gone=self._names(item, path, "gone"),
            back=self._names(item, path, "back"),
            submitted=submitted,
            mode=item.get("mode") or "scheduler",
            judged_under_pressure=self._pods(item, path, "admitUnderPressure"),
        )
        self._known |= {pod.meta.key for pod in submitted}
        return step

    def _names(self, item: Mapping[str, Any], path: Path, key: str) -> tuple[str, ...]:
        """Pods as ``namespace/name``; a name alone is one of the namespace default."""
        names = tuple(name if "/" in name else f"default/{name}" for name in item.get(key, ()))
        for position, name in enumerate(names):
            self._check_known(name, (*path, key, position))
        return names

    def _check_known(self, name: str, path: Path) -> None:
        """Report a name that no pod has had so far, unless pods could not be read."""
        has_all = not any(finding.severity is Severity.ERROR for finding in self.findings)
        if has_all and name not in self._known:
            meant = guess(name, self._known)
            self.report.error(path, f"no pod {shown(name)}" + (f", did you mean {meant}?" if meant else ""))

    def _observations(self, items: Mapping[str, Any], path: Path) -> Observations:
        observations: dict[Signal, Observation] = {}
        for name, item in items.items():
            place = (*path, name)
            if not self._is_signal(name, place):
                continue
            sampled_at_ns = self._instant(item["time"], (*place, "time")) if "time" in item else None
            if "available" in item and "capacity" in item:  # one number alone says nothing
                observations[Signal(name)] = Observation(
                    available=_int64(item["available"]), capacity=_int64(item["capacity"]), sampled_at_ns=sampled_at_ns
                )
        return observations

    def _instant(self, given: Any, path: Path) -> int | None:
        """Nanoseconds of seconds on the virtual clock, exactly as written."""
        if isinstance(given, bool) or not isinstance(given, int | float):
            self.report.error(path, f"expected a number of seconds, found {shown(given)}")
            return None
        return int(Decimal(str(given)) * 10**9)


def _without_ephemeral_containers(item: Any) -> Any:
    """A pod that runs may have some; they have no resources and play no part, and only a new pod may not have them."""
    spec = item.get("spec") if isinstance(item, dict) else None
    if not isinstance(spec, dict) or "ephemeralContainers" not in spec:
        return item
    return {**item, "spec": {key: value for key, value in spec.items() if key != "ephemeralContainers"}}


def _not_negative_duration(given: Any) -> int:
    nanoseconds = read_duration(given)
    if nanoseconds < 0:
        raise ValueError(f"{given!r} is negative; allowed are durations from 0s")
    return nanoseconds


def _int64(quantity: Quantity) -> int:
    """The number as the kubelet reads it: one that wrapped below zero arrives as a very large one."""
    number = -(-quantity.nano // 10**9)
    return number - _WORD if _WORD // 2 <= number < _WORD else number


def _number(holder: Mapping[str, Any], key: str) -> int | None:
    return _int64(holder[key]) if key in holder else None


def _node(value: Mapping[str, Any]) -> ScenarioNode:
    meta, spec, status = build_meta(value.get("metadata", {})), value.get("spec", {}), value.get("status", {})
    held = {item.get("type") for item in status.get("conditions", ()) if item.get("status") == "True"}
    return ScenarioNode(
        name=meta.name,
        labels=meta.labels,
        taints=tuple(
            Taint(key=item["key"], value=item.get("value", ""), effect=item["effect"])
            for item in spec.get("taints", ())
            if "key" in item and "effect" in item
        ),
        unschedulable=spec.get("unschedulable", False),
        capacity=status.get("capacity", {}),
        allocatable=status.get("allocatable"),
        conditions=tuple(pressure for pressure in Pressure if pressure in held),
        supplemental_groups_policy=status.get("features", {}).get("supplementalGroupsPolicy", False),
    )


def _budget(item: Mapping[str, Any]) -> Budget:
    return Budget(
        name=item.get("name", ""),
        namespace=item.get("namespace") or "default",
        selector=build_selector(item.get("selector")),
        disruptions_allowed=item.get("disruptionsAllowed", 0),
        disrupted=frozenset(item.get("disruptedPods", ())),
    )


def _usage(item: Mapping[str, Any]) -> PodUsage:
    reference = item.get("podRef", {})
    return PodUsage(
        name=reference.get("name", ""),
        namespace=reference.get("namespace") or "default",
        uid=reference.get("uid", ""),
        memory=_memory(item),
        containers=tuple(
            ContainerUsage(
                name=container.get("name", ""),
                memory=_memory(container),
                rootfs=_fs(container, "rootfs"),
                logs=_fs(container, "logs"),
            )
            for container in item.get("containers", ())
        ),
        volumes=tuple(
            VolumeUsage(
                name=volume.get("name", ""),
                used_bytes=_number(volume, "usedBytes"),
                inodes_used=_number(volume, "inodesUsed"),
            )
            for volume in item.get("volume", ())
        ),
        ephemeral_storage=_fs(item, "ephemeral-storage"),
        process_count=_number(item.get("process_stats", {}), "process_count"),
    )


def _memory(holder: Mapping[str, Any]) -> MemoryUsage | None:
    if "memory" not in holder:
        return None
    return MemoryUsage(working_set_bytes=_number(holder["memory"], "workingSetBytes"))


def _fs(holder: Mapping[str, Any], key: str) -> FsUsage | None:
    if key not in holder:
        return None
    return FsUsage(used_bytes=_number(holder[key], "usedBytes"), inodes_used=_number(holder[key], "inodesUsed"))
