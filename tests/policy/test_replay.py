"""A record's scenario, played by ``simulate``, comes to the decision that the record tells of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from evictionbuilder import DEDICATED, INCONSISTENT, SINGLE, SPLIT, S, config, seen
from hypothesis import given, settings
from hypothesis import strategies as st
from recordbuilder import HOUSE, pass_of, pods_of, record_of
from scenariobuilder import decoded, scenario
from scenariobuilder import pod as scenario_pod

from nodeguard.cli.story import story
from nodeguard.model.decision import DecisionRecord, Pass
from nodeguard.model.eviction import (
    Candidate,
    EvictionConfig,
    EvictionMemory,
    Layout,
    Observation,
    Snapshot,
    VictimPolicy,
)
from nodeguard.model.pod import Pod
from nodeguard.model.signal import Signal
from nodeguard.model.stats import ContainerUsage, FsUsage, MemoryUsage, PodUsage, VolumeUsage
from nodeguard.model.unwire import from_wire
from nodeguard.model.wire import to_wire
from nodeguard.policy.eviction import after_reclaim, evaluate
from nodeguard.policy.eviction_facts import facts_of
from nodeguard.policy.replay import scenario_document, with_shortage
from nodeguard.policy.simulation import StepResult, faults, simulate

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "decision.json").read_text())
)
STATIC = {"kubernetes.io/config.source": "file"}
MIRROR = {"kubernetes.io/config.mirror": ""}


def replayed(document: Any, policy: VictimPolicy | None = None) -> StepResult:
    """The one step of a scenario that has been written to a file and read again."""
    found = decoded(json.loads(json.dumps(document)))
    assert found.scenario is not None, [str(error) for error in found.errors]
    assert list(faults(found.scenario)) == []
    (step,) = simulate(found.scenario, policy).steps
    return step


def assert_replays(looked: Pass) -> None:
    decision = looked.decision
    for number, eviction in enumerate(decision.evictions):
        record = record_of(looked, number)
        item = json.loads(json.dumps(to_wire(record)))
        SCHEMA.validate(item)
        assert from_wire(DecisionRecord, item) == record
        assert f"pod {eviction.candidate.pod.meta.key}, " in story(record)
        step = replayed(item["scenario"])
        (again,) = [one for one in step.evicted if one.pod == f"{record.pod.namespace}/{record.pod.name}"]
        assert again.message == record.message
        assert again.grace_period_seconds == record.grace_period_seconds
        assert again.signal == record.signal
        assert again.because == eviction.because
        assert len(step.evicted) == len(decision.evictions)
        assert step.node_conditions == tuple(sorted(record.conditions))
        assert step.thresholds_met == tuple(sorted(set(map(str, decision.due))))
        assert step.reclaim == record.reclaim
        if eviction.threshold is not None:
            assert again.threshold == record.threshold
            assert step.candidates == record.candidates


def passes(
    settings_: EvictionConfig,
    layout: Layout,
    candidates: tuple[Candidate, ...],
    story: list[tuple[int, dict[Signal, Observation]]],
) -> Iterator[Pass]:
    """The passes of an agent whose victims are being stopped from then on."""
    memory, now_ns = EvictionMemory(), 0
    for after_ns, observations in story:
        now_ns += after_ns
        fresh = {
            signal: replace(one, sampled_at_ns=None if one.sampled_at_ns is None else now_ns - one.sampled_at_ns)
            for signal, one in observations.items()
        }
        snapshot = Snapshot(observations=fresh, candidates=candidates, layout=layout)
        decision = evaluate(settings_, memory, snapshot, now_ns)
        after = fresh if decision.reclaim else None
        if after is not None:
            decision = after_reclaim(settings_, snapshot, decision, after)
        yield Pass(
            config=settings_,
            memory=memory,
            snapshot=snapshot,
            now_ns=now_ns,
            decision=decision,
            after_reclaim=after,
        )
        memory = decision.memory
        stopped = {eviction.candidate.order: eviction.grace_seconds for eviction in decision.evictions}
        candidates = tuple(
            replace(one, running_grace_seconds=stopped.get(one.order, one.running_grace_seconds)) for one in candidates
        )


SMALL = st.integers(0, 12)
RESOURCES = st.fixed_dictionaries(
    {},
    optional={
        "requests": st.dictionaries(st.sampled_from(["memory", "ephemeral-storage"]), SMALL.map(str)),
        "limits": st.fixed_dictionaries({}, optional={"ephemeral-storage": st.integers(13, 20).map(str)}),
    },
)
VOLUMES = (
    {"name": "cache", "emptyDir": {"sizeLimit": "15"}},
    {"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "9"}},
    {"name": "data", "hostPath": {"path": "/srv"}},
    {"name": "settings", "configMap": {"name": "x"}},
    {"name": "token", "secret": {"secretName": "x"}},
)
FS = st.none() | st.builds(FsUsage, used_bytes=st.none() | SMALL, inodes_used=st.none() | SMALL)
MEMORY = st.none() | st.builds(MemoryUsage, working_set_bytes=st.none() | SMALL)


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(["app", "side", "third"]), min_size=1, max_size=2, unique=True))
    secret = {"command": ["sleep"], "env": [{"name": "PASSWORD", "value": "s3cret"}]}
    containers = [{"name": name, "image": "host", **secret, "resources": draw(RESOURCES)} for name in names]
    spec: dict[str, Any] = {"containers": containers}
    if draw(st.booleans()):
        init = {"name": "init", "image": "host", "resources": draw(RESOURCES)}
        spec["initContainers"] = [{**init, **draw(st.sampled_from([{}, {"restartPolicy": "Always"}]))}]
    if draw(st.booleans()):
        spec["resources"] = draw(st.sampled_from([{}, {"requests": {"memory": "60"}}, {"limits": {"cpu": "1"}}]))
    if draw(st.booleans()):
        spec["overhead"] = {"memory": "1"}
    spec["volumes"] = list(draw(st.lists(st.sampled_from(VOLUMES), max_size=3, unique_by=lambda one: one["name"])))
    spec["terminationGracePeriodSeconds"] = draw(st.integers(0, 60))
    if (priority := draw(st.sampled_from([None, 0, 1, -1, 2_000_000_000]))) is not None:
        spec["priority"] = priority
    meta: dict[str, Any] = {"annotations": draw(st.sampled_from([{}, {}, {}, STATIC, MIRROR, {"note": "x"}]))}
    if draw(st.integers(0, 4)) == 0:
        meta |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": draw(st.integers(0, 30))}
    return {"metadata": meta, "spec": spec}


@st.composite
def usages(draw: st.DrawFn, pod: Pod) -> PodUsage | None:
    if draw(st.integers(0, 5)) == 0:
        return None
    containers = draw(st.permutations([container.name for container in pod.all_containers]))
    return PodUsage(
        name=pod.meta.name,
        namespace=pod.meta.namespace,
        uid=pod.meta.uid,
        memory=draw(MEMORY),
        containers=tuple(
            ContainerUsage(name=name, memory=draw(MEMORY), rootfs=draw(FS), logs=draw(FS)) for name in containers
        ),
        volumes=tuple(
            VolumeUsage(name=one["name"], used_bytes=draw(st.none() | SMALL), inodes_used=draw(st.none() | SMALL))
            for one in draw(st.lists(st.sampled_from(VOLUMES), max_size=3, unique_by=lambda one: one["name"]))
        ),
        ephemeral_storage=draw(FS),
        process_count=draw(st.none() | SMALL),
    )


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Candidate, ...]:
    drawn = draw(st.lists(manifests(), min_size=1, max_size=5))
    has_uids = draw(st.booleans())
    for number, manifest in enumerate(drawn):
        uid = {"uid": f"u{number}"} if has_uids else {}
        manifest["metadata"] |= {"name": f"p{number}", "namespace": draw(st.sampled_from(["default", "ns"])), **uid}
    found = [Candidate(facts=facts_of(pod), order=n, usage=draw(usages(pod))) for n, pod in enumerate(pods_of(drawn))]
    return tuple(draw(st.permutations(found)))


OBSERVATION = st.builds(
    Observation, available=st.integers(-3, 30), capacity=st.just(40), sampled_at_ns=st.none() | st.integers(0, 3 * S)
)
STORY = st.lists(
    st.tuples(
        st.integers(0, 40 * S) | st.sampled_from([0, S, 10 * S, 20 * S]),
        st.dictionaries(st.sampled_from(Signal), OBSERVATION, max_size=9),
    ),
    min_size=1,
    max_size=5,
)
VALUES = ("5", "10%", "1", "25%", "12", "1Ki")


@st.composite
def settings_of(draw: st.DrawFn) -> EvictionConfig:
    def pairs(separator: str, suffix: st.SearchStrategy[str]) -> str:
        chosen = draw(st.dictionaries(st.sampled_from(Signal), st.sampled_from(VALUES), max_size=6))
        return " ".join(f"{signal}{separator}{value}{draw(suffix)}" for signal, value in chosen.items())

    return config(
        pairs("<", st.just("")),
        pairs("<", st.sampled_from(["@0", "@1", "@20"])),
        pairs("=", st.just("")),
        enforce=draw(st.sampled_from([("pods",), ("none",)])),
        transition_ns=draw(st.sampled_from([0, S, 30 * S])),
        max_pod_grace_seconds=draw(st.integers(0, 90)),
        hard_grace_seconds=draw(st.integers(0, 2)),
        local_storage_isolation=draw(st.booleans()),
        policy=draw(st.sampled_from(VictimPolicy)),
    )


@settings(deadline=None, max_examples=200)
@given(settings_of(), st.sampled_from([SINGLE, DEDICATED, SPLIT, INCONSISTENT]), candidates(), STORY)
def test_any_record_replays(
    settings_: EvictionConfig,
    layout: Layout,
    some: tuple[Candidate, ...],
    story: list[tuple[int, dict[Signal, Observation]]],
) -> None:
    for looked in passes(settings_, layout, some, story):
        assert_replays(looked)


HARD = config("memory.available<100Mi", "memory.available<200Mi@90", "memory.available=300Mi")


def test_what_earlier_passes_left_is_part_of_it() -> None:
    """A soft threshold met for its grace period, and one that is met only because more was to be reclaimed."""
    memory = EvictionMemory()
    for at, free in ((0, "150Mi"), (50, "90Mi"), (92, "90Mi"), (95, "350Mi")):
        one = pass_of(HARD, observations=seen(f"memory.available={free}/1Gi@{at}"), memory=memory)
        memory = evaluate(HARD, memory, one.snapshot, at * S).memory
    one = pass_of(HARD, observations=seen("memory.available=350Mi/1Gi"), memory=memory)
    assert one.decision.acted_on is not None
    record = record_of(one)
    assert record.scenario is not None
    assert record.scenario["spec"]["memory"]["firstMet"] == [
        {"threshold": "memory.available<100Mi/hard", "at": -950, "due": True},
        {"threshold": "memory.available<200Mi/soft", "at": -1000, "due": True},
    ]
    assert_replays(one)


def test_a_pod_that_is_being_stopped_keeps_what_is_left_of_its_time() -> None:
    one = pass_of(config("", "memory.available<100Mi@0", max_pod_grace_seconds=30))
    stopping = tuple(replace(candidate, running_grace_seconds=0) for candidate in one.snapshot.candidates)
    snapshot = replace(one.snapshot, candidates=stopping)
    one = replace(one, snapshot=snapshot, decision=evaluate(one.config, one.memory, snapshot, one.now_ns))
    assert [eviction.grace_seconds for eviction in one.decision.evictions] == [0]
    assert_replays(one)


def test_the_other_policy_may_choose_another_one() -> None:
    document = to_wire(record_of(pass_of(pairs=HOUSE[2:])))["scenario"]
    assert [eviction.pod for eviction in replayed(document, VictimPolicy.QOS).evicted] == ["default/db"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"memory": {"firstMet": [{"threshold": "memory.available<2Gi/soft", "at": -1}]}},
            "no threshold 'memory.available<2Gi/soft' in spec.config; there are memory.available<1Gi/hard",
        ),
        ({"memory": {"firstMet": [{"at": -1}]}}, "required, but missing"),
        ({"memory": {"lastSeen": {"CPUPressure": -1}}}, "unknown condition; conditions are MemoryPressure"),
        ({"memory": {"lastSeen": {"MemoryPressure": "yesterday"}}}, "expected a number of seconds"),
        ({"stopping": [{"podRef": {"name": "b"}, "gracePeriodSeconds": 1}]}, "no pod"),
        ({"stopping": [{"podRef": {"name": "a"}, "gracePeriodSeconds": -1}]}, "allowed is at least 0"),
    ],
)
def test_faults_in_what_is_remembered_are_told(spec: dict[str, Any], message: str) -> None:
    found = decoded(scenario({}, pods=[scenario_pod("a")], **spec))
    if found.scenario is None:
        (error,) = found.errors
        assert message in str(error)
    else:
        ((path, text),) = faults(found.scenario)
        assert path == ("spec", "memory", "firstMet", 0, "threshold")
        assert message in text


def test_what_is_remembered_of_other_thresholds_is_left_out() -> None:
    """An agent looks at what it enforces and what it only observes apart, with one memory."""
    observed = config("pid.available<5%").thresholds[0]
    one = pass_of()
    (enforced,) = one.config.thresholds
    memory = EvictionMemory(has_run=True, first_met_ns={observed: 5, enforced: 7}, due=(enforced,))
    one = replace(one, memory=memory, decision=evaluate(one.config, memory, one.snapshot, one.now_ns))
    record = record_of(one)
    assert record.scenario is not None
    assert [met["threshold"] for met in record.scenario["spec"]["memory"]["firstMet"]] == [str(enforced)]
    assert_replays(one)


def test_a_shortage_of_what_has_only_a_soft_threshold_is_followed_until_it_is_due() -> None:
    plenty = seen("memory.available=512Mi/1Gi")
    one = pass_of(config("", "memory.available<100Mi@90", max_pod_grace_seconds=5), observations=plenty)
    document = with_shortage(scenario_document(one, name="x"), Signal.MEMORY_AVAILABLE)
    found = decoded(json.loads(json.dumps(document))).scenario
    assert found is not None
    steps = simulate(found).steps
    assert [step.at for step in steps] == [0, 1, 91]
    assert [[eviction.pod for eviction in step.evicted] for step in steps] == [[], [], ["default/hog"]]
    with pytest.raises(ValueError, match=r"pid\.available has no threshold, or cannot be read"):
        with_shortage(document, Signal.PID_AVAILABLE)
