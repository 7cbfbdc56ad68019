"""Input that is refused: the documented exit code, every fault with its place, and nothing touched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from root.lab import Json, assert_is_told, container, pod, resources, write_manifest
from sandbox import Sandbox

pytestmark = [pytest.mark.root, pytest.mark.anywhere]


def refuse(sandbox: Sandbox, *files: str | Path, code: int = 3, stdin: str | None = None) -> str:
    """Run what must be refused; returns what was told."""
    for directory in (sandbox.run_dir, sandbox.state_dir, sandbox.log_dir):
        directory.rmdir()  # whoever touches them makes them again
    done = sandbox.nodeguard("run", *files, stdin=stdin, timeout=20)
    assert done.returncode == code, done.stderr
    assert_is_told(done.stderr)
    assert done.stdout == ""
    touched = [d.name for d in (sandbox.run_dir, sandbox.state_dir, sandbox.log_dir) if d.exists()]
    assert touched == []
    assert sandbox.cgroup_paths() == []
    return done.stderr


def refuse_text(sandbox: Sandbox, text: str, code: int = 3) -> str:
    path = sandbox.base / "bad.yaml"
    path.write_text(text)
    return refuse(sandbox, path, code=code)


GOOD = """\
apiVersion: v1
kind: Pod
metadata:
  name: p
spec:
  containers:
  - name: main
    command: ["true"]
"""


# Files.


def test_a_file_that_is_not_there(sandbox: Sandbox) -> None:
    told = refuse(sandbox, sandbox.base / "none.yaml", sandbox.base / "neither.yaml", code=4)
    assert "none.yaml" in told
    assert "neither.yaml" in told


def test_a_file_that_cannot_be_read(sandbox: Sandbox) -> None:
    """Root may read everything, so the reading itself fails: a process's memory has nothing at address 0."""
    path = sandbox.base / "bad.yaml"
    path.symlink_to("/proc/self/mem")
    assert "bad.yaml" in refuse(sandbox, path)


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/full"])
def test_a_file_that_is_no_file(sandbox: Sandbox, target: str) -> None:
    assert "not a regular file" in refuse(sandbox, target)


def test_a_link_to_itself(sandbox: Sandbox) -> None:
    path = sandbox.base / "loop.yaml"
    path.symlink_to(path)
    assert "loop.yaml" in refuse(sandbox, path)


def test_a_huge_file(sandbox: Sandbox) -> None:
    path = sandbox.base / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    assert "huge.yaml" in refuse(sandbox, path)


def test_a_huge_input(sandbox: Sandbox) -> None:
    assert "<stdin>" in refuse(sandbox, "-", stdin="# " + "x" * (20 << 20))


def test_a_directory_without_manifests(sandbox: Sandbox) -> None:
    (sandbox.base / "empty").mkdir()
    assert "empty" in refuse(sandbox, sandbox.base / "empty")


def test_no_file_at_all(sandbox: Sandbox) -> None:
    assert "FILE" in refuse(sandbox, code=2)


def test_an_unknown_option(sandbox: Sandbox) -> None:
    path = write_manifest(sandbox, pod("p"))
    assert "--no-such" in refuse(sandbox, path, "--no-such", code=2)


# Text.


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("", ("no Pod",), id="empty"),
        pytest.param("# only a comment\n---\n", ("no Pod",), id="only comments"),
        pytest.param("a: [1, 2\nb: }\n", ("bad.yaml:2",), id="not YAML"),
        pytest.param("just text\n", ("bad.yaml:1",), id="a string"),
        pytest.param("[1, 2]\n", ("bad.yaml:1",), id="a list"),
        pytest.param("\x00\x01\x02", ("bad.yaml",), id="control characters"),
        pytest.param(GOOD.replace("  name: p\n", "  name: p\n  name: q\n"), ("bad.yaml:5", "name"), id="duplicate key"),
        pytest.param(GOOD + "--- !!python/object/apply:os.system ['touch /tmp/owned']\n", ("bad.yaml",), id="a tag"),
        pytest.param("a: " + "[" * 5000, ("bad.yaml",), id="deep nesting"),
        pytest.param("{" * 5000, ("bad.yaml",), id="deep maps"),
    ],
)
def test_text_that_is_no_manifest(sandbox: Sandbox, text: str, parts: tuple[str, ...]) -> None:
    told = refuse_text(sandbox, text)
    for part in parts:
        assert part in told, told


def test_bytes_that_are_no_text(sandbox: Sandbox) -> None:
    path = sandbox.base / "bad.yaml"
    path.write_bytes(b"\xff\xfe\xfa" + os.urandom(100))
    assert "bad.yaml" in refuse(sandbox, path)


def test_an_alias_bomb(sandbox: Sandbox) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "bad.yaml" in refuse_text(sandbox, "\n".join(lines) + "\n" + GOOD)


def test_an_alias_to_itself(sandbox: Sandbox) -> None:
    assert "bad.yaml" in refuse_text(sandbox, "a: &a [*a]\n" + GOOD)


# Pods.


def with_spec(**fields: object) -> Json:
    item = pod("p")
    item["spec"] |= fields
    return item


def with_container(**fields: object) -> Json:
    return pod("p", container(**fields))  # type: ignore[arg-type]


def with_name(name: object) -> Json:
    item = pod("p")
    item["metadata"]["name"] = name
    return item


PODS = {
    "unknown field": (with_spec(contaners=[]), ("spec.contaners", "unknown field")),
    "unknown field with a suggestion": (with_container(comand=["x"]), ("comand", "did you mean", "command")),
    "a number for a list": (with_container(command=5), ("spec.containers[0].command",)),
    "a string for a list": (with_container(args="echo"), ("spec.containers[0].args",)),
    "numbers in a list of strings": (with_container(command=["sleep", 5]), ("spec.containers[0].command[1]",)),
    "a list for an object": (with_spec(securityContext=[]), ("spec.securityContext",)),
    "a string for a boolean": (with_spec(hostNetwork="yes"), ("spec.hostNetwork",)),
    "a string for a number": (with_spec(activeDeadlineSeconds="5"), ("spec.activeDeadlineSeconds",)),
    "a fraction for a number": (with_spec(terminationGracePeriodSeconds=1.5), ("terminationGracePeriodSeconds",)),
    "a negative number": (with_spec(terminationGracePeriodSeconds=-1), ("terminationGracePeriodSeconds",)),
    "a number that is too large": (with_spec(activeDeadlineSeconds=1 << 70), ("spec.activeDeadlineSeconds",)),
    "a deadline of nothing": (with_spec(activeDeadlineSeconds=0), ("spec.activeDeadlineSeconds",)),
    "no containers": (with_spec(containers=[]), ("spec.containers",)),
    "no command": (pod("p", container(script=None)), ("spec.containers[0]", "command")),
    "negative cpu": (with_container(resources=resources("cpu=-1")), ("requests", "cpu", "-1")),
    "negative memory": (with_container(resources=resources("", "memory=-5Mi")), ("limits", "memory")),
    "no quantity": (with_container(resources=resources("cpu=much")), ("requests", "cpu", "much")),
    "a wrong suffix": (with_container(resources=resources("memory=5MB")), ("requests", "memory", "5MB")),
    "request above limit": (
        with_container(resources=resources("memory=64Mi", "memory=32Mi")),
        ("requests", "memory", "limit"),
    ),
    "an unknown resource": (with_container(resources=resources("cpus=1")), ("cpus",)),
    "a name that climbs": (with_name("../etc"), ("metadata.name",)),
    "a name of dots": (with_name(".."), ("metadata.name",)),
    "a name with a slash": (with_name("a/b"), ("metadata.name",)),
    "a name with a line": (with_name("a\nb"), ("metadata.name",)),
    "a name that is too long": (with_name("x" * 254), ("metadata.name",)),
    "a name that is a number": (with_name(5), ("metadata.name",)),
    "an empty name": (with_name(""), ("metadata",)),
    "a container's name that climbs": (with_container(name="../x"), ("spec.containers[0].name",)),
    "a container's name with a slash": (with_container(name="a/b"), ("spec.containers[0].name",)),
    "two containers of one name": (pod("p", container("a"), container("a")), ("spec.containers[1].name", "a")),
    "a volume's name that climbs": (
        with_spec(volumes=[{"name": "../x", "emptyDir": {}}]),
        ("spec.volumes[0].name",),
    ),
    "a mount of no volume": (
        with_container(volumeMounts=[{"name": "none", "mountPath": "/x"}]),
        ("spec.containers[0].volumeMounts[0].name", "none"),
    ),
    "a host path that climbs": (
        with_spec(volumes=[{"name": "v", "hostPath": {"path": "/tmp/../etc"}}]),
        ("spec.volumes[0].hostPath.path",),
    ),
    "a sub path that climbs": (
        pod(
            "p",
            container(volumeMounts=[{"name": "v", "mountPath": "/x", "subPath": "../.."}]),
            volumes=[{"name": "v", "emptyDir": {}}],
        ),
        ("subPath",),
    ),
    "an unknown restart policy": (with_spec(restartPolicy="Sometimes"), ("spec.restartPolicy", "Sometimes")),
    "an unknown host path type": (
        with_spec(volumes=[{"name": "v", "hostPath": {"path": "/x", "type": "Directry"}}]),
        ("spec.volumes[0].hostPath.type", "Directry"),
    ),
    "not supported yet": (
        with_spec(volumes=[{"name": "v", "nfs": {"server": "x", "path": "/x"}}]),
        ("spec.volumes[0].nfs",),
    ),
    "an unknown kind": ({**pod("p"), "kind": "Widget"}, ("Widget",)),
    "another kind": ({**pod("p"), "apiVersion": "apps/v1", "kind": "Deployment"}, ("Deployment",)),
    "no kind": ({key: value for key, value in pod("p").items() if key != "kind"}, ("kind",)),
    "a wrong version": ({**pod("p"), "apiVersion": "v2"}, ("v2",)),
}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_that_is_refused(sandbox: Sandbox, name: str) -> None:
    item, parts = PODS[name]
    told = refuse(sandbox, write_manifest(sandbox, item))
    for part in parts:
        assert part in told, told
    for line in told.splitlines():
        assert line.startswith("Warning: ") or "pods.yaml:" in line, line


def test_two_pods_of_one_name(sandbox: Sandbox) -> None:
    one = write_manifest(sandbox, pod("same"), name="one")
    two = write_manifest(sandbox, pod("same"), name="two")
    told = refuse(sandbox, one, two)
    assert "two.yaml:" in told
    assert "same" in told


def test_every_fault_is_told_and_a_good_pod_beside_them_does_not_run(sandbox: Sandbox) -> None:
    bad = with_container(resources=resources("cpu=-1", "memory=x"), comand=["x"])
    told = refuse(sandbox, write_manifest(sandbox, pod("good"), bad, with_name("a/b")))
    assert len([line for line in told.splitlines() if line.startswith("Error: ")]) >= 4


def test_what_is_on_the_standard_input_has_lines_too(sandbox: Sandbox) -> None:
    told = refuse(sandbox, "-", stdin=GOOD.replace("command:", "comand:"))
    assert "<stdin>:8" in told


def test_an_unknown_priority_class_is_rejected(sandbox: Sandbox) -> None:
    done = sandbox.nodeguard("run", write_manifest(sandbox, with_spec(priorityClassName="no-such")))
    assert done.returncode == 10
    assert_is_told(done.stderr, "no-such")
    assert sandbox.left_behind() == []


# Configuration.


@contextmanager
def configuration(sandbox: Sandbox, text: str) -> Iterator[Path]:
    path = sandbox.base / "config.yaml"
    path.write_text(text)
    yield path


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("podPidsLimit: -7\n", "podPidsLimit"),
        ("podPidsLimt: 7\n", "podPidsLimt"),
        ("kind: Pod\n", "Pod"),
        ("evictionHard: 5\n", "evictionHard"),
        ("nodeguard: {capacity: {memory: lots}}\n", "lots"),
    ],
)
def test_a_configuration_that_is_refused(sandbox: Sandbox, text: str, part: str) -> None:
    head = "apiVersion: kubelet.config.k8s.io/v1beta1\n" + ("" if "kind" in text else "kind: KubeletConfiguration\n")
    with configuration(sandbox, head + text) as path:
        told = refuse(sandbox, write_manifest(sandbox, pod("p")), "--config", path)
    assert part in told
    assert "config.yaml:" in told


@pytest.mark.parametrize("value", ["cpu=0", "cpu=-1", "memory=1Ki,cpu=x", "disk=5", "memory=99999Gi", "cpu"])
def test_a_capacity_that_is_refused(sandbox: Sandbox, value: str) -> None:
    done = sandbox.nodeguard("run", write_manifest(sandbox, pod("p")), "--capacity", value)
    assert done.returncode in (2, 3)
    assert_is_told(done.stderr, "capacity")
    assert sandbox.left_behind() == []


def test_the_answer_is_the_same_for_explain(sandbox: Sandbox) -> None:
    path = write_manifest(sandbox, with_container(comand=["x"]))
    run, explain = (sandbox.nodeguard(command, path) for command in ("run", "explain"))
    assert (run.returncode, explain.returncode) == (3, 3)
    assert run.stderr == explain.stderr
    assert json.loads(path.read_text())["kind"] == "Pod"
