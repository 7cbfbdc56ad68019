"""Every story in examples/pressure/ goes as its comment says.

The comment at the top is the test: what it says under ``Prepare:`` and ``Run:`` is done, with a place of the test's own
for /tmp and /mnt, and

    # expect evicted: NAME …        these pods go, in this order, and no others
    # expect evicted in any order: NAME …
    # expect kept: NAME …           these pods end by themselves with 0
    # expect observed: NAME …       a decision about these was recorded, and nothing done
    # expect exit: N                the exit code of ``nodeguard run``
    # expect output: TEXT           somewhere in what is printed
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from root.lab import Outcome, parse_output
from sandbox import Sandbox

from nodeguard.cli import manifest
from nodeguard.model.finding import Severity

ROOT = Path(__file__).resolve().parent.parent.parent
STORIES = sorted((ROOT / "examples" / "pressure").glob("*.yaml"))
every_story = pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)


def said(path: Path, key: str) -> list[str]:
    return re.findall(rf"^# {key}: *(.*)$", path.read_text(), re.MULTILINE)


def names(path: Path, key: str) -> list[str]:
    return [name for line in said(path, f"expect {key}") for name in line.split()]


def elsewhere(command: str, base: Path) -> str:
    """The command of a comment, as root, for files and mounts below ``base``."""
    return command.replace("sudo ", "").replace("/tmp/", f"{base}/").replace("/mnt/", f"{base}/")


def test_they_are_numbered_without_gaps() -> None:
    assert [path.name[:2] for path in STORIES] == [f"{number:02}" for number in range(1, len(STORIES) + 1)]


@every_story
def test_it_is_valid_and_says_what_to_look_at(path: Path) -> None:
    found = manifest.load([str(path)])
    assert [str(f) for f in found.findings if f.severity is not Severity.WARNING] == []
    assert len(said(path, "Run")) == len(said(path, "Teaches")) == len(said(path, "Look at")) == 1
    (command,) = said(path, "Run")
    assert shlex.split(command)[-1] == str(path.relative_to(ROOT))
    assert names(path, "evicted") or names(path, "evicted in any order") or names(path, "observed")


@pytest.fixture
def prepared(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[None]:
    path: Path = request.getfixturevalue("path")
    try:
        for command in said(path, "Prepare"):
            subprocess.run(elsewhere(command, sandbox.base), shell=True, check=True, capture_output=True)
        yield
    finally:
        for command in said(path, "Clean up"):
            subprocess.run(elsewhere(command, sandbox.base), shell=True, check=True, capture_output=True)


@pytest.mark.root
@pytest.mark.usefixtures("prepared")
@every_story
def test_it_goes_as_the_comment_says(path: Path, sandbox: Sandbox) -> None:
    outcome = play(path, sandbox)
    in_order, in_any_order = names(path, "evicted"), names(path, "evicted in any order")
    assert (sorted(evicted(outcome)) if in_any_order else evicted(outcome)) == in_order + in_any_order, outcome.text
    for name in in_order + in_any_order:
        status = outcome.status(name)
        assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
        assert status["message"] in [event["message"] for event in outcome.events if event["reason"] == "Evicted"]
    for name in names(path, "kept"):
        assert outcome.status(name)["phase"] == "Succeeded", outcome.text
    assert outcome.code == int(said(path, "expect exit")[0]), outcome.text
    for text in said(path, "expect output"):
        assert text in outcome.text
    if observed := names(path, "observed"):
        listed = sandbox.nodeguard("get", "decisions", "-o", "json")
        assert listed.returncode == 0, listed.stderr
        decisions = json.loads(listed.stdout)["items"]
        assert {(each["action"], each["pod"]["name"]) for each in decisions} == {("wouldEvict", n) for n in observed}


def play(path: Path, sandbox: Sandbox) -> Outcome:
    """Run the story with the command of its comment."""
    (line,) = said(path, "Run")
    words = shlex.split(elsewhere(line, sandbox.base))
    assert words[:2] == ["nodeguard", "run"]
    done = sandbox.nodeguard("run", "-o", "json", "--events", "json", *words[2:-1], path, timeout=120)
    return parse_output(done.returncode, done.stdout + done.stderr)


def evicted(outcome: Outcome) -> list[str]:
    """The names of the evicted pods, in the order in which they went."""
    return [event["pod"].removeprefix("default/") for event in outcome.events if event["reason"] == "Evicted"]
