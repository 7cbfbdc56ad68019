"""The quick way to a table: it takes only what it surely understands, and prints what the ordinary way prints."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from api.fakeagent import FakeAgent

from nodeguard.cli.main import run
from nodeguard.cli.quick import parse
from nodeguard.client.quick import plain_body, read

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: NAME}}
spec: {containers: [{name: app, command: [sleep, "1000"]}]}
"""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeAgent]:
    with FakeAgent(tmp_path_factory.mktemp("agent")) as running:
        yield running


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("pods", "/api/v1/namespaces/default/pods"),
        ("po -n x", "/api/v1/namespaces/x/pods"),
        ("-A pod", "/api/v1/pods"),
        ("pods --namespace=x web", "/api/v1/namespaces/x/pods/web"),
        ("pod/web -o wide --no-headers", "/api/v1/namespaces/default/pods/web"),
        ("nodes -l a=b --show-labels", "/api/v1/nodes"),
    ],
)
def test_plain_questions(line: str, path: str) -> None:
    question = parse(line.split())
    assert question is not None
    assert question.kind.path(question.namespace, question.name) == path


ODD = """\
decisions
pods -w
pods -o json
pods,nodes
pods a b
pods/a b
a/b/c
pods/
pods -n
-nx pods
pods web -A
pods web -l a=b
pods --help
pods -- x
events --for pod/web
pods --config x
nope"""


@pytest.mark.parametrize("line", ["", *ODD.splitlines()])
def test_everything_else_is_left_alone(line: str) -> None:
    assert parse(line.split(" ") if line else []) is None


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
        (b"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\n{}", b"{}"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", None),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", None),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", None),
        (b'HTTP/1.1 200 OK\r\nWarning: 299 - "x"\r\nContent-Length: 2\r\n\r\n{}', None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2", None),
        (b"", None),
    ],
)
def test_only_plain_answers_count(answer: bytes, body: bytes | None) -> None:
    assert plain_body(answer) == body


def test_nobody_there(tmp_path: Path) -> None:
    assert read(str(tmp_path / "none.sock"), "/", "*/*") is None


def test_both_ways_print_the_same(
    agent: FakeAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NODEGUARD_RUN_DIR", str(agent.directory))
    (tmp_path / "pods.yaml").write_text("---\n".join(POD.replace("NAME", name) for name in ("web", "db")))
    assert run(["apply", "-f", str(tmp_path / "pods.yaml")]) == 0
    assert run(["wait", "pods", "--all", "--for=condition=Ready"]) == 0
    for line in (
        "get pods -o wide --show-labels",
        "get pods -A --no-headers",
        "get pod/web",
        "get nodes node1",
        "get pods -l app=none",
        "get pod nope",
        "get nope",
    ):
        capfd.readouterr()
        code = run(line.split())
        ordinary = capfd.readouterr()
        quick = subprocess.run(
            [sys.executable, "-m", "nodeguard", *line.split()], capture_output=True, text=True, check=False
        )
        assert _without_ages(quick.stdout) == _without_ages(ordinary.out)
        assert (quick.returncode, quick.stderr) == (code, ordinary.err)


def _without_ages(text: str) -> list[list[str]]:
    return [[word for word in line.split() if not word[:1].isdigit() or "/" in word] for line in text.splitlines()]


def test_the_quick_way_imports_neither_click_nor_http(agent: FakeAgent) -> None:
    code = (
        "import sys; from nodeguard.cli.quick import answer; ok = answer(['nodes']);"
        "print(ok, [m for m in sys.modules if m.partition('.')[0] in ('click', 'http', 'email', 'ssl', 'yaml')])"
    )
    environment = {"NODEGUARD_RUN_DIR": str(agent.directory)}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert told.stdout.splitlines()[-1] == "True []"
