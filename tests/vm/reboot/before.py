"""First boot: pods run, with things on the disk, when the power goes. The directories are the real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from root.lab import container, pod, wait_for
from sandbox import REPOSITORY

pytestmark = pytest.mark.root


def test_pods_run_when_the_power_goes(tmp_path: Path) -> None:
    running_pod = pod(
        "p",
        container(
            script='trap "exit 0" TERM; echo kept > /data/file; echo up; sleep 10000 & wait',
            volumeMounts=[{"name": "data", "mountPath": "/data"}],
        ),
        volumes=[{"name": "data", "emptyDir": {}}],
    )
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
