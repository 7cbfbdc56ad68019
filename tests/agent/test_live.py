"""What a process tells of its node for ``simulate --from-live``."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recordbuilder import pass_of

from nodeguard.agent import live
from nodeguard.agent.clock import Clock
from nodeguard.agent.live import LiveNode, read_live
from nodeguard.agent.loop import Loop
from nodeguard.agent.record import Owner
from nodeguard.cli.main import run
from nodeguard.model.eviction import EvictionMemory

NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n1", "labels": {"zone": "a"}, "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"providerID": "nodeguard://n1", "taints": [{"key": "x", "effect": "NoSchedule"}]},
    "status": {
        "capacity": {"cpu": "2", "memory": "1Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        "addresses": [{"type": "Hostname", "address": "n1"}],
        "nodeInfo": {"kernelVersion": "6"},
    },
}


@pytest.fixture
def loop() -> Iterator[Loop]:
    one = Loop(Clock())
    yield one
    one.close()


def told(loop: Loop, node: LiveNode, run_dir: Path, **changes: Any) -> Path:
    """Report a pass and wait until it has been written."""
    path = run_dir / "live" / f"{os.getpid()}.json"
    node.report(replace(pass_of(), **changes))
    loop.run_until(lambda: not node._is_writing)
    return path


def test_what_is_told_is_read(loop: Loop, tmp_path: Path) -> None:
    owner = Owner.current()
    node = LiveNode(loop, tmp_path, owner, node=lambda: NODE)
    path = told(loop, node, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (found,) = read_live(tmp_path, owner.boot_id)
    assert found.owner == owner
    assert found.scenario["metadata"] == {"name": "n1-now"}
    assert found.scenario["spec"]["node"] == {
        "metadata": {"name": "n1", "labels": {"zone": "a"}},
        "spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]},
        "status": {key: NODE["status"][key] for key in ("capacity", "conditions")},  # type: ignore[index]
    }
    node.close()
    assert read_live(tmp_path, owner.boot_id) == []


def test_it_is_not_written_all_the_time_nor_by_the_loop(loop: Loop, tmp_path: Path) -> None:
    threads: list[threading.Thread] = []

    def node_object() -> dict[str, Any]:
        threads.append(threading.current_thread())
        return NODE

    node = LiveNode(loop, tmp_path, Owner.current(), node=node_object)
    for _ in range(3):
        told(loop, node, tmp_path)
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


def test_a_disk_that_takes_nothing_is_no_reason_to_stop(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "EVERY_SECONDS", 0.0)
    (tmp_path / "live").write_text("a file in the way")
    node = LiveNode(loop, tmp_path, Owner.current(), node=lambda: NODE)
    told(loop, node, tmp_path)
    assert "state of the node not written" in caplog.text
    (tmp_path / "live").unlink()
    assert told(loop, node, tmp_path).exists()


def test_the_dead_and_the_unreadable_are_passed_over(loop: Loop, tmp_path: Path) -> None:
    owner = Owner.current()
    path = told(loop, LiveNode(loop, tmp_path, owner, node=lambda: NODE), tmp_path)
    dead = path.with_name("1.json")
    dead.write_text(path.read_text().replace(f'"start_time_ticks": {owner.start_time_ticks}', '"start_time_ticks": 1'))
    path.with_name("2.json").write_text("{")
    path.with_name("3.json").write_text("[]")
    assert [found.owner for found in read_live(tmp_path, owner.boot_id)] == [owner]
    assert not dead.exists()


# nodeguard simulate --from-live


@pytest.fixture
def simulate(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("NODEGUARD_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("NODEGUARD_CONFIG", "/dev/null")

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["simulate", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_the_node_as_it_is_is_played(loop: Loop, tmp_path: Path, simulate: Callable[..., tuple[int, str, str]]) -> None:
    told(loop, LiveNode(loop, tmp_path, Owner.current(), node=lambda: NODE), tmp_path)
    code, out, err = simulate("--from-live")
    assert code == 0
    assert err == f"as process {os.getpid()} saw the node 0s ago\n"
    assert out.startswith("n1-now, policy kubelet\n\nat 0 s: MemoryPressure\n")
    assert "evicts default/hog at once" in out
    code, out, _ = simulate("--from-live", "--compare", "kubelet,qos")
    assert (code, out.split()) == (0, ["N1-NOW", "KUBELET", "QOS", "0", "s", "default/hog", "default/hog"])


def test_what_if_nothing_were_left(loop: Loop, tmp_path: Path, simulate: Callable[..., tuple[int, str, str]]) -> None:
    plenty = {signal: replace(one, available=1 << 29) for signal, one in pass_of().snapshot.observations.items()}
    snapshot = replace(pass_of().snapshot, observations=plenty)
    node = LiveNode(loop, tmp_path, Owner.current(), node=lambda: NODE)
    told(loop, node, tmp_path, snapshot=snapshot, memory=EvictionMemory())
    steps = json.loads(simulate("--from-live", "--signal", "memory.available", "-o", "json")[1])["steps"]
    assert [[one["pod"] for one in step["evicted"]] for step in steps] == [[], ["default/hog"]]
    code, _, err = simulate("--from-live", "--signal", "pid.available")
    assert code == 2
    assert "--signal pid.available has no threshold, or cannot be read; watched are memory.available" in err


def test_the_scenario_can_be_kept_and_changed(
    loop: Loop, tmp_path: Path, simulate: Callable[..., tuple[int, str, str]]
) -> None:
    told(loop, LiveNode(loop, tmp_path, Owner.current(), node=lambda: NODE), tmp_path)
    for output, name in (("text", "a.yaml"), ("json", "a.json")):
        code, out, _ = simulate("--from-live", "--scenario", "-o", output)
        assert code == 0
        file = tmp_path / name
        file.write_text(out)
        code, out, err = simulate(str(file), "-o", "json")
        assert (code, err) == (0, "")
        assert json.loads(out)["steps"][0]["evicted"][0]["pod"] == "default/hog"


def test_on_a_host_without_pods_there_is_nothing_to_take(simulate: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = simulate("--from-live")
    assert (code, out) == (4, "")
    assert "no nodeguard runs pods on this host" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from-live", "x.yaml"], "--from-live takes the place of FILE"),
        (["--signal", "memory.available", "x.yaml"], "--signal and --scenario need --from-live"),
        (["--scenario", "x.yaml"], "--signal and --scenario need --from-live"),
        (["--from-live", "--signal", "cpu"], "'cpu' is not one of"),
    ],
)
def test_wrong_usage(simulate: Callable[..., tuple[int, str, str]], arguments: list[str], message: str) -> None:
    code, out, err = simulate(*arguments)
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())
