"""The API server is killed, and the agent after it: clients come back, pods have not noticed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from kubectl.cluster import Cluster, Kubectl, until
from root.lab import pod

pytestmark = [pytest.mark.root, pytest.mark.anywhere]


def api_server(agent: int) -> int:
    """The process id of the agent's child; 0 while there is none."""
    for task in Path(f"/proc/{agent}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"nodeguard.api" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return int(child)
    return 0


def test_the_api_server_is_killed(newest: Kubectl, cluster: Cluster) -> None:
    newest.run_pod(pod("web"))
    newest("create", "configmap", "c", "--from-literal=a=1")
    before = newest.get("pod", "web")
    killed = api_server(cluster.pid)
    with newest.started("get", "configmaps", "-w") as watching:
        watching.read_until("c ")
        os.kill(killed, signal.SIGKILL)
        watching.process.wait(30)
    until(lambda: api_server(cluster.pid) not in (0, killed), "another API server")
    # The agent has the listening sockets, so that a request may wait, but is not turned away.
    after = newest.get("pod", "web")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["containerStatuses"] == before["status"]["containerStatuses"]
    assert newest.value("configmap/c", ".data.a") == "1"
    assert newest("exec", "web", "--", "echo", "hello").out == "hello\n"

    # What happened before its time the new one does not know: list anew.
    version = before["metadata"]["resourceVersion"]
    path = f"/api/v1/namespaces/{newest.namespace}/configmaps?watch=1&timeoutSeconds=1&resourceVersion={version}"
    said = newest("get", "--raw", path, fails=1).err
    assert said.startswith("Error from server (Expired): ")
