from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from podbuilder import GIB, MIB, amounts, container, init, pod, resources, sidecar

from nodeguard.model.meta import ObjectMeta
from nodeguard.model.node import NodeCapacity
from nodeguard.model.pod import ContainerKind, Pod, QOSClass
from nodeguard.model.wire import to_wire
from nodeguard.policy.capacity import Reservations
from nodeguard.policy.explain import ExplanationList, explain_pod, make_uid
from nodeguard.policy.setting import LIMITED_SWAP, TIERED_RESERVATION, ResourceSettings

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
NODE = NodeCapacity(cpu_millicpu=4000, memory_bytes=8 * GIB, swap_bytes=2 * GIB)
PLAIN = ResourceSettings()


def explained(
    subject: Pod, settings: ResourceSettings = PLAIN, node: NodeCapacity = NODE, **more: Any
) -> dict[str, Any]:
    wire = to_wire(ExplanationList(items=(explain_pod(subject, node, settings, **more),)))
    jsonschema.validate(wire, json.loads((SCHEMAS / "explanation-list.json").read_text()))
    item: dict[str, Any] = wire["items"][0]
    return item


def formulas(cgroup: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {file["file"]: (file["value"], file["formula"], file["from"]) for file in cgroup["files"]}


def test_schemas_are_those_of_the_code() -> None:
    module = runpy.run_path(str(SCHEMAS / "generate.py"))
    for name, kind in module["SCHEMAS"].items():
        assert (SCHEMAS / name).read_text() == module["text_of"](kind), "run python docs/schemas/generate.py"


def test_the_whole_answer_for_a_pod() -> None:
    subject = pod(
        container("app", "cpu=500m memory=64Mi hugepages-2Mi=4Mi", "cpu=500m memory=128Mi hugepages-2Mi=4Mi"),
        container("b"),
        meta=ObjectMeta(name="web", uid="abc-1"),
    )
    item = explained(subject, warnings=["spec.nodeName: accepted, has no effect on one host"])
    outer, app, b = item.pop("cgroups")
    assert item == {
        "pod": {"namespace": "default", "name": "web", "uid": "abc-1"},
        "qosClass": "Burstable",
        "qosReason": "container app: memory request 64Mi differs from limit 128Mi",
        "effective": {
            "requests": {"cpu": "500m", "memory": "64Mi", "hugepages-2Mi": "4Mi"},
            "limits": {"cpu": "500m", "memory": "128Mi", "hugepages-2Mi": "4Mi"},
        },
        "critical": False,
        "priority": 0,
        "warnings": ["spec.nodeName: accepted, has no effect on one host"],
    }
    files = outer.pop("files")
    assert outer == {
        "level": "pod",
        "container": None,
        "path": "<root>/burstable/podabc-1",
        "cpuShares": 512,
        "cpuWeight": 20,
        "cpuQuotaUs": None,
        "cpuPeriodUs": None,
        "memoryMax": None,
        "memoryMin": None,
        "memoryLow": None,
        "memoryHigh": None,
        "pidsMax": None,
        "swapMax": None,
        "memoryOomGroup": None,
        "hugepages": {"2Mi": 4 * MIB},
    }
    origin = "spec.containers[*].resources.requests.cpu"
    formula = "app 500m: 500 * 1024 / 1000 = 512 shares"
    assert files[0] == {
        "version": 2,
        "file": "cpu.weight",
        "value": "20",
        "formula": f"{formula}; 1 + (512 - 2) * 9999 / 262142 = 20",
        "from": origin,
        "subject": "cpu share",
    }
    assert files[1] == {
        "version": 1,
        "file": "cpu.shares",
        "value": "512",
        "formula": formula,
        "from": origin,
        "subject": "cpu share",
    }
    assert [file["file"] for file in files[2:]] == ["hugetlb.2MB.max", "hugetlb.2MB.limit_in_bytes"]
    del app["files"], b["files"]
    assert app == {
        "level": "container",
        "container": "app",
        "path": "<root>/burstable/podabc-1/app",
        "containerKind": "app",
        "cpuShares": 512,
        "cpuWeight": 59,
        "cpuWeightLinear": 20,
        "cpuQuotaUs": 50_000,
        "cpuPeriodUs": 100_000,
        "memoryMax": 128 * MIB,
        "memoryMin": 0,
        "memoryLow": 0,
        "memoryHigh": None,
        "pidsMax": None,
        "swapMax": 0,
        "memoryOomGroup": True,
        "hugepages": {"2Mi": 4 * MIB},
        "oomScoreAdj": 993,
        "oomScoreAdjFormula": "1000 - 1000 * 67108864 / 8589934592",
        "oomScoreAdjFrom": "spec.containers[0].resources.requests.memory",
    }
    assert (b["cpuShares"], b["cpuQuotaUs"], b["memoryMax"], b["oomScoreAdj"]) == (2, None, None, 999)


def test_containers_of_every_kind_are_listed_from_the_first_to_start() -> None:
    subject = pod(init("i"), sidecar("s"), container("a"), container("debug", kind=ContainerKind.EPHEMERAL))
    cgroups = explained(subject)["cgroups"]
    assert [(c["container"], c.get("containerKind")) for c in cgroups] == [
        (None, None),
        ("i", "init"),
        ("s", "sidecar"),
        ("a", "app"),
        ("debug", "ephemeral"),
    ]


def test_a_uid_is_made_of_namespace_and_name() -> None:
    nameless = pod(container(), meta=ObjectMeta(name="web"))
    assert make_uid(nameless) == make_uid(nameless) == explained(nameless)["pod"]["uid"]
    assert make_uid(nameless) != make_uid(pod(container(), meta=ObjectMeta(name="web", namespace="other")))


def test_systemd_repeats_the_ancestors_and_keeps_dashes_for_itself() -> None:
    subject = pod(container(), meta=ObjectMeta(name="web", uid="1234-abcd"))
    outer, inner = explained(subject, replace(PLAIN, systemd=True))["cgroups"]
    assert outer["path"] == "<root>/nodeguard-besteffort.slice/nodeguard-besteffort-pod1234_abcd.slice"
    assert inner["path"] == f"{outer['path']}/nodeguard-app.scope"


def test_systemd_rounds_the_quota_that_is_written() -> None:
    subject = pod(container(requests="cpu=15m memory=1Mi", limits="cpu=15m memory=1Mi"))
    outer, inner = explained(subject, replace(PLAIN, systemd=True))["cgroups"]
    assert (outer["cpuQuotaUs"], inner["cpuQuotaUs"]) == (2000, 2000)
    text = "limit 15m: 15 * 100000 / 1000 = 1500 us in every 100000 us; systemd rounds up to 10000 us in every second"
    assert formulas(inner)["cpu.max"] == ("2000 100000", text, "spec.containers[0].resources.limits.cpu")


@pytest.mark.parametrize(
    ("subject", "settings", "file", "expected"),
    [
        pytest.param(
            pod(container("a", "cpu=100m"), container("b", "cpu=50m"), overhead="cpu=10m"),
            PLAIN,
            "cpu.shares",
            (
                "163",
                "a 100m + b 50m + overhead 10m = 160m: 160 * 1024 / 1000 = 163 shares",
                "spec.containers[*].resources.requests.cpu, spec.overhead.cpu",
            ),
            id="sum with overhead",
        ),
        pytest.param(
            pod(sidecar("s", "cpu=50m"), init("i", "cpu=500m"), container("a", "cpu=100m")),
            PLAIN,
            "cpu.shares",
            (
                "563",
                "max(a 100m + s 50m, s 50m + i 500m) = 550m: 550 * 1024 / 1000 = 563 shares",
                "spec.initContainers[*].resources.requests.cpu, spec.containers[*].resources.requests.cpu",
            ),
            id="phases",
        ),
        pytest.param(
            pod(container("a"), resources=resources("cpu=1m")),
            PLAIN,
            "cpu.shares",
            ("2", "pod-level request 1m: 1 * 1024 / 1000 = 1 shares, at least 2", "spec.resources.requests.cpu"),
            id="pod level, and the minimum",
        ),
        pytest.param(
            pod(container("a", "cpu=300")),
            PLAIN,
            "cpu.weight",
            (
                "10000",
                "a 300: 300000 * 1024 / 1000 = 307200 shares, at most 262144; 262144 shares weigh 10000",
                "spec.containers[*].resources.requests.cpu",
            ),
            id="the maximum",
        ),
        pytest.param(
            pod(container("a"), overhead="cpu=1"),
            PLAIN,
            "cpu.shares",
            ("2", "BestEffort: the minimum, 2 shares", "status.qosClass"),
            id="BestEffort",
        ),
        pytest.param(
            pod(container("a", limits="cpu=3m memory=64Mi"), container("b", limits="cpu=3m memory=100")),
            PLAIN,
            "cpu.max",
            (
                "1000 100000",
                "a 3m + b 3m = 6m: 6 * 100000 / 1000 = 600 us in every 100000 us, at least 1000",
                "spec.containers[*].resources.limits.cpu",
            ),
            id="quota",
        ),
        pytest.param(
            pod(container("a", limits="memory=64Mi"), container("b", limits="memory=64Mi")),
            PLAIN,
            "memory.max",
            ("134217728", "a 64Mi + b 64Mi = 128Mi = 134217728", "spec.containers[*].resources.limits.memory"),
            id="memory",
        ),
        pytest.param(
            pod(container("a", limits="cpu=1")),
            replace(PLAIN, cpu_cfs_quota=False),
            "cpu.max",
            ("max 100000", "cpuCFSQuota is off: no quota", "spec.containers[*].resources.limits.cpu"),
            id="quotas are off",
        ),
        pytest.param(
            pod(container("a")),
            replace(PLAIN, pod_pids_limit=9),
            "pids.max",
            ("9", "podPidsLimit 9", "kubelet setting podPidsLimit"),
            id="pids",
        ),
        pytest.param(
            pod(container("a", "memory=1Mi")),
            replace(PLAIN, memory_reservation_policy=TIERED_RESERVATION),
            "memory.low",
            (
                "1048576",
                "memoryReservationPolicy TieredReservation: a 1Mi = 1048576",
                "spec.containers[*].resources.requests.memory",
            ),
            id="reserved memory",
        ),
    ],
)
def test_formulas_of_a_pod(subject: Pod, settings: ResourceSettings, file: str, expected: tuple[str, str, str]) -> None:
    assert formulas(explained(subject, settings)["cgroups"][0])[file] == expected


REQUEST = "spec.containers[0].resources.requests"
LIMIT = "spec.containers[0].resources.limits"
THROTTLED = replace(PLAIN, memory_throttling_factor=0.5)
SWAPPING = replace(PLAIN, swap_behavior=LIMITED_SWAP)


@pytest.mark.parametrize(
    ("subject", "settings", "file", "expected"),
    [
        pytest.param(
            pod(container(limits="cpu=1")),
            PLAIN,
            "cpu.shares",
            ("1024", "no request, so the limit 1: 1000 * 1024 / 1000 = 1024 shares", f"{LIMIT}.cpu"),
            id="shares of the limit",
        ),
        pytest.param(
            pod(container(), resources=resources("", "cpu=1")),
            PLAIN,
            "cpu.weight",
            (
                "100",
                "no request, so the limit 1: 1000 * 1024 / 1000 = 1024 shares; "
                "ceil(10^((L*L + 125*L)/612 - 7/34)), L = log2(1024), = 100",
                "spec.resources.limits.cpu",
            ),
            id="shares of the pod level's limit",
        ),
        pytest.param(
            pod(container()),
            PLAIN,
            "cpu.max",
            ("max 100000", "no limit: a period without a quota", f"{LIMIT}.cpu"),
            id="no quota",
        ),
        pytest.param(
            pod(container(limits="memory=1Mi")),
            replace(PLAIN, cgroup_version=1),
            "memory.memsw.limit_in_bytes",
            ("1048576", "memory and swap together: no more than memory alone", f"{LIMIT}.memory"),
            id="memory and swap on v1",
        ),
        pytest.param(
            pod(container(requests="memory=4096", limits="memory=12288")),
            THROTTLED,
            "memory.high",
            ("8192", "floor((4096 + 0.5 * (12288 - 4096)) / 4096) * 4096", f"{REQUEST}.memory, {LIMIT}.memory"),
            id="memory.high below the limit",
        ),
        pytest.param(
            pod(container()),
            THROTTLED,
            "memory.high",
            (
                "4294967296",
                "floor((0 + 0.5 * (8589934592 - 0)) / 4096) * 4096; no limit, so the node's 8589934592",
                f"{REQUEST}.memory, {LIMIT}.memory",
            ),
            id="memory.high without a limit",
        ),
        pytest.param(
            pod(container(requests="memory=4Gi")),
            SWAPPING,
            "memory.swap.max",
            ("1073741824", "request 4Gi: 4294967296 / 8589934592 * 2147483648 of swap", f"{REQUEST}.memory"),
            id="swap",
        ),
        pytest.param(
            pod(container(requests="memory=4Gi"), priority=2_000_000_000),
            SWAPPING,
            "memory.swap.max",
            ("0", "a critical pod does not swap", "spec.priority"),
            id="swap of a critical pod",
        ),
        pytest.param(
            pod(container()),
            SWAPPING,
            "memory.swap.max",
            ("0", "a BestEffort pod does not swap", "status.qosClass"),
            id="swap of a BestEffort pod",
        ),
        pytest.param(
            pod(container(requests="cpu=1")),
            SWAPPING,
            "memory.swap.max",
            ("0", "no memory request and no limit: no swap", f"{REQUEST}.memory"),
            id="swap without a request",
        ),
        pytest.param(
            pod(container(requests="memory=1Gi", limits="memory=1Gi")),
            SWAPPING,
            "memory.swap.max",
            ("0", "request and limit are both 1Gi: no swap", f"{REQUEST}.memory"),
            id="swap with request equal to limit",
        ),
        pytest.param(
            pod(container(requests="memory=9Gi")),
            SWAPPING,
            "memory.swap.max",
            ("0", "request 9Gi is more than the node's memory: no swap", f"{REQUEST}.memory"),
            id="swap with a request larger than the node",
        ),
        pytest.param(
            pod(container(requests="memory=9Gi")),
            replace(SWAPPING, cgroup_version=1),
            "memory.swap.max",
            ("0", "cgroup v1 has no limited swap", f"{REQUEST}.memory"),
            id="swap on v1",
        ),
        pytest.param(
            pod(container(requests="memory=1Mi")),
            replace(PLAIN, memory_reservation_policy=TIERED_RESERVATION),
            "memory.low",
            ("1048576", "memoryReservationPolicy TieredReservation: request 1Mi = 1048576", f"{REQUEST}.memory"),
            id="reserved memory",
        ),
        pytest.param(
            pod(container(), resources=resources("", "cpu=1 hugepages-2Mi=2Mi")),
            PLAIN,
            "hugetlb.2MB.max",
            ("2097152", "limit 2Mi = 2097152", "spec.resources.limits.hugepages-2Mi"),
            id="huge pages of the pod level",
        ),
    ],
)
def test_formulas_of_a_container(
    subject: Pod, settings: ResourceSettings, file: str, expected: tuple[str, str, str]
) -> None:
    assert formulas(explained(subject, settings)["cgroups"][1])[file] == expected


def test_memory_high_knows_reservations() -> None:
    item = explained(pod(container()), THROTTLED, reserved=Reservations(kube=amounts("memory=4Gi")))
    assert item["cgroups"][1]["memoryHigh"] == 2 * GIB


@pytest.mark.parametrize(
    ("subject", "formula", "origin"),
    [
        (pod(container("a", "cpu=1 memory=1Gi", "cpu=1 memory=1Gi")), "every Guaranteed container", "status.qosClass"),
        (pod(container("a")), "every BestEffort container", "status.qosClass"),
        (
            pod(container("a"), priority=2_000_000_000, priority_class_name="system-node-critical"),
            "a node-critical pod",
            "spec.priorityClassName",
        ),
        (
            pod(container("a", "cpu=1")),
            "1000 - 1000 * 0 / 8589934592 = 1000, kept between 3 and 999",
            f"{REQUEST}.memory",
        ),
        (
            pod(container("a", "memory=1Gi"), resources=resources("memory=3Gi")),
            "1000 - 1000 * 3221225472 / 8589934592; "
            "2147483648 bytes are its part of what the pod requests beyond its containers",
            f"{REQUEST}.memory, spec.resources.requests.memory",
        ),
        (
            pod(sidecar("a"), container("b", "memory=1Gi")),
            "1000 - 1000 * 1073741824 / 8589934592; a sidecar counts at least the smallest app container's request",
            "spec.initContainers[0].resources.requests.memory, spec.containers[*].resources.requests.memory",
        ),
    ],
)
def test_formulas_of_scores(subject: Pod, formula: str, origin: str) -> None:
    first = explained(subject)["cgroups"][1]
    assert (first["oomScoreAdjFormula"], first["oomScoreAdjFrom"]) == (formula, origin)


small = st.sampled_from(["", "cpu=1m", "cpu=2 memory=64Mi", "memory=0", "hugepages-2Mi=4Mi cpu=1", "memory=9Gi"])
all_settings = st.builds(
    ResourceSettings,
    cgroup_version=st.sampled_from([1, 2]),
    systemd=st.booleans(),
    has_swap_controller=st.booleans(),
    cpu_cfs_quota=st.booleans(),
    pod_pids_limit=st.sampled_from([-1, 10]),
    memory_throttling_factor=st.sampled_from([None, 0.9]),
    memory_reservation_policy=st.sampled_from(["None", TIERED_RESERVATION]),
    swap_behavior=st.sampled_from(["NoSwap", LIMITED_SWAP]),
)


@given(small, small, small, small, st.sampled_from([None, *QOSClass]), all_settings)
def test_every_value_has_a_reason(
    requests: str, limits: str, other: str, pod_level: str, qos: QOSClass | None, settings: ResourceSettings
) -> None:
    subject = pod(
        init("i", other),
        sidecar("s", limits, other),
        container("a", requests, limits),
        resources=resources(pod_level, pod_level),
        qos_class=qos,
        overhead=other,
    )
    node = replace(NODE, hugepages_bytes={"2Mi": 0, "1Gi": GIB})
    item = explained(subject, settings, node)
    for cgroup in item["cgroups"]:
        assert all(file["formula"] and file["from"] and file["value"] for file in cgroup["files"])
        for name, file in (("cpuWeight", "cpu.weight"), ("memoryMax", "memory.max"), ("memoryHigh", "memory.high")):
            written = {f["file"]: f["value"] for f in cgroup["files"]}.get(file)
            assert written == (None if cgroup[name] is None else str(cgroup[name]))
