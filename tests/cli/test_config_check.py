"""``nodeguard config check``: the kubelet's rules for thresholds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nodeguard.cli.main import run

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "effective-config.json").read_text())
BARE = ("--no-defaults", "--enforce-node-allocatable", "none")


@pytest.fixture(autouse=True)
def _no_file_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.yaml").write_text("")
    monkeypatch.setenv("NODEGUARD_CONFIG", str(tmp_path / "empty.yaml"))


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], list[str]]:
    code = run(["config", "check", "-o", "json", *arguments])
    out, err = capsys.readouterr()
    return code, json.loads(out), err.splitlines()


def test_thresholds_as_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    code, answer, err = check(
        capsys,
        *BARE,
        *("--eviction-hard", "nodefs.available<10%,memory.available<1.5Gi"),
        *("--eviction-soft", "memory.available<2048Mi"),
        *("--eviction-soft-grace-period", "memory.available=1m30s"),
        *("--eviction-minimum-reclaim", "memory.available=0,nodefs.available=150%"),
    )
    assert (code, err) == (0, [])
    jsonschema.Draft202012Validator(SCHEMA).validate(answer)
    assert answer["thresholds"] == [
        {
            "signal": "memory.available",
            "operator": "LessThan",
            "value": {"quantity": "1536Mi"},
            "gracePeriodSeconds": 0,
            "minReclaim": {"quantity": "0"},
        },
        {
            "signal": "memory.available",
            "operator": "LessThan",
            "value": {"quantity": "2Gi"},
            "gracePeriodSeconds": 90,
            "minReclaim": {"quantity": "0"},
        },
        {
            "signal": "nodefs.available",
            "operator": "LessThan",
            "value": {"percentage": 0.1},
            "gracePeriodSeconds": 0,
            "minReclaim": {"percentage": 1.5},
        },
    ]
    assert answer["settings"]["evictionSoftGracePeriod[memory.available]"] == {
        "value": "90s",
        "origin": "flag --eviction-soft-grace-period",
    }


def test_n_39_the_hard_flag_of_the_articles(capsys: pytest.CaptureFixture[str]) -> None:
    flag = "nodefs.available<1Gi,nodefs.inodesFree<1,imagefs.available<10Gi,imagefs.inodesFree<10"
    code, answer, _ = check(capsys, *BARE, "--eviction-hard", flag)
    assert (code, len(answer["thresholds"])) == (0, 4)


def test_defaults_and_the_copy_for_the_pods_cgroup(capsys: pytest.CaptureFixture[str]) -> None:
    _, answer, _ = check(capsys, "--eviction-hard", "memory.available<1Gi")
    assert {threshold["signal"]: threshold["value"] for threshold in answer["thresholds"]} == {
        "allocatableMemory.available": {"quantity": "1Gi"},
        "imagefs.available": {"percentage": 0.15},
        "imagefs.inodesFree": {"percentage": 0.05},
        "memory.available": {"quantity": "1Gi"},
        "nodefs.available": {"percentage": 0.1},
        "nodefs.inodesFree": {"percentage": 0.05},
        "pid.available": {"percentage": 0.05},
    }
    _, answer, _ = check(capsys, "--no-defaults", "--eviction-hard", "memory.available<1Gi")
    assert [threshold["signal"] for threshold in answer["thresholds"]] == [
        "allocatableMemory.available",
        "memory.available",
    ]


def test_a_file_and_flags_over_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "kubelet.yaml"
    path.write_text(
        "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\n"
        "evictionHard: {memory.available: 1Gi, pid.available: 5%}\nenforceNodeAllocatable: [none]\n"
    )
    _, answer, _ = check(capsys, "--no-defaults", "--eviction-hard", "memory.available<2Gi", str(path))
    assert [threshold["value"] for threshold in answer["thresholds"]] == [{"quantity": "2Gi"}, {"percentage": 0.05}]


HARD, SOFT, GRACE, RECLAIM = (
    *("--eviction-hard", "--eviction-soft", "--eviction-soft-grace-period", "--eviction-minimum-reclaim"),
)


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        pytest.param((HARD, "mem.available<1Gi"), ["evictionHard[mem.available]"], id="unsupported_signal"),
        pytest.param((HARD, "Memory.available<1Gi"), ["evictionHard[Memory.available]"], id="FLG-4 case"),
        pytest.param((HARD, "memory.available>1Gi"), ["evictionHard"], id="malformed_pair"),
        pytest.param((HARD, "memory.available<=1Gi"), ["evictionHard[memory.available]"], id="FLG-3"),
        pytest.param((HARD, "memory.available<a%"), ["evictionHard[memory.available]"], id="bad_percentage"),
        pytest.param((HARD, "memory.available<-5%"), ["evictionHard[memory.available]"], id="percentage_negative"),
        pytest.param((HARD, "memory.available<101%"), ["evictionHard[memory.available]"], id="percentage_over_100"),
        pytest.param((HARD, "memory.available<1GB"), ["evictionHard[memory.available]"], id="bad_quantity"),
        pytest.param((HARD, "memory.available<0"), ["evictionHard[memory.available]"], id="not_positive"),
        pytest.param((HARD, "memory.available<"), ["evictionHard[memory.available]"], id="no value"),
        pytest.param(
            (HARD, "memory.available<0,pid.available<x,a<1"),
            ["evictionHard[memory.available]", "evictionHard[pid.available]", "evictionHard[a]"],
            id="all at once",
        ),
        pytest.param((SOFT, "pid.available<5%"), ["evictionSoft[pid.available]"], id="missing_grace"),
        pytest.param((SOFT, "pid.available<0%"), [], id="VAL-2 a threshold switched off needs no grace"),
        pytest.param((GRACE, "pid.available=1m"), [], id="ERR-1 grace without a threshold"),
        pytest.param((GRACE, "pid.available=90"), ["evictionSoftGracePeriod[pid.available]"], id="bad_duration"),
        pytest.param((GRACE, "pid.available=-1s"), ["evictionSoftGracePeriod[pid.available]"], id="negative_grace"),
        pytest.param((SOFT, "pid.available<5%", GRACE, "pid.available=0s"), [], id="ERR-2 grace zero"),
        pytest.param(
            (SOFT, "pid.available<5%", GRACE, "pid.available=x"),
            ["evictionSoftGracePeriod[pid.available]"],
            id="a bad grace period is not a missing one too",
        ),
        pytest.param((RECLAIM, "pid.available=0%"), ["evictionMinimumReclaim[pid.available]"], id="reclaim_percentage"),
        pytest.param((RECLAIM, "pid.available=-1"), ["evictionMinimumReclaim[pid.available]"], id="reclaim_negative"),
        pytest.param((RECLAIM, "pid.available=0"), [], id="a reclaim of zero"),
        pytest.param((RECLAIM, "x=1"), ["evictionMinimumReclaim[x]"], id="reclaim of an unknown signal"),
        pytest.param(
            ("--eviction-pressure-transition-period", "5"), ["evictionPressureTransitionPeriod"], id="transition period"
        ),
        pytest.param(
            ("--eviction-max-pod-grace-period", "1m"), ["evictionMaxPodGracePeriod"], id="maximum pod grace period"
        ),
        pytest.param(("--eviction-policy", "age"), ["nodeguard.evictionPolicy"], id="policy"),
        pytest.param(
            ("--hard-eviction-grace-period-seconds", "-1"),
            ["nodeguard.hardEvictionGracePeriodSeconds"],
            id="hard grace period",
        ),
    ],
)
def test_flags(capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], fields: list[str]) -> None:
    code, answer, err = check(capsys, *flags)
    causes = [cause["field"] for cause in answer["details"]["causes"]] if code else []
    assert (code, causes, len(err)) == (3 if fields else 0, fields, len(fields))
