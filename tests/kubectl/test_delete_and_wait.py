"""kubectl delete and wait. Both programs run all of these."""

from __future__ import annotations

import pytest
from kubectl.cluster import Kubectl
from root.lab import DEAF, container, pod

pytestmark = [pytest.mark.root, pytest.mark.anywhere]


def labelled(name: str, **labels: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


def test_delete_waits_until_the_pod_is_gone(kubectl: Kubectl) -> None:
    kubectl.run_pod(pod("web"))
    said = kubectl("delete", "pod", "web")
    assert said.out == f'pod "web" deleted from {kubectl.namespace} namespace\n'
    assert kubectl("get", "pods").err == f"No resources found in {kubectl.namespace} namespace.\n"
    said = kubectl("delete", "pod", "web", fails=1).err
    assert said == 'Error from server (NotFound): pods "web" not found\n'
    assert kubectl("delete", "pod", "web", "--ignore-not-found").out == ""


def test_delete_with_grace(kubectl: Kubectl) -> None:
    """A pod that does not care about SIGTERM: in its grace it is Terminating, a shorter grace ends it sooner."""
    kubectl.run_pod(pod("deaf", container(script=DEAF), terminationGracePeriodSeconds=600))
    kubectl("delete", "pod", "deaf", "--wait=false")
    assert kubectl("get", "pod", "deaf").rows[1][2] == "Terminating"
    assert kubectl.value("pod/deaf", ".metadata.deletionGracePeriodSeconds") == "600"
    kubectl("delete", "pod", "deaf", "--grace-period=1", "--timeout=30s")
    kubectl("get", "pod", "deaf", fails=1)


def test_delete_by_force(kubectl: Kubectl) -> None:
    kubectl.run_pod(pod("deaf", container(script=DEAF), terminationGracePeriodSeconds=600))
    said = kubectl("delete", "pod", "deaf", "--force", "--grace-period=0")
    assert said.out == f'pod "deaf" force deleted from {kubectl.namespace} namespace\n'
    assert said.err.startswith("Warning: Immediate deletion does not wait for confirmation that the running resource")
    kubectl("get", "pod", "deaf", fails=1)


def test_delete_now(newest: Kubectl) -> None:
    newest.run_pod(pod("deaf", container(script=DEAF), terminationGracePeriodSeconds=600))
    newest("delete", "pod", "deaf", "--now", "--timeout=30s")
    newest("get", "pod", "deaf", fails=1)


def test_delete_by_label_and_all(kubectl: Kubectl) -> None:
    kubectl.apply(labelled("a", app="x"), labelled("b", app="x"), labelled("c", app="y"))
    where = f"deleted from {kubectl.namespace} namespace"
    assert kubectl("delete", "configmaps", "-l", "app=x").lines == [f'configmap "a" {where}', f'configmap "b" {where}']
    assert kubectl("get", "configmaps", "-o", "name").lines == ["configmap/c"]
    assert kubectl("delete", "configmaps", "--all").lines == [f'configmap "c" {where}']


def test_delete_takes_along_what_is_owned(kubectl: Kubectl) -> None:
    kubectl.apply(labelled("owner"))
    uid = kubectl.value("configmap/owner", ".metadata.uid")
    owned = labelled("owned")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    owned["metadata"] = {"name": "owned", "ownerReferences": [reference]}
    kubectl.apply(owned)
    kubectl("delete", "configmap", "owner")
    kubectl("wait", "--for=delete", "configmap/owned", "--timeout=30s")


def test_delete_that_leaves_orphans(newest: Kubectl) -> None:
    newest.apply(labelled("owner"))
    uid = newest.value("configmap/owner", ".metadata.uid")
    owned = labelled("owned")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    owned["metadata"] = {"name": "owned", "ownerReferences": [reference]}
    newest.apply(owned)
    newest("delete", "configmap", "owner", "--cascade=orphan")
    assert newest.value("configmap/owned", ".metadata.ownerReferences") == ""


def test_delete_of_a_namespace_takes_all_with_it(newest: Kubectl) -> None:
    name = f"{newest.namespace}-x"
    everywhere = newest.within("")
    assert everywhere("create", "namespace", name).out == f"namespace/{name} created\n"
    there = newest.within(name)
    there.run_pod(pod("web"))
    there("create", "configmap", "c")
    assert everywhere("delete", "namespace", name, "--timeout=30s").out == f'namespace "{name}" deleted\n'
    assert there("get", "pods,configmaps").err == f"No resources found in {name} namespace.\n"
    said = everywhere("delete", "namespace", "kube-system", fails=1).err
    assert said == (
        'Error from server (Forbidden): namespaces "kube-system" is forbidden: this namespace may not be deleted\n'
    )


def test_wait(kubectl: Kubectl) -> None:
    kubectl.run_pod(pod("web"))
    assert kubectl("wait", "--for=condition=Ready", "pod/web").out == "pod/web condition met\n"
    assert kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/web").out == "pod/web condition met\n"
    said = kubectl("wait", "--for=condition=Ready=false", "pod/web", "--timeout=1s", fails=1).err
    assert said == "error: timed out waiting for the condition on pods/web\n"
    with kubectl.started("wait", "--for=delete", "pod/web", "--timeout=30s") as waiting:
        kubectl("delete", "pod", "web", "--wait=false")
        assert waiting.process.wait(30) == 0  # it says nothing when the pod is gone before it looks
    said = kubectl("wait", "--for=create", "configmap/never", "--timeout=1s", fails=1).err
    assert said.startswith("error: timed out waiting for the condition")


def test_wait_for_something_that_comes_later(newest: Kubectl) -> None:
    with newest.started("wait", "--for=create", "configmap/late", "--timeout=30s") as waiting:
        newest("create", "configmap", "late")
        waiting.read_until("configmap/late condition met\n")
