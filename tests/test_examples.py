"""Every file in examples/ does what its comment says: it is valid, it can be explained, it runs to its declared end.

The ``# expect:`` lines at the top of an example drive these tests:

    # expect: exit N                 the exit code of ``nodeguard run``
    # expect: runs until stopped     it must be running after its first line, and end when interrupted
    # expect output: TEXT            somewhere in what ``run -o json`` prints: output, events, final status
    # expect error: TEXT             (bad examples) part of one finding; there are as many findings as such lines
    # options: …                     what to add to ``nodeguard run``
"""

from __future__ import annotations

import json
import re
import shlex
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nodeguard.cli import manifest
from nodeguard.model.finding import Severity

if TYPE_CHECKING:
    from sandbox import Sandbox

ROOT = Path(__file__).resolve().parent.parent
GOOD = sorted((ROOT / "examples").glob("*.yaml"))
BAD = sorted((ROOT / "examples" / "bad").glob("*.yaml"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the comment at the top of an example promises."""

    ending: str
    output: tuple[str, ...]
    errors: tuple[str, ...]
    options: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        found = re.fullmatch(r"exit (\d+)", self.ending)
        assert found, f"not an ending: {self.ending!r}"
        return int(found[1])


def header_of(path: Path) -> Header:
    lines = path.read_text().splitlines()
    comment = [
        line[1:].strip() for line in lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    ]

    def values(key: str) -> tuple[str, ...]:
        return tuple(line.removeprefix(f"{key}:").strip() for line in comment if line.startswith(f"{key}:"))

    (ending,) = values("expect")
    options = tuple(word for value in values("options") for word in shlex.split(value))
    return Header(ending=ending, output=values("expect output"), errors=values("expect error"), options=options)


def name(path: Path) -> str:
    return path.relative_to(ROOT / "examples").as_posix()


@pytest.mark.parametrize("path", GOOD, ids=name)
def test_it_is_a_valid_manifest(path: Path) -> None:
    found = manifest.load([str(path)])
    assert [str(f) for f in found.findings if f.severity is not Severity.WARNING] == []
    assert found.pods


@pytest.mark.parametrize("path", BAD, ids=name)
def test_its_faults_are_found_where_the_comment_says(path: Path) -> None:
    header = header_of(path)
    found = manifest.load([str(path)])
    faults = [f for f in found.findings if f.severity is not Severity.WARNING]
    for expected in header.errors:
        assert any(expected in str(f) for f in faults), [str(f) for f in faults]
    assert all(f.line > 0 for f in faults), [str(f) for f in faults]
    assert len(faults) == len(header.errors), [str(f) for f in faults]


@pytest.mark.parametrize("path", GOOD, ids=name)
def test_it_teaches_something(path: Path) -> None:
    comment = path.read_text().split("\napiVersion:")[0]
    assert "# Teaches:" in comment
    assert "# Look at:" in comment
    header = header_of(path)
    assert header.output, "an example that is not checked for its output proves nothing"
    assert header.ending == "runs until stopped" or header.exit_code >= 0


@pytest.fixture(scope="module")
def explanation_schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((ROOT / "docs" / "schemas" / "explanation-list.json").read_text())
    return schema


@pytest.mark.parametrize("path", GOOD, ids=name)
def test_it_can_be_explained(
    path: Path, explanation_schema: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    import jsonschema

    from nodeguard.cli.main import run

    assert run(["explain", str(path), "-o", "json", "--node-memory", "8Gi", "--node-cpu", "4"]) == 0
    answer = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(explanation_schema).validate(answer)
    assert [item["pod"]["name"] for item in answer["items"]] == [p.meta.name for p in manifest.load([str(path)]).pods]


@pytest.mark.root
@pytest.mark.parametrize("path", GOOD, ids=name)
def test_it_runs_to_its_declared_end(path: Path, sandbox: Sandbox) -> None:
    header = header_of(path)
    if header.ending == "runs until stopped":
        with sandbox.start("run", "-o", "json", *header.options, path) as running:
            running.read_until("[pod/")
            running.signal(signal.SIGINT)
            code = running.wait()
        output, expected_code = running.output, 128 + signal.SIGINT
    else:
        result = sandbox.nodeguard("run", "-o", "json", *header.options, path, timeout=90)
        code, output, expected_code = result.returncode, result.stdout + result.stderr, header.exit_code
    assert code == expected_code, output
    for expected in header.output:
        assert expected in output
    assert "Traceback" not in output


@pytest.mark.root
@pytest.mark.parametrize("path", BAD, ids=name)
def test_run_refuses_it_and_touches_nothing(path: Path, sandbox: Sandbox) -> None:
    header = header_of(path)
    result = sandbox.nodeguard("run", path)
    assert result.returncode == header.exit_code, result.stderr
    for expected in header.errors:
        assert expected in result.stderr
    assert not sandbox.cgroup_paths()
    assert not [*sandbox.run_dir.iterdir(), *sandbox.state_dir.iterdir(), *sandbox.log_dir.iterdir()]


def test_examples_are_numbered_without_gaps() -> None:
    assert [path.name[:2] for path in GOOD] == [f"{number:02}" for number in range(1, len(GOOD) + 1)]
