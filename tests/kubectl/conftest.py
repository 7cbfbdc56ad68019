"""One agent for all tests of this directory, and two kubectl: the current one and the one before.

Every test gets a namespace of its own, so that they do not see each other's pods. Tests that take ``kubectl`` run with
both programs; those that take ``newest`` with the current one alone: what they look at does not depend on how kubectl
asks (the same requests, seen with both), or they take seconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubectl.cluster import Cluster, Kubectl, running_cluster
from sandbox import Sandbox

NEWEST, BEFORE = "v37", "v36"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(root_session: Path, working_runtime: Path) -> Iterator[Cluster]:
    session = root_session.name.rpartition("-")[0]
    box = Sandbox(root_session / "kubectl", f"{session}-kubectl", known_runtimes=working_runtime)
    try:
        with running_cluster(box, version=NEWEST) as running:
            yield running
        left = [each for each in box.left_behind() if not each.startswith("file ")]
    finally:
        box.wipe()
    assert not left, "left behind:\n" + "\n".join(left)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A new namespace; all that is in it goes with it."""
    name = f"test-{next(_numbers)}"
    kubectl = cluster.kubectl(NEWEST)
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def newest(cluster: Cluster, namespace: str) -> Kubectl:
    return cluster.kubectl(NEWEST, namespace)


@pytest.fixture(params=[NEWEST, BEFORE])
def kubectl(cluster: Cluster, namespace: str, request: pytest.FixtureRequest) -> Kubectl:
    return cluster.kubectl(request.param, namespace)
