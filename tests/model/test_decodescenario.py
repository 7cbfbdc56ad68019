"""Scenarios that are wrong: every fault, each with its place."""

from __future__ import annotations

from typing import Any

import pytest
from scenariobuilder import decoded, free, pod, scenario

from nodeguard.model.decodescenario import decode_scenario
from nodeguard.model.document import parse
from nodeguard.model.eviction import Observation
from nodeguard.model.signal import Signal


def faults(value: dict[str, Any]) -> list[str]:
    found = decoded(value)
    assert (found.scenario is None) == bool(found.errors)
    return [f"{error.path}: {error.message}" for error in found.errors]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"steps": {}}, "spec.steps: expected a list, found an object"),
        ({"layouts": {}}, "spec.layouts: unknown field, did you mean layout?"),
        ({"config": {"evictionHrad": {}}}, "spec.config.evictionHrad: unknown field, did you mean evictionHard?"),
        (
            {"config": {"evictionHard": {"memory.available": "0"}}},
            "spec.config.evictionHard[memory.available]: 0 is not above 0; 'off' switches a threshold off",
        ),
        (
            {"config": {"evictionHard": {"Memory.available": "1Gi"}}},
            "spec.config.evictionHard[Memory.available]: unknown signal, did you mean memory.available?",
        ),
        (
            {"config": {"evictionSoft": {"pid.available": "10%"}}},
            "spec.config.evictionSoft[pid.available]: has no grace period: evictionSoftGracePeriod[pid.available] "
            "must say how long it may last",
        ),
        (
            {"config": {"evictionSoftGracePeriod": {"pid.available": "-1s"}}},
            "spec.config.evictionSoftGracePeriod[pid.available]: '-1s' is negative; allowed are durations from 0s",
        ),
        (
            {"config": {"evictionMinimumReclaim": {"pid.available": "0%"}}},
            "spec.config.evictionMinimumReclaim[pid.available]: '0%' is not above 0%",
        ),
        (
            {"config": {"evictionPressureTransitionPeriod": 300}},
            "spec.config.evictionPressureTransitionPeriod: 300 is not a duration; allowed are numbers with the units "
            "h m s ms us ns, such as 1m30s",
        ),
        (
            {"podDisruptionBudgets": [{"selector": {"matchExpressions": [{"operator": "Exists"}]}}]},
            "spec.podDisruptionBudgets[0].selector.matchExpressions[0].key: required, but missing",
        ),
        (
            {"podDisruptionBudgets": [{"selector": {"matchExpressions": [{"key": "app", "operator": "In"}]}}]},
            "spec.podDisruptionBudgets[0].selector.matchExpressions[0].values: required with operator In",
        ),
        ({"config": {"evictionPolicy": "age"}}, "spec.config.evictionPolicy: found 'age'; allowed are kubelet, qos"),
        (
            {"config": {"hardEvictionGracePeriodSeconds": -1}},
            "spec.config.hardEvictionGracePeriodSeconds: found -1; allowed is at least 0",
        ),
        (
            {"config": {"systemReserved": {"memory": "-1"}}},
            "spec.config.systemReserved.memory: -1 is negative; allowed are quantities from 0",
        ),
        (
            {"config": {"enforceNodeAllocatable": ["pods", "none"]}},
            "spec.config.enforceNodeAllocatable: 'none' excludes every other word",
        ),
        (
            {"node": {"spec": {"taints": [{"key": "a"}]}}},
            "spec.node.spec.taints[0].effect: required, but missing: What it does.",
        ),
        (
            {"node": {"status": {"capacity": {"cpu": "x"}}}},
            "spec.node.status.capacity.cpu: 'x' is not a quantity; allowed",
        ),
        ({"pods": [{"kind": "Deployment"}]}, "spec.pods[0].kind: found 'Deployment'; allowed is Pod"),
        (
            {"pods": [{"metadata": {}, "spec": {"containers": []}}]},
            "spec.pods[0].spec.containers: must have at least one",
        ),
        ({"pods": [pod("a"), pod("a")]}, "spec.pods[1].metadata.name: a second pod 'default/a'"),
        ({"priorityClasses": [{"metadata": {"name": "a"}}]}, "spec.priorityClasses[0].value: required, but missing"),
    ],
)
def test_faults_of_the_whole(spec: dict[str, Any], expected: str) -> None:
    story = scenario({}, config={})
    story["spec"] |= spec
    assert any(fault.startswith(expected) for fault in faults(story)), faults(story)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"at": "0"}, "spec.steps[1].at: expected a number of seconds, found '0'"),
        ({"at": -1}, "spec.steps[1].at: found -1, before the step at 0"),
        ({"at": None}, "spec.steps[1].at: required, but missing"),
        ({"observation": {}}, "spec.steps[1].observation: unknown field, did you mean observations?"),
        (
            {"observations": {"mem": {}}},
            "spec.steps[1].observations.mem: unknown signal; signals are memory.available,",
        ),
        (
            {"observations": free("1GB")},
            "spec.steps[1].observations[memory.available].available: '1GB' is not a quantity",
        ),
        (
            {"observations": free(1, time="now")},
            "spec.steps[1].observations[memory.available].time: expected a number of seconds, found 'now'",
        ),
        ({"podStats": [{"memory": {}}]}, "spec.steps[1].podStats[0].podRef: required, but missing"),
        (
            {"podStats": [{"podRef": {"name": "a"}, "memory": {"workingSet": 1}}]},
            "spec.steps[1].podStats[0].memory.workingSet: unknown field, did you mean workingSetBytes?",
        ),
        ({"gone": ["default/app2"]}, "spec.steps[1].gone[0]: no pod 'default/app2', did you mean default/app?"),
        ({"back": ["x"]}, "spec.steps[1].back[0]: no pod 'default/x'"),
        ({"replacePods": [pod("x")]}, "spec.steps[1].replacePods: no pod 'default/x'"),
        ({"mode": "api"}, "spec.steps[1].mode: found 'api'; allowed are scheduler, kubelet"),
    ],
)
def test_faults_of_a_step(step: dict[str, Any], expected: str) -> None:
    found = faults(scenario({}, step, pods=[pod("app")]))
    assert len(found) == 1
    assert found[0].startswith(expected), found


def test_all_faults_come_at_once_in_file_order_with_their_lines() -> None:
    text = """\
apiVersion: nodeguard.dev/v1
kind: Scenario
spec:
  config:
    evictionHard: {memory.available: 1Gb, nodefs.available: 110%}
  pods:
  - metadata: {name: App}
    spec: {containers: [{name: app}]}
  steps:
  - at: 0
    gone: [other]
"""
    (document,) = parse(text, "story.yaml")
    assert [str(error).partition(": found")[0].partition("' is")[0] for error in decode_scenario(document).errors] == [
        "story.yaml:1: apiVersion",
        "story.yaml:5: spec.config.evictionHard[memory.available]: '1Gb",
        "story.yaml:5: spec.config.evictionHard[nodefs.available]: '110%",
        "story.yaml:7: spec.pods[0].metadata.name",
    ]


@pytest.mark.parametrize("text", ["[]", "5", "kind: Scenario\nkind: Scenario\n", "{", "a: &a [*a]"])
def test_what_is_no_scenario_at_all_is_told(text: str) -> None:
    (document,) = parse(text, "story.yaml")
    found = decode_scenario(document)
    assert found.scenario is None
    assert found.errors


def test_what_only_running_would_miss_is_no_fault() -> None:
    unsupported = pod("a", volumes=[{"name": "v", "configMap": {"name": "c"}}], nodeName="n9")
    found = decoded(scenario({}, pods=[unsupported])).scenario
    assert found is not None
    assert found.pods[0].local_volumes == ("v",)


def test_pods_that_run_may_have_ephemeral_containers() -> None:
    debugged = pod("a", ephemeralContainers=[{"name": "debug", "image": "x"}])
    assert faults(scenario({"replacePods": [debugged]}, pods=[debugged])) == []
    assert "ephemeralContainers" in faults(scenario({"submit": [debugged]}))[0]


def test_a_signal_with_one_number_is_unknown() -> None:
    step = {"observations": {"pid.available": {"available": 5}, "nodefs.available": {"available": 1, "capacity": 2}}}
    found = decoded(scenario(step)).scenario
    assert found is not None
    assert found.steps[0].observations == {Signal.NODEFS_AVAILABLE: Observation(available=1, capacity=2)}


def test_names_without_a_namespace_are_of_default() -> None:
    found = decoded(scenario({"gone": ["a", "default/a"]}, pods=[pod("a")])).scenario
    assert found is not None
    assert found.steps[0].gone == ("default/a", "default/a")
