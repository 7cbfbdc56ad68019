"""The Summary as JSON: the kubelet's names, and nothing that is not known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import statsbuilder as sb

from nodeguard.model.summary import summary_object

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "summary.json").read_text())

CPU = {"time", "usageNanoCores", "usageCoreNanoSeconds", "psi"}
MEMORY = {
    *("time", "availableBytes", "usageBytes", "workingSetBytes", "rssBytes", "pageFaults", "majorPageFaults", "psi")
}
FS = {"time", "availableBytes", "capacityBytes", "usedBytes", "inodesFree", "inodes", "inodesUsed"}
LINK = {"name", "rxBytes", "rxErrors", "txBytes", "txErrors"}
SWAP = {"time", "swapAvailableBytes", "swapUsageBytes"}


def valid(found: Any) -> Any:
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    return json.loads(json.dumps(found))


def test_every_field_has_the_kubelets_name() -> None:
    found = valid(summary_object(sb.summary()))
    node, pod = found["node"], found["pods"][0]
    assert set(found) == {"node", "pods"}
    assert set(node) == {
        *("nodeName", "systemContainers", "startTime", "cpu", "memory", "io", "network", "fs", "runtime", "rlimit"),
        "swap",
    }
    assert set(pod) == {
        *("podRef", "startTime", "containers", "cpu", "memory", "io", "network", "volume", "ephemeral-storage"),
        *("process_stats", "swap"),
    }
    assert set(pod["containers"][0]) == {"name", "startTime", "cpu", "memory", "io", "rootfs", "logs", "swap"}
    for stats in (node, pod, pod["containers"][0]):
        assert set(stats["cpu"]) == CPU
        assert set(stats["memory"]) == MEMORY
        assert set(stats["io"]) == {"time", "psi"}
        assert set(stats["swap"]) == SWAP
    assert set(node["cpu"]["psi"]) == {"full", "some"}
    assert set(node["cpu"]["psi"]["some"]) == {"total", "avg10", "avg60", "avg300"}
    assert set(node["network"]) == LINK | {"time", "interfaces"}
    assert set(node["network"]["interfaces"][0]) == LINK
    assert set(node["fs"]) == set(node["runtime"]["imageFs"]) == set(node["runtime"]["containerFs"]) == FS
    assert set(node["rlimit"]) == {"time", "maxpid", "curproc"}
    assert set(pod["podRef"]) == {"name", "namespace", "uid"}
    assert pod["process_stats"] == {"process_count": 2}
    assert set(pod["volume"][0]) == {"time", "usedBytes", "name"}


def test_instants_are_rfc_3339() -> None:
    found = summary_object(sb.summary())
    assert found["node"]["startTime"] == "2027-01-15T08:00:00Z"
    assert found["pods"][0]["containers"][0]["cpu"]["time"] == "2027-01-15T08:00:00Z"


def test_what_is_unknown_is_absent_and_never_null_or_zero() -> None:
    found = valid(summary_object(sb.UNKNOWN))
    assert found["node"] == {"nodeName": "n1", "startTime": "2027-01-15T08:00:00Z"}
    (pod,) = found["pods"]
    assert set(pod) == {"podRef", "startTime", "containers"}
    assert set(pod["containers"][0]) == {"name", "startTime"}
    assert "null" not in json.dumps(found)


def test_what_is_known_to_be_zero_is_there() -> None:
    stats = sb.pod(process_stats=sb.ProcessStats(process_count=0), volumes=(), swap=None)
    found = valid(summary_object(sb.summary(stats)))["pods"][0]
    assert found["process_stats"] == {"process_count": 0}
    assert not {"volume", "swap"} & set(found)
    assert valid(summary_object(sb.Summary(node=sb.node(), pods=())))["pods"] == []
