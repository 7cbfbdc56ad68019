"""ConfigMaps and Secrets made with kubectl, and containers that use them. Both programs run most of these."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from kubectl.cluster import Kubectl, until
from root.lab import UNTIL_TERM, container, pod

pytestmark = [pytest.mark.root, pytest.mark.anywhere]


def test_create_from_literals_and_files(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "app.conf").write_text("colour = blue\n")
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    words = ("--from-literal=a=1", f"--from-file={tmp_path / 'app.conf'}", f"--from-file={tmp_path / 'binary'}")
    assert kubectl("create", "configmap", "c", *words).out == "configmap/c created\n"
    found = kubectl.get("configmap", "c")
    assert found["data"] == {"a": "1", "app.conf": "colour = blue\n"}
    assert found["binaryData"] == {"binary": "/wA="}
    assert kubectl("create", "secret", "generic", "s", "--from-literal=key=hidden").out == "secret/s created\n"
    found = kubectl.get("secret", "s")
    assert (found["type"], found["data"]) == ("Opaque", {"key": base64.b64encode(b"hidden").decode()})


def test_string_data_is_written_only(kubectl: Kubectl) -> None:
    kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "hidden"}})
    found = kubectl.get("secret", "s")
    assert "stringData" not in found
    assert found["data"] == {"key": base64.b64encode(b"hidden").decode()}


def test_an_immutable_one_stays_as_it_is(kubectl: Kubectl) -> None:
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c"},
        "immutable": True,
        "data": {"a": "1"},
    }
    kubectl.apply(settings)
    said = kubectl.apply(settings | {"data": {"a": "2"}}, fails=1).err
    assert 'The ConfigMap "c" is invalid: data: Forbidden: field is immutable when `immutable` is set' in said


def test_a_pod_that_uses_them(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "c", "--from-literal=colour=blue", "--from-literal=SIZE=7")
    kubectl("create", "secret", "generic", "s", "--from-literal=key=hidden")
    user = container(
        script='echo "$COLOUR $SIZE $KEY $(cat /settings/colour) $(cat /secret/key)"; ' + UNTIL_TERM,
        env=[
            {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "colour"}}},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
        ],
        envFrom=[{"configMapRef": {"name": "c"}}],
        volumeMounts=[
            {"name": "settings", "mountPath": "/settings"},
            {"name": "secret", "mountPath": "/secret", "readOnly": True},
        ],
    )
    volumes = [{"name": "settings", "configMap": {"name": "c"}}, {"name": "secret", "secret": {"secretName": "s"}}]
    kubectl.run_pod(pod("web", user, volumes=volumes))
    with kubectl.started("logs", "-f", "web") as following:
        following.read_until("blue 7 hidden blue hidden\n")
    kubectl("patch", "configmap", "c", "-p", '{"data": {"colour": "red"}}')
    until(lambda: kubectl("exec", "web", "--", "cat", "/settings/colour").out == "red", "the new colour in the volume")


def test_a_pod_waits_for_what_is_not_there_yet(newest: Kubectl) -> None:
    wants = container(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "a"}}}])
    newest.apply(pod("web", wants))
    until(lambda: newest("get", "pod", "web").rows[1][2] == "CreateContainerConfigError", "the state of waiting")
    newest("create", "configmap", "later", "--from-literal=a=1")
    newest("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
