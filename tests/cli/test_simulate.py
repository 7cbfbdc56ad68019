"""``nodeguard simulate``."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from scenariobuilder import free, pod, scenario, stats

from nodeguard.cli.main import run

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
Simulate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def simulate(capsys: pytest.CaptureFixture[str]) -> Simulate:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = run(["simulate", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def story(**spec: Any) -> dict[str, Any]:
    low = {"observations": free("512Mi"), "podStats": [stats("over", 2), stats("idle", 0)], "submit": [pod("new")]}
    told = scenario(low, pods=[pod("over", {"memory": "1"}), pod("idle")], **spec)
    return {**told, "metadata": {"name": "low"}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "story.yaml"
    path.write_text(yaml.safe_dump(story()))
    return path


def valid(text: str, schema: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(text)
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / schema).read_text())).validate(answer)
    return answer


def test_json(simulate: Simulate, file: Path) -> None:
    code, out, err = simulate(file, "-o", "json")
    assert (code, err) == (0, "")
    answer = valid(out, "simulation-result.json")
    assert (answer["apiVersion"], answer["kind"]) == ("nodeguard.dev/v1alpha1", "SimulationResult")
    assert (answer["name"], answer["policy"]) == ("low", "kubelet")
    (step,) = answer["steps"]
    assert step["ranking"] == ["default/over", "default/idle"]
    assert step["submitted"][0]["admitted"] is True


def test_yaml_and_json_in_and_out_say_the_same(simulate: Simulate, file: Path, tmp_path: Path) -> None:
    as_json = tmp_path / "story.json"
    as_json.write_text(json.dumps(story()))
    answers = [json.loads(simulate(path, "-o", "json")[1]) for path in (file, as_json)]
    answers.append(yaml.safe_load(simulate(file, "-o", "yaml")[1]))
    assert answers[0] == answers[1] == answers[2]


def test_text(simulate: Simulate, file: Path) -> None:
    code, out, err = simulate(file)
    assert (code, err) == (0, "")
    assert out == (
        "low, policy kubelet\n"
        "\n"
        "at 0 s: MemoryPressure\n"
        "  met: memory.available<1Gi/hard\n"
        "  acts on memory.available: short of memory\n"
        "    1. default/over: uses 2 of memory, above its request 1; priority 0\n"
        "    2. default/idle: uses 0 of memory, within its request 0; priority 0\n"
        "  evicts default/over at once: The node was low on resource: memory. Threshold quantity: 1Gi, available: "
        "512Mi.\n"
        "  admits default/new\n"
    )


def test_the_policy_of_the_command_line_wins(simulate: Simulate, file: Path) -> None:
    answer = json.loads(simulate(file, "--policy", "qos", "-o", "json")[1])
    assert (answer["policy"], answer["steps"][0]["evicted"][0]["pod"]) == ("qos", "default/idle")


def test_policies_side_by_side(simulate: Simulate, file: Path) -> None:
    code, out, _ = simulate(file, "--compare", "kubelet,qos")
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["LOW", "KUBELET", "QOS"],
        ["0", "s", "default/over", "default/idle"],
    ]
    answer = valid(simulate(file, "--compare", "kubelet,qos", "-o", "json")[1], "simulation-result-list.json")
    assert [item["policy"] for item in answer["items"]] == ["kubelet", "qos"]


def test_several_scenarios(simulate: Simulate, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(json.dumps(story()).encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    answer = valid(simulate(file, "-", "-o", "json")[1], "simulation-result-list.json")
    assert [item["name"] for item in answer["items"]] == ["low", "low"]


BAD = story(config={"evictionHard": {"memory.available": "5 Gi"}, "evictionSoft": {"pid.available": "5%"}})


def test_faults_end_with_3_each_with_its_place(simulate: Simulate, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(BAD))
    code, out, err = simulate(path)
    assert (code, out) == (3, "")
    lines = err.splitlines()
    assert [line.partition(": spec.")[0].rpartition(":")[0] for line in lines] == [f"Error: {path}"] * 2
    assert ["evictionHard[memory.available]" in lines[0], "evictionSoft[pid.available]" in lines[1]] == [True, True]


def test_faults_as_a_status_object(simulate: Simulate, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(BAD))
    code, out, err = simulate(path, "-o", "json")
    status = json.loads(out)
    assert (code, err.count("Error: ")) == (3, 2)
    assert (status["kind"], status["status"], status["reason"]) == ("Status", "Failure", "Invalid")
    assert {cause["field"] for cause in status["details"]["causes"]} == {
        "spec.config.evictionHard[memory.available]",
        "spec.config.evictionSoft[pid.available]",
    }


def test_an_unknown_class_is_told_with_its_line(simulate: Simulate, tmp_path: Path) -> None:
    path = tmp_path / "class.yaml"
    told = scenario({}, pods=[pod("a", priorityClassName="high")])
    path.write_text(yaml.safe_dump(told))
    code, _, err = simulate(path)
    line = next(n for n, text in enumerate(path.read_text().splitlines(), start=1) if "priorityClassName" in text)
    message = "spec.pods[0].spec.priorityClassName: no PriorityClass with name 'high' was found"
    assert (code, err) == (3, f"Error: {path}:{line}: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.yaml"], 4, "none.yaml: no such file or directory"),
        ([], 2, "Missing argument 'FILE...'"),
        (["--policy", "age", "x"], 2, "'age' is not one of"),
        (["--compare", "kubelet,age", "x"], 2, "'age' is not a policy; policies are kubelet, qos"),
        (["--compare", "qos", "--policy", "qos", "x"], 2, "exclude each other"),
    ],
)
def test_wrong_usage(simulate: Simulate, arguments: list[str], code: int, message: str) -> None:
    found, out, err = simulate(*arguments)
    assert (found, out) == (code, "")
    assert message in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no Scenario in the input"),
        ("kind: Pod\n", "kind: found 'Pod'; allowed are Scenario"),
        ("{", "not readable"),
    ],
)
def test_files_that_hold_no_scenario(simulate: Simulate, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(text)
    code, out, err = simulate(path)
    assert (code, out) == (3, "")
    assert message in err


@pytest.mark.parametrize(
    ("spec", "step", "expected"),
    [
        pytest.param({}, {"mode": "kubelet", "submit": [pod("a")]}, "rejects default/a: Evicted:", id="rejected"),
        pytest.param({}, {"admitUnderPressure": [pod("a")]}, "would reject (The node had condition:", id="judged"),
        pytest.param({}, {"admitUnderPressure": [pod("a", {"cpu": "1"})]}, "would admit default/a", id="judged well"),
        pytest.param(
            {"pods": [pod("old", {"cpu": "4"})]},
            {"submit": [pod("a", {"cpu": "4"}, priority=1)]},
            "admits default/a in place of default/old",
            id="preempted",
        ),
    ],
)
def test_admissions_in_words(simulate: Simulate, tmp_path: Path, spec: Any, step: Any, expected: str) -> None:
    path = tmp_path / "story.json"
    path.write_text(json.dumps(scenario({"observations": free(1), **step}, **spec)))
    assert expected in simulate(path)[1]
