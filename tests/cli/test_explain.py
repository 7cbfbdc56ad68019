from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from nodeguard.cli.main import run
from nodeguard.model.document import MAX_BYTES

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "explanation-list.json").read_text())

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, uid: abc}
spec:
  containers:
  - name: app
    image: host
    command: [sleep, "1"]
    resources: {requests: {cpu: 500m, memory: 64Mi}, limits: {memory: 128Mi}}
"""
OTHER = POD.replace("name: web, uid: abc", "name: other").replace("spec:\n", "spec:\n  nodeName: n1\n")

Explain = Callable[..., tuple[int, str, str]]


@pytest.fixture
def explain(capsys: pytest.CaptureFixture[str]) -> Explain:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = run(["explain", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "pod.yaml"
    path.write_text(POD)
    return path


@pytest.fixture
def items(explain: Explain) -> Callable[..., list[dict[str, Any]]]:
    def call(*arguments: object) -> list[dict[str, Any]]:
        code, out, err = explain(*arguments, "-o", "json")
        assert (code, err) == (0, "")
        found = json.loads(out)
        jsonschema.validate(found, SCHEMA)
        explanations: list[dict[str, Any]] = found["items"]
        return explanations

    return call


Items = Callable[..., list[dict[str, Any]]]


def test_json_with_the_node_of_the_options(items: Items, manifest: Path) -> None:
    (item,) = items(manifest, "--node-memory", "1Gi", "--node-cpu", "2")
    outer, inner = item["cgroups"]
    assert item["pod"] == {"namespace": "default", "name": "web", "uid": "abc"}
    assert (item["qosClass"], item["qosReason"]) == (
        "Burstable",
        "container app: no cpu limit beside the request 500m; memory request 64Mi differs from limit 128Mi",
    )
    assert (outer["cpuShares"], outer["memoryMax"], inner["oomScoreAdj"]) == (512, 134217728, 938)


def test_yaml_says_the_same_as_json(explain: Explain, items: Items, manifest: Path) -> None:
    code, out, _ = explain(manifest, "-o", "yaml")
    assert code == 0
    assert yaml.safe_load(out)["items"] == items(manifest)


def test_text(explain: Explain, manifest: Path) -> None:
    code, out, err = explain(manifest, "--node-memory", "1Gi")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:4] == [
        "pod default/web: Burstable: container app: no cpu limit beside the request 500m; "
        "memory request 64Mi differs from limit 128Mi",
        "  priority 0",
        "  effective requests: cpu 500m, memory 64Mi",
        "  effective limits: memory 128Mi",
    ]
    start = lines.index("  <root>/burstable/podabc")
    assert lines[start + 1].split() == ["cpu.weight", "20", "v1:", "cpu.shares", "512"]
    assert lines[start + 2 : start + 4] == [
        "      app 500m: 500 * 1024 / 1000 = 512 shares; 1 + (512 - 2) * 9999 / 262142 = 20",
        "      from spec.containers[*].resources.requests.cpu",
    ]
    assert "\x1b" not in out


def test_text_of_several_pods(explain: Explain, tmp_path: Path) -> None:
    (tmp_path / "pods.yml").write_text(f"{POD}---{OTHER}")
    _, out, _ = explain(tmp_path)
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith("pod ")] == [
        "pod default/web",
        "pod default/other",
    ]
    assert "  warning: spec.nodeName: accepted, has no effect on one host" in out.splitlines()


@pytest.mark.parametrize(
    ("options", "level", "key", "value"),
    [
        (["--pod-pids-limit", "50"], 0, "pidsMax", 50),
        (["--memory-throttling-factor", "0.9"], 1, "memoryHigh", 127504384),
        (["--memory-throttling-factor", "0.9", "--feature", "MemoryQoS=false"], 1, "memoryHigh", None),
        (["--feature", "MemoryQoS=true", "--memory-throttling-factor", "0.9"], 1, "memoryHigh", 127504384),
        (["--memory-reservation-policy", "TieredReservation"], 0, "memoryLow", 67108864),
        (["--swap-behavior", "LimitedSwap", "--node-swap", "1Gi", "--node-memory", "4Gi"], 1, "swapMax", 16777216),
        (["--no-cpu-cfs-quota"], 1, "cpuPeriodUs", None),
        (["--cpu-cfs-quota-period", "5ms"], 1, "cpuPeriodUs", 5000),
        ([], 1, "cpuPeriodUs", 100_000),
        (["--single-process-oom-kill"], 1, "memoryOomGroup", None),
        (["--cgroup-version", "1"], 1, "memoryOomGroup", None),
        (["--systemd"], 0, "path", "<root>/nodeguard-burstable.slice/nodeguard-burstable-podabc.slice"),
    ],
)
def test_settings(items: Items, manifest: Path, options: list[str], level: int, key: str, value: object) -> None:
    assert items(manifest, *options)[0]["cgroups"][level][key] == value


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--feature", "MemoryQOS=true"], "no such feature gate; known are MemoryQoS"),
        (["--feature", "MemoryQoS"], "write MemoryQoS=true or MemoryQoS=false"),
        (["--memory-throttling-factor", "2"], "memoryThrottlingFactor: 2.0 is not above 0 and at most 1"),
        (["--cpu-cfs-quota-period", "2s"], "cpuCFSQuotaPeriod: 2000000us is not between 1ms and 1s"),
        (["--cpu-cfs-quota-period", "100"], "is not a duration"),
        (["--node-memory", "1GB"], "is not a quantity"),
        (["--node-cpu", "-1"], "-1 is negative"),
    ],
)
def test_wrong_options(explain: Explain, manifest: Path, options: list[str], complaint: str) -> None:
    code, out, err = explain(manifest, *options)
    assert (code, out) == (2, "")
    assert complaint in err


def test_warnings_stand_at_their_pod(items: Items, tmp_path: Path) -> None:
    (tmp_path / "pods.yaml").write_text(f"{POD}---{OTHER}")
    web, other = items(tmp_path / "pods.yaml")
    assert web["warnings"] == []
    assert other["warnings"] == ["spec.nodeName: accepted, has no effect on one host"]
    assert web["pod"]["uid"] == "abc"
    assert len(other["pod"]["uid"]) == 36


def test_warnings_in_a_list_stand_at_their_pod(items: Items, tmp_path: Path) -> None:
    high = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "high"},
        "value": 5,
    }
    web, other = yaml.safe_load(POD), yaml.safe_load(OTHER)
    web["spec"]["priorityClassName"] = "high"
    (tmp_path / "list.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [high, web, other]}))
    found = items(tmp_path / "list.json")
    assert [(item["priority"], item["warnings"]) for item in found] == [
        (5, []),
        (0, ["spec.nodeName: accepted, has no effect on one host"]),
    ]


def test_priority_without_its_class_is_believed_with_a_warning(items: Items, tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(POD.replace("spec:\n", "spec:\n  priority: 2000000000\n  priorityClassName: vital\n"))
    (item,) = items(path)
    assert (item["priority"], item["critical"]) == (2_000_000_000, True)
    assert item["warnings"] == [
        "spec.priorityClassName: no PriorityClass with name 'vital' was found; "
        "a cluster with these PriorityClasses would refuse the pod"
    ]


def test_what_only_run_cannot_do_is_a_warning(items: Items, tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(POD.replace('command: [sleep, "1"]', "tty: true"))
    assert items(path)[0]["warnings"]


def test_every_error_is_told(explain: Explain, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD.replace("500m", "5x").replace("image: host", "imag: host"))
    (tmp_path / "b.yaml").write_text("a: [")
    code, out, err = explain(tmp_path, "-o", "json")
    assert (code, out) == (3, "")
    assert len([line for line in err.splitlines() if line.startswith("Error: ")]) >= 3
    assert f"{tmp_path}/a.yaml:" in err
    assert f"{tmp_path}/b.yaml:" in err


def test_no_pod(explain: Explain, tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("")
    code, out, err = explain(path)
    assert (code, out, err) == (3, "", f"Error: {path}: no Pod in the input\n")


def test_standard_input(items: Items, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(POD.encode())))
    assert items("-")[0]["pod"]["name"] == "web"


def test_standard_input_only_once(explain: Explain) -> None:
    code, _, err = explain("-", "-")
    assert (code, err) == (2, "Error: standard input (-) can be read only once\n")


def test_a_pipe(items: Items, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, POD.encode())
    os.close(writing)
    try:
        assert items(f"/dev/fd/{reading}")[0]["pod"]["name"] == "web"
    finally:
        os.close(reading)


def test_a_directory_is_read_by_name_and_not_below(items: Items, tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(POD)
    (tmp_path / "a.json").write_text(json.dumps(yaml.safe_load(OTHER)))
    (tmp_path / "note.txt").write_text("no YAML: [")
    (tmp_path / "below.yaml").mkdir()
    (tmp_path / "below.yaml" / "c.yaml").write_text("no YAML: [")
    assert [item["pod"]["name"] for item in items(tmp_path)] == ["other", "web"]


def test_missing_files_are_all_named(explain: Explain, tmp_path: Path, manifest: Path) -> None:
    code, out, err = explain(tmp_path / "x", manifest, tmp_path / "y")
    assert (code, out) == (4, "")
    assert err == f"Error: {tmp_path}/x: no such file or directory\n{tmp_path}/y: no such file or directory\n"


def test_what_is_no_file(explain: Explain, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    code, _, err = explain("/dev/zero", tmp_path / "empty", tmp_path / "dangling")
    assert code == 3
    assert err.splitlines() == [
        "Error: /dev/zero: not a regular file, a pipe or a directory",
        f"Error: {tmp_path}/empty: no file in this directory ends with .yaml, .yml, .json",
        f"Error: {tmp_path}/dangling: cannot be read: No such file or directory",
    ]


def test_too_large_files_are_not_read(explain: Explain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.yaml"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    code, _, err = explain(path)
    assert (code, err) == (3, f"Error: {path}: larger than 8 MiB, which is all that is read\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"#" * (MAX_BYTES + 1))))
    assert explain("-") == (3, "", "Error: <stdin>: larger than 8 MiB, which is all that is read\n")


def test_the_same_input_gives_the_same_bytes(explain: Explain, manifest: Path) -> None:
    assert explain(manifest, "-o", "json") == explain(manifest, "-o", "json")
