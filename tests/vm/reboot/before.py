"""First boot: pods run, with things on the disk, or are half made, when the power goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from forkedcommand import instead_of_exec
from powercut import BASE, CUTS, STOPPED, Cut, stop_at
from root.lab import Json, container, pod, wait_for, write_manifest
from sandbox import REPOSITORY, Sandbox

pytestmark = pytest.mark.root


def pod_with_a_volume(script: str) -> Json:
    mounted = container(script=script, volumeMounts=[{"name": "data", "mountPath": "/data"}])
    return pod("p", mounted, volumes=[{"name": "data", "emptyDir": {}}])


@pytest.mark.parametrize(("name", "cut"), CUTS.items(), ids=CUTS)
def test_nodeguard_stands_still_when_the_power_goes(name: str, cut: Cut, working_runtime: Path) -> None:
    sandbox = Sandbox(BASE / name, f"powercut-{name}", known_runtimes=working_runtime)
    sandbox.spare_the_trial()
    manifest = write_manifest(sandbox, pod_with_a_volume("echo kept > /data/file"))
    said = sandbox.base / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            ["nodeguard"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            preexec_fn=instead_of_exec(
                ["run", str(manifest)], sandbox.environment, first=stop_at(cut, sandbox.base)
            ),
        )  # fmt: skip
    wait_for(lambda: STOPPED in said.read_text(), "the place to stop at")
    process.returncode = 0  # so that Python does not complain that it still runs


def test_pods_run_when_the_power_goes(tmp_path: Path) -> None:
    """In the real directories."""
    running_pod = pod_with_a_volume('trap "exit 0" TERM; echo kept > /data/file; echo up; sleep 10000 & wait')
    manifest = tmp_path / "pod.json"
    manifest.write_text(json.dumps(running_pod))
    # It is not waited for: the machine's power is cut right after this test. Hence a file, which needs no reader.
    said = tmp_path / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "nodeguard", "run", manifest],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, start_new_session=True,
        )  # fmt: skip
    wait_for(lambda: "] up\n" in said.read_text(), "the pod")
    # Without this most of it would never reach the disk, and the second boot would have nothing to clean up.
    os.sync()
    process.returncode = 0  # so that Python does not complain that it still runs
    assert list(Path("/var/lib/nodeguard/pods").iterdir())
