"""The commands that ask the agent, with containers that really run."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from root.agentlab import running
from root.lab import DEAF, container, finish, kill_at_once, pod, run_pods, script_pod, start_pods, wait_for_up
from sandbox import Running, Sandbox

pytestmark = [pytest.mark.root, pytest.mark.anywhere]

FAREWELL = 'trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.1; done'


@pytest.fixture
def agent(sandbox: Sandbox) -> Iterator[Running]:
    with running(sandbox) as started:
        yield started
        sandbox.nodeguard("delete", "pods", "--all", "--now")


def asked(sandbox: Sandbox, *words: str | Path, code: int = 0, stdin: str | None = None) -> str:
    done = sandbox.nodeguard(*words, stdin=stdin)
    assert done.returncode == code, (words, done)
    return done.stdout


def api_server_of(agent: Running) -> int:
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    return next(int(pid) for pid in children if b"nodeguard.api" in Path(f"/proc/{pid}/cmdline").read_bytes())


def test_run_through_the_agent_ends_as_without_one(sandbox: Sandbox, agent: Running) -> None:
    fails = pod("p", container("main", "seq 1 3000; exit 3"), container("other", "echo fine"))
    with_agent = run_pods(sandbox, fails)
    assert asked(sandbox, "get", "pods", "-A", "-o", "name") == ""
    alone = run_pods(sandbox, fails, options=("--standalone",))
    assert with_agent.code == alone.code == 3
    assert with_agent.log() == alone.log() == [str(number) for number in range(1, 3001)]
    assert with_agent.log("other") == ["fine"]
    assert with_agent.status()["phase"] == alone.status()["phase"] == "Failed"
    assert with_agent.terminated()["exitCode"] == 3
    assert set(alone.reasons("main")) == set(with_agent.reasons("main"))


def test_every_instance_of_a_container_is_heard_once(sandbox: Sandbox, agent: Running) -> None:
    script = "n=$(cat /count/n 2>/dev/null || echo 0); echo $((n+1)) > /count/n; echo try $n; [ $n -ge 2 ]"
    mount = {"name": "count", "mountPath": "/count"}
    counting = pod(
        "p",
        container("main", script, volumeMounts=[mount]),
        restartPolicy="OnFailure",
        volumes=[{"name": "count", "emptyDir": {}}],
    )
    outcome = run_pods(sandbox, counting)
    assert (outcome.code, outcome.log()) == (0, ["try 0", "try 1", "try 2"]), outcome.text


def test_one_interrupt_stops_gracefully(sandbox: Sandbox, agent: Running) -> None:
    with start_pods(sandbox, script_pod(FAREWELL)) as run:
        wait_for_up(run)
        run.signal(signal.SIGINT)
        outcome = finish(run)
    assert outcome.code == 128 + signal.SIGINT
    assert outcome.log() == ["up", "bye"]
    assert asked(sandbox, "get", "pods", "-A", "-o", "name") == ""


def test_two_interrupts_kill_at_once(sandbox: Sandbox, agent: Running) -> None:
    with start_pods(sandbox, pod("p", container("main", DEAF), terminationGracePeriodSeconds=600)) as run:
        wait_for_up(run)
        kill_at_once(run)
        assert finish(run).code == 128 + signal.SIGINT
    assert asked(sandbox, "get", "pods", "-A", "-o", "name") == ""


def test_run_goes_on_when_the_api_server_dies(sandbox: Sandbox, agent: Running) -> None:
    script = "for n in $(seq 1 40); do echo $n; sleep 0.1; done; exit 4"
    with start_pods(sandbox, script_pod(script)) as run:
        run.read_until("] 5\n")
        os.kill(api_server_of(agent), signal.SIGKILL)
        outcome = finish(run)
    assert (outcome.code, outcome.log()) == (4, [str(number) for number in range(1, 41)])


def test_looking_into_a_pod(sandbox: Sandbox, agent: Running, tmp_path: Path) -> None:
    manifest = tmp_path / "pod.json"
    manifest.write_text(json.dumps(script_pod("echo one; echo two; echo up >&2; sleep 1000", "web")))
    asked(sandbox, "apply", "-f", manifest)
    asked(sandbox, "wait", "pod/web", "--for=condition=Ready")
    assert asked(sandbox, "logs", "web", "--tail=2") == "two\nup\n"
    assert asked(sandbox, "logs", "web", "--prefix").splitlines()[0] == "[pod/web/main] one"
    assert asked(sandbox, "exec", "web", "--", "sh", "-c", "echo out; exit 7", code=7) == "out\n"
    assert asked(sandbox, "exec", "-i", "web", "--", "cat", stdin="through\n") == "through\n"
    content = os.urandom(300_000)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_bytes(content)
    asked(sandbox, "cp", tmp_path / "there", "web:/srv/there")
    asked(sandbox, "cp", "web:/srv/there", tmp_path / "back")
    assert (tmp_path / "back" / "file").read_bytes() == content
    assert "Started container main" in asked(sandbox, "describe", "pod", "web")
    assert asked(sandbox, "top", "pods", "--no-headers").split()[0] == "web"
    assert asked(sandbox, "delete", "pod", "web", "--now") == 'pod "web" deleted from default namespace\n'
    assert asked(sandbox, "get", "pods") == ""


def test_without_an_agent_there_is_nobody_to_ask(sandbox: Sandbox) -> None:
    done = sandbox.nodeguard("get", "pods")
    assert (done.returncode, done.stdout) == (7, "")
    assert "start one with nodeguard agent" in done.stderr
    assert asked(sandbox, "get", "nodes").splitlines()[1]
