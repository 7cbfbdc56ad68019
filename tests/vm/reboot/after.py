"""Second boot: what was on the disk when the power went is found and removed, and a pod runs as if nothing had been."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from powercut import BASE, CUTS, Cut
from root.lab import run_pods, script_pod
from sandbox import REPOSITORY, Sandbox

pytestmark = pytest.mark.root

STATE, LOGS = Path("/var/lib/nodeguard/pods"), Path("/var/log/pods")


def nodeguard(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nodeguard", *map(str, words)],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip


def test_what_a_power_cut_left_is_removed(tmp_path: Path) -> None:
    (left,) = STATE.iterdir()
    assert [path.read_text() for path in left.rglob("file")] == ["kept\n"]
    done = nodeguard("cleanup")
    assert done.returncode == 0, done.stderr
    assert left.name in done.stdout
    assert list(STATE.iterdir()) == []
    assert list(LOGS.iterdir()) == []
    manifest = tmp_path / "pod.json"
    manifest.write_text(json.dumps(script_pod("echo again")))
    done = nodeguard("run", manifest)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "echo again" not in done.stdout
    assert "again" in done.stdout
    assert list(STATE.iterdir()) == []
    assert nodeguard("cleanup").stderr == "nothing to remove\n"


@pytest.mark.parametrize(("name", "cut"), CUTS.items(), ids=CUTS)
def test_what_was_half_made_is_removed(name: str, cut: Cut, working_runtime: Path) -> None:
    assert (BASE / name / "said").read_text(), "it was not on the disk"
    if cut.loses_run:
        shutil.rmtree(BASE / name / "run")
    sandbox = Sandbox(BASE / name, f"powercut-{name}", known_runtimes=working_runtime)
    done = sandbox.nodeguard("cleanup")
    assert done.returncode == 0, done.stderr
    assert sandbox.left_behind() == []
    outcome = run_pods(sandbox, script_pod("echo again"))
    assert (outcome.code, outcome.log()) == (0, ["again"]), outcome.text
    assert sandbox.left_behind() == []
