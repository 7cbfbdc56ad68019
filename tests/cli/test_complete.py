"""What a shell is told could come next."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api.fakeagent import FakeAgent

from nodeguard.cli import complete as complete_module
from nodeguard.cli.main import _complete, run

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec: {containers: [{name: app, command: [sleep, "1000"]}, {name: side, command: [sleep, "1000"]}]}
"""

Complete = Callable[[Path, str], list[str]]


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeAgent]:
    directory = tmp_path_factory.mktemp("agent")
    with FakeAgent(directory) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NODEGUARD_RUN_DIR", str(directory))
        (directory / "pods.yaml").write_text("---\n".join(POD.replace("NAME", name) for name in ("web", "db")))
        assert run(["apply", "-f", str(directory / "pods.yaml")]) == 0
        yield running


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Complete:
    """As bash asks: the words, and which of them is being typed. The answers' types are left out."""
    monkeypatch.setattr(complete_module, "TIMEOUT_SECONDS", 30.0)  # a person would not wait; a busy machine has to

    def ask(directory: Path, line: str) -> list[str]:
        words = line.split()
        monkeypatch.setenv("NODEGUARD_RUN_DIR", str(directory))
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) if line.endswith(" ") else len(words) - 1))
        capsys.readouterr()
        assert _complete("bash_complete") == 0
        out, err = capsys.readouterr()
        assert err == ""
        return [answer.partition(",")[2] for answer in out.splitlines() if answer]

    return ask


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nodeguard unc", ["uncordon"]),
        ("nodeguard get name", ["namespaces"]),
        ("nodeguard get pods ", ["db", "web"]),
        ("nodeguard get pods w", ["web"]),
        ("nodeguard delete pod/w", ["pod/web"]),
        ("nodeguard describe pods -n kube-system ", []),
        ("nodeguard get pods -A d", ["db"]),
        ("nodeguard logs ", ["db", "web"]),
        ("nodeguard logs web -c ", ["app", "side"]),
        ("nodeguard exec -n default -it web -c s", ["side"]),
        ("nodeguard drain ", ["node1"]),
        ("nodeguard label pods web ", ["db"]),
        ("nodeguard get pods -n defau", ["default"]),
        ("nodeguard get --no-h", ["--no-headers"]),
        ("nodeguard config ch", ["check"]),
    ],
)
def test_words_and_live_names(complete: Complete, agent: FakeAgent, line: str, words: list[str]) -> None:
    assert complete(agent.directory, line) == words


def test_without_an_agent_there_are_no_names_and_no_words_about_it(complete: Complete, tmp_path: Path) -> None:
    assert complete(tmp_path, "nodeguard get pods ") == []
    assert complete(tmp_path, "nodeguard logs web -c ") == []
    assert complete(tmp_path, "nodeguard get po") == ["pods"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_NODEGUARD_COMPLETE={shell}_complete" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_other_shells_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "tcsh"]) == 2
    assert "'tcsh' is not one of" in capsys.readouterr().err
