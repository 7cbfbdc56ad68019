"""kubectl drain, cordon, uncordon and taint. One node serves all tests, so each puts back what it changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kubectl.cluster import Cluster, Kubectl, until
from root.lab import pod

pytestmark = [pytest.mark.root, pytest.mark.anywhere]


@pytest.fixture
def node(cluster: Cluster) -> Iterator[str]:
    """The node's name; afterwards pods may come again."""
    yield cluster.node
    newest = cluster.kubectl("v37")
    newest("uncordon", cluster.node)
    assert newest.value(f"node/{cluster.node}", ".spec.taints") == ""


def test_cordon_and_uncordon(kubectl: Kubectl, node: str) -> None:
    assert kubectl("cordon", node).out == f"node/{node} cordoned\n"
    assert kubectl("cordon", node).out == f"node/{node} already cordoned\n"
    assert kubectl("get", "node", node).rows[1][1] == "Ready,SchedulingDisabled"
    assert "Unschedulable:      true" in kubectl("describe", "node", node).out
    kubectl.apply(pod("late"))
    until(lambda: kubectl("get", "pod", "late").rows[1][2] == "Pending", "a pod that waits")
    assert kubectl("uncordon", node).out == f"node/{node} uncordoned\n"
    kubectl("wait", "--for=condition=Ready", "pod/late", "--timeout=30s")
    assert kubectl("get", "node", node).rows[1][1] == "Ready"


def test_drain_evicts_what_may_go_and_says_what_may_not(kubectl: Kubectl, node: str) -> None:
    manifest = pod("web")
    manifest["metadata"]["labels"] = {"drained": kubectl.namespace}
    kubectl.run_pod(manifest)
    selected = f"--pod-selector=drained={kubectl.namespace}"
    said = kubectl("drain", node, selected, fails=1)
    assert said.out == f"node/{node} cordoned\n"
    assert said.err.startswith(
        f'error: unable to drain node "{node}" due to error: cannot delete Pods that declare no '
    )
    assert f"(use --force to override): {kubectl.namespace}/web" in said.err

    said = kubectl("drain", node, selected, "--force", "--timeout=30s")
    assert said.lines == [
        f"node/{node} already cordoned",
        f"evicting pod {kubectl.namespace}/web",
        "pod/web evicted",
        f"node/{node} drained",
    ]
    assert "Warning: deleting Pods that declare no controller" in said.err
    assert kubectl("get", "pods").out == ""


def test_drain_without_eviction_deletes(newest: Kubectl, node: str) -> None:
    manifest = pod("web")
    manifest["metadata"]["labels"] = {"drained": newest.namespace}
    newest.run_pod(manifest)
    words = (f"--pod-selector=drained={newest.namespace}", "--force", "--disable-eviction", "--timeout=30s")
    assert newest("drain", node, *words).lines[-2:] == ["pod/web deleted", f"node/{node} drained"]


def test_a_taint_keeps_pods_out_and_drives_pods_away(kubectl: Kubectl, node: str) -> None:
    kubectl.run_pod(pod("stays", tolerations=[{"key": "test", "operator": "Exists"}]))
    kubectl.run_pod(pod("goes"))
    try:
        assert kubectl("taint", "node", node, "test=1:NoExecute").out == f"node/{node} tainted\n"
        said = kubectl("taint", "node", node, "test=2:NoExecute", fails=1).err
        assert said == f"error: node {node} already has test taint(s) with same effect(s) and --overwrite is false\n"
        assert kubectl("taint", "node", node, "test=2:NoExecute", "--overwrite").out == f"node/{node} modified\n"
        kubectl("wait", "--for=delete", "pod/goes", "--timeout=30s")
        assert kubectl("get", "pods", "-o", "name").lines == ["pod/stays"]
    finally:
        assert kubectl("taint", "node", node, "test-").out == f"node/{node} untainted\n"


def test_labels_of_the_node_belong_to_the_user(newest: Kubectl, node: str) -> None:
    assert newest("label", "node", node, "disk=ssd").out == f"node/{node} labeled\n"
    assert newest("get", "nodes", "-l", "disk=ssd", "-o", "name").lines == [f"node/{node}"]
    assert newest("label", "node", node, "disk-").out == f"node/{node} unlabeled\n"
    assert newest.value(f"node/{node}", ".metadata.labels.kubernetes\\.io/hostname")
