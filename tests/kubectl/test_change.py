"""kubectl label, annotate, edit, patch and set: small changes. Both programs run all of these."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kubectl.cluster import Kubectl
from root.lab import pod

pytestmark = [pytest.mark.root, pytest.mark.anywhere]


@pytest.fixture
def settings(kubectl: Kubectl) -> str:
    kubectl("create", "configmap", "settings", "--from-literal=a=1")
    return "configmap/settings"


def test_label_and_annotate(kubectl: Kubectl, settings: str) -> None:
    assert kubectl("label", settings, "a=1").out == "configmap/settings labeled\n"
    said = kubectl("label", settings, "a=2", fails=1).err
    assert said == "error: 'a' already has a value (1), and --overwrite is false\n"
    assert kubectl("label", settings, "a=2", "--overwrite").out == "configmap/settings labeled\n"
    assert kubectl("label", settings, "a=2").out == "configmap/settings not labeled\n"
    assert kubectl("label", settings, "--list").out == "a=2\n"
    assert kubectl("label", settings, "a-").out == "configmap/settings unlabeled\n"
    said = kubectl("label", settings, "a=not/good", fails=1).err
    assert "a valid label must be an empty string or consist of alphanumeric characters" in said
    assert kubectl("annotate", settings, "note=any text!").out == "configmap/settings annotated\n"
    assert kubectl.value(settings, ".metadata.annotations.note") == "any text!"
    assert kubectl("annotate", settings, "note-").out == "configmap/settings annotated\n"
    assert kubectl.value(settings, ".metadata.annotations.note") == ""


def test_a_label_of_a_pod_that_runs(kubectl: Kubectl) -> None:
    kubectl.run_pod(pod("web"))
    started = kubectl.value("pod/web", ".status.containerStatuses[0].containerID")
    assert kubectl("label", "pods", "--all", "tier=front").out == "pod/web labeled\n"
    assert kubectl("get", "pods", "-l", "tier=front", "-o", "name").lines == ["pod/web"]
    assert kubectl.value("pod/web", ".status.containerStatuses[0].containerID") == started


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("strategic", {"data": {"b": "2"}}),
        ("merge", {"data": {"b": "2"}}),
        ("json", [{"op": "add", "path": "/data/b", "value": "2"}]),
    ],
)
def test_patch(kubectl: Kubectl, settings: str, kind: str, patch: object) -> None:
    words = ("patch", settings, f"--type={kind}", "-p", json.dumps(patch))
    assert kubectl(*words).out == "configmap/settings patched\n"
    assert kubectl.get(settings)["data"] == {"a": "1", "b": "2"}
    assert kubectl(*words).out == "configmap/settings patched (no change)\n"


def test_strategic_and_merge_patches_treat_lists_differently(kubectl: Kubectl) -> None:
    tolerations = [{"key": "one", "operator": "Exists"}]
    kubectl.apply(pod("web", tolerations=tolerations))
    patch = json.dumps({"metadata": {"finalizers": ["test/one"]}})
    kubectl("patch", "pod", "web", "-p", patch)
    more = json.dumps({"metadata": {"finalizers": ["test/two"]}})
    kubectl("patch", "pod", "web", "-p", more)
    assert sorted(kubectl.get("pod", "web")["metadata"]["finalizers"]) == ["test/one", "test/two"]
    kubectl("patch", "pod", "web", "--type=merge", "-p", more)
    assert kubectl.get("pod", "web")["metadata"]["finalizers"] == ["test/two"]
    kubectl("delete", "pod", "web", "--wait=false")
    assert kubectl.value("pod/web", ".metadata.deletionTimestamp")
    kubectl("patch", "pod", "web", "--type=json", "-p", '[{"op": "remove", "path": "/metadata/finalizers"}]')
    kubectl("wait", "--for=delete", "pod/web", "--timeout=30s")


def test_a_json_patch_whose_test_fails(kubectl: Kubectl, settings: str) -> None:
    patch = '[{"op": "test", "path": "/data/a", "value": "9"}, {"op": "remove", "path": "/data/a"}]'
    said = kubectl("patch", settings, "--type=json", "-p", patch, fails=1).err
    assert said.startswith("The request is invalid")
    assert kubectl.get(settings)["data"] == {"a": "1"}


def test_patch_of_the_status_does_not_touch_the_spec(newest: Kubectl) -> None:
    newest("create", "configmap", "c")
    said = newest("patch", "node", "nowhere", "--subresource=status", "-p", "{}", fails=1).err
    assert said == 'Error from server (NotFound): nodes "nowhere" not found\n'


def script(directory: Path, text: str) -> str:
    """An editor that does its work without anybody."""
    path = directory / "editor"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_edit(kubectl: Kubectl, settings: str, tmp_path: Path) -> None:
    editing = kubectl.having(KUBE_EDITOR=script(tmp_path, """sed -i 's/a: "1"/a: "2"/' "$1" """))
    assert editing("edit", settings).out == "configmap/settings edited\n"
    assert kubectl.get(settings)["data"] == {"a": "2"}
    assert editing("edit", settings).err == "Edit cancelled, no changes made.\n"


def test_edit_that_the_server_refuses_keeps_what_was_typed(newest: Kubectl, tmp_path: Path) -> None:
    newest("create", "configmap", "settings")
    # The editor is called again with the server's words in the file; the second time it changes nothing.
    editing = newest.having(KUBE_EDITOR=script(tmp_path, """sed -i 's/^  name: settings/  name: other/' "$1" """))
    said = editing("edit", "configmap/settings", fails=1).err
    assert "error: At least one of apiVersion, kind and name was changed" in said


def test_set_of_what_a_pod_cannot_change(newest: Kubectl) -> None:
    newest.apply(pod("web"))
    said = newest("set", "env", "pod/web", "A=1", fails=1).err
    assert "pod updates may not change fields other than" in said
    # A cluster would replace the container.
    said = newest("set", "image", "pod/web", "main=host", fails=1).err
    assert "spec.containers[0].image: Forbidden: this node does not replace containers" in said
