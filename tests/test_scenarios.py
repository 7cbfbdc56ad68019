"""Every file in examples/scenarios/ tells the story that its comment says.

The comment at the top drives these tests:

    # expect evicted: NAMESPACE/NAME …     all victims, in the order in which they go
    # expect: TEXT                         somewhere in what ``nodeguard simulate`` prints; in this order
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from nodeguard.cli.main import run

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = sorted((ROOT / "examples" / "scenarios").glob("*.yaml"))
SCHEMA = json.loads((ROOT / "docs" / "schemas" / "simulation-result.json").read_text())


def expectations(path: Path, key: str) -> list[str]:
    return re.findall(rf"^# {key}:[ ]?(.*)$", path.read_text(), re.MULTILINE)


def test_there_are_enough_of_them() -> None:
    assert len(SCENARIOS) >= 10


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_it_is_told_as_the_comment_says(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", str(path)]) == 0
    printed, err = capsys.readouterr()
    assert err == ""
    position = 0
    for text in expectations(path, "expect"):
        assert text in printed[position:], printed
        position = printed.index(text, position)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_its_victims_are_those_of_the_comment(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", str(path), "-o", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(SCHEMA).validate(answer)
    (expected,) = expectations(path, "expect evicted")
    assert [victim["pod"] for step in answer["steps"] for victim in step["evicted"]] == expected.split()
    assert answer["name"] == path.stem.partition("-")[2]


@pytest.mark.parametrize("policy", ["kubelet", "qos"])
def test_they_are_the_same_to_the_byte_every_time(policy: str) -> None:
    answers = set()
    for seed in ("1", "2"):
        argv = [
            sys.executable,
            "-m",
            "nodeguard",
            "simulate",
            str(SCENARIOS[0].parent),
            "--policy",
            policy,
            "-o",
            "json",
        ]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        answers.add(subprocess.run(argv, env=environment, capture_output=True, check=True, cwd=ROOT).stdout)
    (answer,) = answers
    assert len(json.loads(answer)["items"]) == len(SCENARIOS)
