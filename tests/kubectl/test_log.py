"""kubectl logs. Both programs run all of these."""

from __future__ import annotations

import re

import pytest
from kubectl.cluster import Kubectl
from root.lab import UNTIL_TERM, container, pod

pytestmark = [pytest.mark.root, pytest.mark.anywhere]

COUNTS = "for i in 1 2 3 4 5; do echo line $i; done; " + UNTIL_TERM


def test_logs(kubectl: Kubectl) -> None:
    kubectl.run_pod(pod("web", container(script=COUNTS)))
    with kubectl.started("logs", "-f", "web") as following:
        following.read_until("up\n")
    every = ["line 1", "line 2", "line 3", "line 4", "line 5", "up"]
    assert kubectl("logs", "web").lines == every
    assert kubectl("logs", "pod/web", "--tail=2").lines == ["line 5", "up"]
    assert kubectl("logs", "web", "--tail=0").out == ""
    assert kubectl("logs", "web", "--since=1h").lines == every
    assert kubectl("logs", "web", "--since-time=2030-01-01T00:00:00Z").out == ""
    assert kubectl("logs", "web", "--limit-bytes=6").out == "line 1"
    stamped = kubectl("logs", "web", "--timestamps", "--tail=1").out
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z up\n", stamped)


def test_logs_of_one_container_and_of_all(kubectl: Kubectl) -> None:
    kubectl.run_pod(
        pod("web", container("a", "echo from a; " + UNTIL_TERM), container("b", "echo from b; " + UNTIL_TERM))
    )
    for name in "ab":
        with kubectl.started("logs", "-f", "web", "-c", name) as following:
            following.read_until("up\n")
    said = kubectl("logs", "web")
    assert said.lines == ["from a", "up"]
    assert said.err == 'Defaulted container "a" out of: a, b\n'
    assert kubectl("logs", "web", "-c", "b").lines == ["from b", "up"]
    shown = kubectl("logs", "web", "--all-containers", "--prefix").lines
    assert sorted(shown) == ["[pod/web/a] from a", "[pod/web/a] up", "[pod/web/b] from b", "[pod/web/b] up"]
    said = kubectl("logs", "web", "-c", "nope", fails=1)
    assert said.err == "error: container nope is not valid for pod web out of: a, b\n"


def test_following_goes_on_to_the_end(kubectl: Kubectl) -> None:
    script = "echo first; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo last"
    kubectl.run_pod(pod("web", container(script=script)))
    with kubectl.started("logs", "-f", "web") as following:
        following.read_until("first\n")
        kubectl("exec", "web", "--", "touch", "/tmp/go")
        following.read_until("last\n")
        assert following.process.wait(20) == 0
    assert following.output == "first\nlast\n"


def test_logs_of_the_container_before(kubectl: Kubectl) -> None:
    script = (
        "if [ -e /data/again ]; then echo second; " + UNTIL_TERM + "; else echo first; touch /data/again; exit 4; fi"
    )
    mounted = container(script=script, volumeMounts=[{"name": "data", "mountPath": "/data"}])
    manifest = pod("web", mounted, restartPolicy="OnFailure", volumes=[{"name": "data", "emptyDir": {}}])
    kubectl.apply(manifest)
    kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "pod/web", "--timeout=30s")
    kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=30s")
    with kubectl.started("logs", "-f", "web") as following:
        following.read_until("up\n")
    assert kubectl("logs", "web", "--previous").out == "first\n"
    assert kubectl("logs", "web").lines == ["second", "up"]
    shown = kubectl.get("pod", "web")["status"]["containerStatuses"][0]
    assert shown["lastState"]["terminated"]["exitCode"] == 4


def test_there_is_no_container_before(kubectl: Kubectl) -> None:
    kubectl.run_pod(pod("web"))
    said = kubectl("logs", "web", "--previous", fails=1).err
    assert said == ('Error from server (BadRequest): previous terminated container "main" in pod "web" not found\n')


def test_logs_by_label(newest: Kubectl) -> None:
    for name in ("a", "b"):
        manifest = pod(name, container(script=f"echo from {name}"))
        manifest["metadata"]["labels"] = {"app": "x"}
        newest.apply(manifest)
        newest("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=30s")
    assert newest("logs", "-l", "app=x").lines == ["from a", "from b"]


def test_logs_of_a_pod_that_is_not_there(newest: Kubectl) -> None:
    said = newest("logs", "nope", fails=1).err
    assert said == (f'error: error from server (NotFound): pods "nope" not found in namespace "{newest.namespace}"\n')
