"""What holds for every scenario, however it is written, and for every broken one."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from scenariobuilder import NODE, decoded, played

from nodeguard.policy.priority import CRITICAL_PRIORITY

SIGNALS = ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "pid.available")
NAMES = ("a", "b", "c", "d")
SMALL = st.integers(0, 9)
AMOUNT = SMALL.map(str) | st.sampled_from(["10%", "50%", "0.5k"])


def some(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=optional)


def by(keys: tuple[str, ...], values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(keys), values, max_size=len(keys))


RESOURCES = by(("memory", "ephemeral-storage"), SMALL.map(str))
USED = some(usedBytes=SMALL, inodesUsed=SMALL)
USAGE = some(
    memory=some(workingSetBytes=SMALL),
    containers=st.lists(some(rootfs=USED, logs=USED).map(lambda usage: {"name": "app", **usage}), max_size=1),
    **{"ephemeral-storage": USED, "process_stats": some(process_count=SMALL)},
)
STATIC = {"annotations": {"kubernetes.io/config.source": "file"}}


def pod(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda is_static, spec, requests, limits: {
            "metadata": {"name": name, "uid": f"uid-{name}", **(STATIC if is_static else {})},
            "spec": {
                "containers": [
                    {"name": "app", "image": "x", "resources": {"requests": {**requests, **limits}, "limits": limits}}
                ],
                **spec,
            },
        },
        is_static=st.sampled_from([False] * 4 + [True]),
        spec=some(
            priority=st.sampled_from([-1, 0, 1, CRITICAL_PRIORITY]), terminationGracePeriodSeconds=st.integers(0, 60)
        ),
        requests=RESOURCES,
        limits=RESOURCES,
    )


STATS = st.dictionaries(st.sampled_from(NAMES), USAGE).map(
    lambda known: [{"podRef": {"name": name, "uid": f"uid-{name}"}, **usage} for name, usage in known.items()]
)
OBSERVATIONS = by(
    SIGNALS,
    st.builds(
        lambda available, more: {"available": available, "capacity": 10, **more}, SMALL, some(time=st.integers(0, 40))
    ),
)
STEP = some(observations=OBSERVATIONS, podStats=STATS, observationsAfterReclaim=OBSERVATIONS)
CONFIG = st.builds(
    lambda soft, grace, more: {**more, "evictionSoft": soft, "evictionSoftGracePeriod": dict.fromkeys(soft, grace)},
    by(SIGNALS, AMOUNT.filter(lambda amount: amount != "0")),
    st.sampled_from(["0s", "10s", "25s"]),
    some(
        evictionHard=by(SIGNALS, AMOUNT.filter(lambda amount: amount != "0")),
        evictionMinimumReclaim=by(SIGNALS, SMALL.map(str)),
        evictionPolicy=st.sampled_from(["kubelet", "qos"]),
        evictionPressureTransitionPeriod=st.sampled_from(["0s", "15s"]),
        evictionMaxPodGracePeriod=st.integers(0, 90),
    ),
)


def timed(steps: list[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Steps, each a few seconds after the one before, or at the same time."""
    now, story = 0, []
    for pause, step in steps:
        now += pause
        story.append({"at": now, **step})
    return story


SCENARIO = st.builds(
    lambda config, pods, steps, layout: {
        "apiVersion": "nodeguard.dev/v1alpha1",
        "kind": "Scenario",
        "spec": {"config": config, "layout": layout, "node": NODE, "pods": list(pods), "steps": timed(steps)},
    },
    CONFIG,
    st.tuples(*map(pod, NAMES)),
    st.lists(st.tuples(st.sampled_from([0, 5, 10]), STEP), max_size=5),
    some(dedicatedImageFs=st.booleans(), splitContainerFs=st.booleans()),
)


def shuffled(value: Any, random: Any) -> Any:
    """The same value with the keys of its objects and its lists of statistics in another order."""
    if isinstance(value, dict):
        keys = random.sample(list(value), len(value))
        return {
            key: random.sample(value[key], len(value[key])) if key == "podStats" else shuffled(value[key], random)
            for key in keys
        }
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


@settings(max_examples=60)
@given(SCENARIO, st.randoms(use_true_random=False))
def test_the_answer_is_the_same_to_the_byte_in_whatever_order_maps_and_statistics_come(
    story: dict[str, Any], random: Any
) -> None:
    assert json.dumps(played(story)) == json.dumps(played(shuffled(story, random)))


@settings(max_examples=100)
@given(SCENARIO)
def test_victims_of_every_step(story: dict[str, Any]) -> None:
    critical = {
        pod["metadata"]["name"]
        for pod in story["spec"]["pods"]
        if "annotations" in pod["metadata"] or pod["spec"].get("priority") == CRITICAL_PRIORITY
    }
    for step in played(story):
        victims = [victim["pod"].removeprefix("default/") for victim in step["evicted"]]
        assert not critical.intersection(victims)
        of_the_node = [victim["threshold"] for victim in step["evicted"] if victim["threshold"] is not None]
        assert len(of_the_node) <= 1
        assert not of_the_node or len(victims) == 1, "limits of pods and shortages of the node in one pass"
        assert set(of_the_node) <= set(step["thresholdsMet"])
        if of_the_node:
            first = next(name for name in step["ranking"] if name.removeprefix("default/") not in critical)
            assert step["evicted"][0]["pod"] == first


@settings(max_examples=60)
@given(SCENARIO, st.sampled_from([0, 1, 1000]))
def test_what_was_measured_once_is_acted_on_once(story: dict[str, Any], pause: int) -> None:
    """Also when the clock stands still, or jumps ahead."""
    steps = story["spec"]["steps"]
    for step in steps:
        for observation in step.get("observations", {}).values():
            observation.setdefault("time", step["at"])
    again = [{**step, "at": at * (pause + 1)} for at, step in enumerate(step for step in steps for _ in range(2))]
    for first, second in zip(*[iter(played({**story, "spec": {**story["spec"], "steps": again}}))] * 2, strict=True):
        if not any(victim["threshold"] is None for victim in (*first["evicted"], *second["evicted"])):
            assert second["evicted"] == []


JUNK: list[Any] = [None, True, -1, 1.5, 1e300, 10**30, "", "x", "-1", "1e400", "0%", "off", "NaN%", [], {}, [None],
                   {"": None}, "\x00", "default/a", "2026-01-01T00:00:00Z"]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every object or list in the value, with each key or position in it."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else range(len(value))
    return [place for key in keys for place in ((value, key), *places(value[key]))]


@settings(max_examples=200)
@given(SCENARIO, st.randoms(use_true_random=False), st.sampled_from(JUNK))
def test_a_broken_scenario_plays_or_says_where_it_is_broken(story: dict[str, Any], random: Any, junk: Any) -> None:
    broken = deepcopy(story)
    holder, key = random.choice(places(broken))
    if random.random() < 0.2:
        del holder[key]
    else:
        holder[key] = junk
    found = decoded(broken)
    if found.scenario is None:
        assert found.errors
        assert all(error.message for error in found.errors)
    else:
        assert json.dumps(played(broken)) == json.dumps(played(broken))
