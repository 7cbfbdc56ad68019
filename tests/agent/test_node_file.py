"""What processes tell of the node, on disk: damaged files, ended processes, pids given anew, full disks."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from podbuilder import amounts

from nodeguard.agent import node_file
from nodeguard.agent.node_file import NodeFile, path_of, read_node_files, to_text, write_text
from nodeguard.agent.node_view import put_together
from nodeguard.agent.record import Owner, remove_words_of_dead
from nodeguard.cli.describe_node import description
from nodeguard.cli.get_node import node_table
from nodeguard.model.node import NodeAddress, NodeCondition, NodeFacts
from nodeguard.model.placement import Taint
from nodeguard.model.signal import Signal
from nodeguard.policy.pod_share import PodShare
from nodeguard.policy.signal_state import SignalState, ThresholdState


def file_of(owner: Owner | None = None) -> NodeFile:
    return NodeFile(
        owner=owner or Owner.current(),
        renewed_at=5.0,
        facts=NodeFacts(
            name="n1",
            registered_at=0.0,
            capacity=amounts("cpu=4 memory=8Gi"),
            allocatable=amounts("cpu=3900m memory=7Gi"),
            addresses=(NodeAddress(type="Hostname", address="n1"),),
            taints=(Taint(key="k", value="v"),),
        ),
        conditions=(
            NodeCondition(
                type="Ready", status="True", reason="R", message="M", last_heartbeat_at=1.25, last_transition_at=1.0
            ),
        ),
        signals=(
            SignalState(
                signal=Signal.PID_AVAILABLE, threshold="pid.available<5%/hard", state=ThresholdState.OK, available=-3
            ),
        ),
        ends={"MemoryPressure": 7.5},
        pods=(
            PodShare(
                namespace="default",
                name="a",
                uid="u",
                qos_class="Burstable",
                priority=0,
                requests=amounts("cpu=1"),
                limits={},
                started_at=3.0,
            ),
        ),
    )


def written(run_dir: Path, file: NodeFile) -> Path:
    path = path_of(run_dir, file.owner)
    path.parent.mkdir(exist_ok=True)
    write_text(path, to_text(file))
    return path


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, file_of())
    assert read_node_files(tmp_path, Owner.current().boot_id) == (file_of(),)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_nobody_tells_anything(tmp_path: Path) -> None:
    assert read_node_files(tmp_path, "b") == ()
    remove_words_of_dead(tmp_path / "nodes", "b")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda owner: replace(owner, start_time_ticks=owner.start_time_ticks + 1), id="a pid given anew"),
        pytest.param(lambda owner: replace(owner, boot_id="another"), id="an earlier boot"),
        pytest.param(lambda owner: replace(owner, pid=2**22 + 1), id="an ended process"),
    ],
)
def test_a_process_that_is_gone_tells_nothing(tmp_path: Path, change: Callable[[Owner], Owner]) -> None:
    me = Owner.current()
    path = written(tmp_path, file_of(change(me)))
    assert read_node_files(tmp_path, me.boot_id) == ()
    remove_words_of_dead(path.parent, me.boot_id)
    assert not path.exists()


def test_the_living_keep_their_word(tmp_path: Path) -> None:
    path = written(tmp_path, file_of())
    unfinished, abandoned = path.with_name(".1.json"), path.with_name(".2.json")
    unfinished.write_text("{")
    abandoned.write_text("{")
    os.utime(abandoned, (0, 0))
    remove_words_of_dead(path.parent, Owner.current().boot_id)
    assert sorted(entry.name for entry in path.parent.iterdir()) == [".1.json", path.name]


def without(*keys: str) -> Callable[[dict[str, Any]], Any]:
    def change(data: dict[str, Any]) -> Any:
        holder = data
        for key in keys[:-1]:
            holder = holder[key]
        del holder[keys[-1]]
        return data

    return change


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: [], id="a list"),
        pytest.param(lambda data: 5, id="a number"),
        pytest.param(lambda data: None, id="null"),
        pytest.param(lambda data: {**data, "facts": 5}, id="facts that are a number"),
        pytest.param(without("facts", "name"), id="no name"),
        pytest.param(without("facts", "capacity"), id="no capacity"),
        pytest.param(lambda data: {**data, "facts": {**data["facts"], "capacity": {"cpu": "4"}}}, id="no quantity"),
        pytest.param(
            lambda data: {**data, "facts": {**data["facts"], "registeredAt": 1e300}}, id="after all calendars"
        ),
        pytest.param(lambda data: {**data, "conditions": [{"type": "Ready"}]}, id="half a condition"),
        pytest.param(
            lambda data: {**data, "conditions": [{**data["conditions"][0], "lastHeartbeatAt": "now"}]},
            id="a heartbeat in words",
        ),
        pytest.param(lambda data: {**data, "conditions": 5}, id="conditions that are a number"),
        pytest.param(lambda data: {**data, "signals": [{"signal": "x"}]}, id="half a signal"),
        pytest.param(
            lambda data: {**data, "signals": [{**data["signals"][0], "signal": "x"}]}, id="a signal nobody knows"
        ),
        pytest.param(lambda data: {**data, "pods": [{"name": "x"}]}, id="half a pod"),
        pytest.param(
            lambda data: {**data, "pods": [{**data["pods"][0], "requests": {"cpu": "much"}}]}, id="a request in words"
        ),
        pytest.param(lambda data: {**data, "renewedAt": "now"}, id="a renewal in words"),
        pytest.param(lambda data: {**data, "owner": {"pid": 1}}, id="half an owner"),
        pytest.param(lambda data: {**data, "owner": {**data["owner"], "pid": "1"}}, id="a pid in words"),
    ],
)
def test_a_damaged_file_is_passed_over(tmp_path: Path, damage: Callable[[dict[str, Any]], Any]) -> None:
    path = written(tmp_path, file_of())
    path.write_text(json.dumps(damage(json.loads(path.read_bytes()))))
    assert read_node_files(tmp_path, Owner.current().boot_id) == ()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"node": NaN}', b"\0" * 4096])
def test_text_that_is_no_json(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, file_of())
    path.write_bytes(content)
    boot_id = Owner.current().boot_id
    assert read_node_files(tmp_path, boot_id) == ()
    remove_words_of_dead(path.parent, boot_id)
    assert not path.exists()


def test_only_files_are_read(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes"
    nodes.mkdir()
    (nodes / "1.json").mkdir()
    os.mkfifo(nodes / "2.json")
    (nodes / "3.json").symlink_to(written(tmp_path, file_of()))
    (nodes / "4.txt").write_text("")
    assert len(read_node_files(tmp_path, Owner.current().boot_id)) == 1


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, flags, mode, **more)

    monkeypatch.setattr(node_file.os, "open", refuse)


def test_on_a_full_disk_the_file_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, file_of())
    size, number = path.stat().st_size, path.stat().st_ino
    full_disk(monkeypatch)
    later = replace(file_of(), renewed_at=6.0, ends={"DiskPressure": 1.0 / 3})
    write_text(path, to_text(later))
    assert (path.stat().st_size, path.stat().st_ino) == (size, number), "it takes no more of the disk"
    assert read_node_files(tmp_path, Owner.current().boot_id) == (later,)


def test_what_does_not_fit_leaves_the_old_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, file_of())
    full_disk(monkeypatch)
    pods = tuple(replace(file_of().pods[0], uid=str(number)) for number in range(100))
    with pytest.raises(OSError, match="do not fit"):
        write_text(path, to_text(replace(file_of(), pods=pods)))
    assert read_node_files(tmp_path, Owner.current().boot_id) == (file_of(),)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_stands_in_a_file_it_is_read_or_passed_over(tmp_path: Path, data: st.DataObject) -> None:
    """One part of a good file, at any depth, becomes anything; whoever is left can be printed."""
    path = written(tmp_path, file_of())
    document = json.loads(path.read_bytes())
    holder: Any = document
    while True:
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        if not isinstance(holder[key], dict | list) or not holder[key] or data.draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = data.draw(ANYTHING)
    path.write_text(json.dumps(document))
    files = read_node_files(tmp_path, Owner.current().boot_id)
    if files:
        view = put_together(files, monotonic=100.0, now=1e9)
        assert node_table([dict(view.node)], wide=True, now=1e9)
        assert list(description(view, 1e9))
