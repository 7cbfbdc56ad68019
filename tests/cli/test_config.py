"""``nodeguard config``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nodeguard.agent.setting_table import SETTINGS
from nodeguard.cli.main import cli, run


@pytest.fixture(autouse=True)
def _only_this_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration of the machine that runs the tests stays out."""
    (tmp_path / "etc.yaml").write_text("maxPods: 7\nclusterDomain: example.org\n")
    monkeypatch.setenv("NODEGUARD_CONFIG", str(tmp_path / "etc.yaml"))


def test_effective_shows_every_setting_with_its_origin(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["config", "effective", "--capacity", "cpu=2", "--capacity", "memory=1Gi"])
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in result.stdout.splitlines()}
    assert lines["SETTING"] == ["VALUE", "ORIGIN"]
    assert lines["maxPods"] == ["7", f"file {tmp_path}/etc.yaml:1"]
    assert lines["nodeguard.capacity[memory]"] == ["1Gi", "flag --capacity"]
    assert lines["cpuCFSQuota"] == ["true", "default"]
    assert {name.partition("[")[0] for name in lines} == {"SETTING"} | {setting.name for setting in SETTINGS}
    assert result.stderr == (f"Warning: {tmp_path}/etc.yaml:2: clusterDomain: accepted, has no effect in nodeguard\n")


def test_effective_as_json_and_yaml_say_the_same() -> None:
    import yaml

    as_json = json.loads(CliRunner().invoke(cli, ["config", "effective", "-o", "json"]).stdout)
    as_yaml = yaml.safe_load(CliRunner().invoke(cli, ["config", "effective", "-o", "yaml"]).stdout)
    assert as_json == as_yaml
    assert as_json["kind"] == "EffectiveConfig"
    assert as_json["settings"]["podPidsLimit"] == {"value": -1, "origin": "default"}
    assert as_json["thresholds"][1] == {
        "signal": "imagefs.available",
        "operator": "LessThan",
        "value": {"percentage": 0.15},
        "gracePeriodSeconds": 0,
        "minReclaim": None,
    }
    assert [threshold["signal"] for threshold in as_json["thresholds"]] == [
        *("allocatableMemory.available", "imagefs.available", "imagefs.inodesFree"),
        *("memory.available", "nodefs.available", "nodefs.inodesFree", "pid.available"),
    ]
    assert as_json["thresholds"][3]["value"] == {"quantity": "100Mi"}


def test_a_file_named_on_the_command_line(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("maxPods: 9")
    result = CliRunner().invoke(cli, ["config", "effective", "--config", str(other), "-o", "json"])
    assert json.loads(result.stdout)["settings"]["maxPods"]["value"] == 9


def test_check_says_a_file_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "good.yaml"
    good.write_text("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\npodPidsLimit: 10\n")
    assert run(["config", "check", str(good)]) == 0
    assert capsys.readouterr().out == f"{good}: valid\n"


def test_check_reports_the_faults_of_all_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("maxPod: 1\n")
    second.write_text("\nmaxPods: x\npodsPerCore: -1\n")
    assert run(["config", "check", str(first), str(second)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"Error: {first}:1: maxPod: unknown field, did you mean 'maxPods'",
        f"Error: {second}:2: maxPods: 'x' is not a whole number; allowed are 0 to 2147483647",
        f"Error: {second}:3: podsPerCore: -1 is out of range; allowed are 0 to 2147483647",
    ]


def test_check_answers_as_a_status_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check", "--eviction-hard", "memory.available<0,x<1", "-o", "json"]) == 3
    out, err = capsys.readouterr()
    status = json.loads(out)
    assert (status["kind"], status["status"], status["reason"]) == ("Status", "Failure", "Invalid")
    assert [cause["field"] for cause in status["details"]["causes"]] == [
        "evictionHard[memory.available]",
        "evictionHard[x]",
    ]
    assert err.count("Error: ") == 2


def test_check_of_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check", str(tmp_path / "none.yaml")]) == 4
    assert capsys.readouterr().err == f"Error: {tmp_path}/none.yaml: no such configuration file\n"
