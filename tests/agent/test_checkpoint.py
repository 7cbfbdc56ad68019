"""What is kept of a pod so that another process can go on with it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeguard.agent.checkpoint import Checkpoint, KeptContainer, clock_offset, read_pod, read_state, write_pod
from nodeguard.agent.cleanup import is_left_to_an_agent, remove_logs
from nodeguard.agent.clock import Clock
from nodeguard.agent.record import POD_FILE, STATE_FILE, Owner, Record
from nodeguard.model.decode import decode, decode_items
from nodeguard.model.document import Document, parse
from nodeguard.model.pod import ContainerKind, Pod
from nodeguard.model.status import ContainerStage, ContainerView, SandboxStage, StopRequest, Termination
from nodeguard.policy.qos import qos_class

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

instants = st.floats(min_value=0, max_value=4e9, allow_nan=False) | st.none()
words = st.text(max_size=20)
ends = st.builds(
    Termination,
    exit_code=st.integers(0, 255),
    reason=words,
    message=words,
    started_at=instants,
    finished_at=instants,
    container_id=words,
)
views = st.builds(
    ContainerView,
    name=words,
    kind=st.sampled_from(ContainerKind),
    stage=st.sampled_from(ContainerStage),
    attempt=st.integers(0, 1000),
    container_id=words,
    pid=st.integers(1, 1 << 22) | st.none(),
    started_at=instants,
    ended=ends | st.none(),
    backoff_seconds=st.floats(0, 300),
    backoff_updated_at=instants,
    terminated_at=instants,
    killed_at=instants,
)
containers = st.builds(
    KeptContainer,
    view=views,
    start_time_ticks=st.integers(0, 1 << 62) | st.none(),
    stop_signal=st.integers(1, 64),
    oom_kills=st.integers(0, 9),
)
stops = st.builds(
    StopRequest,
    at=st.floats(0, 4e9),
    grace_seconds=st.floats(0, 3600),
    reason=words,
    message=words,
    disruption=words,
)
states = st.builds(
    Checkpoint,
    clock_offset=st.floats(0, 4e9),
    stage=st.sampled_from(SandboxStage),
    stop=stops | st.none(),
    struck_at=instants,
    eviction=words,
    failure=ends | st.none(),
    ever_initialized=st.booleans(),
    is_deleted=st.booleans(),
    conditions=st.lists(st.dictionaries(words, words | st.none(), max_size=3), max_size=3).map(tuple),
    containers=st.dictionaries(words, containers, max_size=3),
)


def manifest(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "labels": {"app": "web"}},
        "spec": {
            "containers": [{"name": "main", "image": "host", "command": ["true"], "resources": {"limits": {"cpu": 1}}}],
            **spec,
        },
    }


def decoded(value: dict[str, Any]) -> Pod:
    (pod,) = decode_items(Document(value={}, source="test", lines={}), (), [value], "Pod").pods
    return pod


@given(state=states)
def test_a_state_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, state: Checkpoint) -> None:
    directory = tmp_path_factory.mktemp("pod")
    state.write(directory)
    assert read_state(directory) == state
    assert os.listdir(directory) == [STATE_FILE]


def test_there_is_none_before_the_first(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    assert read_pod(tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"stage": "ready"}', '{"clockOffset": "x", "stage": "ready"}', "\0"]
)
def test_what_is_damaged_is_none(tmp_path: Path, text: str) -> None:
    for file in (STATE_FILE, POD_FILE):
        (tmp_path / file).write_text(text)
    assert read_state(tmp_path) is None
    assert read_pod(tmp_path) is None


def test_a_pod_is_read_as_it_was_written(tmp_path: Path) -> None:
    pod = decoded(manifest(priority=7, priorityClassName="high", activeDeadlineSeconds=60))
    write_pod(tmp_path, pod.raw, 5.25)
    kept = read_pod(tmp_path)
    assert kept is not None
    assert (kept.pod, kept.started_at) == (pod, 5.25)
    assert kept.pod.raw == pod.raw
    assert (kept.pod.meta.uid, kept.pod.priority) == ("u-1", 7)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_read_as_it_was_written(tmp_path: Path, example: Path) -> None:
    """Defaults and all: what has been decoded once is decoded to the same again."""
    for pod in decode(parse(example.read_bytes(), str(example))).pods:
        metadata = {**pod.raw["metadata"], "uid": "u-1", "name": pod.meta.name or "made-up"}
        given = {**pod.raw, "metadata": metadata, "status": {"qosClass": qos_class(pod).qos.value}}
        write_pod(tmp_path, given, 1.0)
        kept = read_pod(tmp_path)
        assert kept is not None
        assert qos_class(kept.pod).qos is qos_class(pod).qos
        assert replace(kept.pod, meta=pod.meta, qos_class=pod.qos_class, given=pod.given) == pod


def test_a_pod_of_the_future_is_none(tmp_path: Path) -> None:
    """Fields that this version does not know may say anything: it must not run half of a pod."""
    write_pod(tmp_path, manifest(containers=[]), 1.0)
    assert read_pod(tmp_path) is None


def test_instants_follow_a_clock_that_was_set(tmp_path: Path) -> None:
    ended = Termination(exit_code=1, reason="Error", started_at=90.0, finished_at=95.0)
    view = ContainerView(
        name="main",
        kind=ContainerKind.APP,
        stage=ContainerStage.RUNNING,
        started_at=100.0,
        ended=ended,
        backoff_updated_at=96.0,
        terminated_at=110.0,
    )
    state = Checkpoint(
        clock_offset=1000.0,
        stage=SandboxStage.READY,
        stop=StopRequest(at=109.0, grace_seconds=30.0),
        struck_at=111.0,
        failure=ended,
        containers={"main": KeptContainer(view=view)},
    )
    assert state.by_clock(1000.4) == state, "no two processes read the clock at the same moment"
    later = state.by_clock(4600.0)
    seen = later.containers["main"].view
    assert later.stop == StopRequest(at=3709.0, grace_seconds=30.0)
    assert (later.struck_at, later.clock_offset) == (3711.0, 4600.0)
    assert later.failure == seen.ended == replace(ended, started_at=3690.0, finished_at=3695.0)
    assert (seen.started_at, seen.backoff_updated_at, seen.terminated_at) == (3700.0, 3696.0, 3710.0)
    assert seen.killed_at is None


def test_two_clocks_of_one_boot_have_one_offset() -> None:
    assert abs(clock_offset(Clock()) - clock_offset(Clock())) < 1.0


def record(**changes: Any) -> Record:
    me = Owner.current()
    fields: dict[str, Any] = {
        "uid": "u-1",
        "namespace": "shop",
        "name": "web",
        "owner": replace(me, start_time_ticks=me.start_time_ticks - 1),
        "cgroup": "/ng/burstable/podu-1",
        "log_dir": "/var/log/pods/x",
        "state_dir": "/var/lib/nodeguard/pods/x",
        "runtime": "/usr/bin/runc",
        "adoptable": True,
    }
    return Record(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "has_pod", "is_left"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"adoptable": False}, True, False),
        ({"owner": Owner.current()}, True, False),
        ({"owner": replace(Owner.current(), boot_id="another")}, True, False),
    ],
    ids=["ended agent", "nothing to go on with", "run", "it lives", "another boot"],
)
def test_what_is_left_to_an_agent(tmp_path: Path, changes: dict[str, Any], has_pod: bool, is_left: bool) -> None:
    if has_pod:
        (tmp_path / POD_FILE).write_text("{}")
    assert is_left_to_an_agent(tmp_path, record(**changes), Owner.current().boot_id) is is_left


def test_logs_of_one_pod_alone_are_removed(tmp_path: Path) -> None:
    for name in ("shop_web_u-1", "shop_web_u-12", "shop_web_xu-1", "shop_u-1_u-2"):
        (tmp_path / name / "main").mkdir(parents=True)
        (tmp_path / name / "main" / "0.log").write_text("x")
    remove_logs(tmp_path, "u-1")
    assert sorted(os.listdir(tmp_path)) == ["shop_u-1_u-2", "shop_web_u-12", "shop_web_xu-1"]
    remove_logs(tmp_path, "")
    remove_logs(tmp_path / "missing", "u-2")
    assert len(os.listdir(tmp_path)) == 3


def test_a_state_is_plain_json(tmp_path: Path) -> None:
    """Whoever looks at a node that has crashed can read it."""
    Checkpoint(clock_offset=1.0, stage=SandboxStage.READY).write(tmp_path)
    assert json.loads((tmp_path / STATE_FILE).read_text())["stage"] == "ready"
