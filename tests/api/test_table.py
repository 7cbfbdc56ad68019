"""Tables: the words that kubectl prints."""

from __future__ import annotations

from typing import Any

import pytest

from nodeguard.api.resource import RESOURCES, find_kind
from nodeguard.api.table.column import age, human_duration
from nodeguard.api.table.table import table
from nodeguard.model.instant import parse_rfc3339

NOW = parse_rfc3339("2026-11-21T12:00:00Z") or 0.0
CREATED = "2026-11-21T11:58:30Z"
RUNNING: dict[str, Any] = {"running": {"startedAt": CREATED}}


def waiting(reason: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason}}


def ended(code: int, reason: str = "", **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, **({"reason": reason} if reason else {}), **more}}


def seen(state: dict[str, Any], name: str = "a", **more: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "ready": False, "restartCount": 0, **more}


def pod(
    *containers: dict[str, Any],
    inits: tuple[dict[str, Any], ...] = (),
    sidecars: tuple[str, ...] = (),
    phase: str = "Running",
    meta: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    init_specs = [
        {"name": one["name"], **({"restartPolicy": "Always"} if one["name"] in sidecars else {})} for one in inits
    ]
    return {
        "metadata": {"name": "p", "creationTimestamp": CREATED, **(meta or {})},
        "spec": {"containers": [{"name": one["name"]} for one in containers], "initContainers": init_specs},
        "status": {
            "phase": phase,
            "containerStatuses": list(containers),
            "initContainerStatuses": list(inits),
            **status,
        },
    }


def cells(kind: str, obj: dict[str, Any], version: str = "v1") -> dict[str, Any]:
    resource = find_kind(version, kind)
    assert resource is not None
    made = table(resource, [obj], now=NOW)
    names = [column["name"] for column in made["columnDefinitions"]]
    return dict(zip(names, made["rows"][0]["cells"], strict=True))


READY = seen(RUNNING, ready=True)
INITIALIZED = [{"type": "Initialized", "status": "True"}]
DELETED = {"deletionTimestamp": CREATED}


@pytest.mark.parametrize(("obj", "word", "ready"), [
    pytest.param(pod(READY), "Running", "1/1", id="all is well"),
    pytest.param(pod(seen(waiting("ContainerCreating")), phase="Pending"), "ContainerCreating", "0/1", id="being made"),
    pytest.param(pod(seen(waiting("CrashLoopBackOff"))), "CrashLoopBackOff", "0/1", id="back-off"),
    pytest.param(pod(READY, seen(ended(1, "Error"), "b")), "Error", "1/2", id="one of two has failed"),
    pytest.param(pod(seen(ended(1, "Error")), seen(waiting("X"), "b")), "Error", "0/2", id="the first one counts"),
    pytest.param(pod(READY, seen(ended(0, "Completed"), "b")), "NotReady", "1/2", id="one is done, the pod not ready"),
    pytest.param(
        pod(READY, seen(ended(0, "Completed"), "b"), conditions=[{"type": "Ready", "status": "True"}]),
        "Running", "1/2", id="one is done, the pod ready",
    ),
    pytest.param(pod(seen(ended(0, "Completed")), phase="Succeeded"), "Completed", "0/1", id="done"),
    pytest.param(pod(seen(ended(3))), "ExitCode:3", "0/1", id="an exit code without a reason"),
    pytest.param(pod(seen(ended(137, signal=9))), "Signal:9", "0/1", id="a signal without a reason"),
    pytest.param(pod(seen(ended(137, "OOMKilled"))), "OOMKilled", "0/1", id="a reason"),
    pytest.param(pod(phase="Failed", reason="Evicted"), "Evicted", "0/0", id="the pod's own reason"),
    pytest.param(pod(READY, meta=DELETED), "Terminating", "1/1", id="being deleted"),
    pytest.param(pod(phase="Failed", reason="Evicted", meta=DELETED), "Evicted", "0/0", id="deleted when it had ended"),
    pytest.param(pod(READY, reason="NodeLost", meta=DELETED), "Unknown", "1/1", id="deleted on a node that is lost"),
    pytest.param(
        pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]),
        "SchedulingGated", "0/0", id="held back",
    ),
    pytest.param(
        pod(seen(waiting("PodInitializing")), inits=(seen(RUNNING, "i"), seen(waiting("PodInitializing"), "j"))),
        "Init:0/2", "0/1", id="the first of two init containers runs",
    ),
    pytest.param(
        pod(seen(waiting("PodInitializing")), inits=(seen(ended(0, "Completed"), "i"), seen(RUNNING, "j"))),
        "Init:1/2", "0/1", id="the second of two init containers runs",
    ),
    pytest.param(pod(seen(waiting("PodInitializing")), inits=(seen(ended(2), "i"),)), "Init:ExitCode:2", "0/1",
                 id="an init container has failed without a reason"),
    pytest.param(pod(seen(waiting("PodInitializing")), inits=(seen(ended(9, signal=9), "i"),)), "Init:Signal:9", "0/1",
                 id="one was killed"),
    pytest.param(pod(seen(waiting("PodInitializing")), inits=(seen(waiting("CrashLoopBackOff"), "i"),)),
                 "Init:CrashLoopBackOff", "0/1", id="an init container in back-off"),
    pytest.param(pod(READY, inits=(seen(RUNNING, "s", started=True, ready=True),), sidecars=("s",)), "Running", "2/2",
                 id="a sidecar counts as a container"),
    pytest.param(
        pod(READY, inits=(seen(waiting("CrashLoopBackOff"), "s"),), sidecars=("s",), conditions=INITIALIZED),
        "Init:CrashLoopBackOff", "1/2", id="a sidecar that comes back after the start",
    ),
])  # fmt: skip
def test_pod_words(obj: dict[str, Any], word: str, ready: str) -> None:
    found = cells("Pod", obj)
    assert (found["Status"], found["Ready"]) == (word, ready)


@pytest.mark.parametrize(("obj", "restarts"), [
    pytest.param(pod(READY), "0", id="never"),
    pytest.param(pod(seen(RUNNING, restartCount=2)), "2", id="the last end is not known"),
    pytest.param(
        pod(
            seen(RUNNING, restartCount=2, lastState=ended(1, finishedAt="2026-11-21T11:55:00Z")),
            seen(RUNNING, "b", restartCount=1, lastState=ended(1, finishedAt="2026-11-21T11:50:00Z")),
        ),
        "3 (5m ago)", id="all containers together, the latest end",
    ),
    pytest.param(
        pod(READY, inits=(seen(ended(0), "i", restartCount=4, lastState=ended(1, finishedAt=CREATED)),)),
        "0", id="those of init containers that are done do not count",
    ),
    pytest.param(
        pod(seen(waiting("PodInitializing")), inits=(seen(RUNNING, "i", restartCount=4),)),
        "4", id="those of an init container that is not done count",
    ),
    pytest.param(
        pod(READY, inits=(seen(RUNNING, "s", started=True, restartCount=1),), sidecars=("s",)),
        "1", id="those of a sidecar count",
    ),
])  # fmt: skip
def test_pod_restarts(obj: dict[str, Any], restarts: str) -> None:
    assert cells("Pod", obj)["Restarts"] == restarts


def test_pod_wide_columns() -> None:
    obj = pod(READY, podIPs=[{"ip": "10.0.0.7"}], conditions=[{"type": "x/y", "status": "True"}])
    obj["spec"] |= {"nodeName": "n", "readinessGates": [{"conditionType": "x/y"}, {"conditionType": "x/z"}]}
    found = cells("Pod", obj)
    assert [found[name] for name in ("IP", "Node", "Nominated Node", "Readiness Gates")] == [
        "10.0.0.7", "n", "<none>", "1/2",
    ]  # fmt: skip
    assert cells("Pod", pod())["Readiness Gates"] == "<none>"


@pytest.mark.parametrize(("seconds", "text"), [
    (-3, "<invalid>"), (-1.5, "0s"), (0, "0s"), (119.9, "119s"), (120, "2m"), (185, "3m5s"), (600, "10m"),
    (3 * 3600 - 1, "179m"), (3 * 3600, "3h"), (5 * 3600 + 120, "5h2m"), (8 * 3600, "8h"), (47 * 3600, "47h"),
    (48 * 3600, "2d"), (50 * 3600, "2d2h"), (8 * 86400, "8d"), (729 * 86400, "729d"), (731 * 86400, "2y1d"),
    (8 * 365 * 86400, "8y"),
])  # fmt: skip
def test_human_duration(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_age_of_nothing() -> None:
    assert age(None, NOW) == "<unknown>"


def node(**more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "n", "creationTimestamp": CREATED, "labels": more.pop("labels", {})}, **more}


@pytest.mark.parametrize(("obj", "status", "roles"), [
    pytest.param(node(), "Unknown", "<none>", id="nothing is known"),
    pytest.param(node(status={"conditions": [{"type": "Ready", "status": "True"}]}), "Ready", "<none>", id="ready"),
    pytest.param(node(status={"conditions": [{"type": "Ready", "status": "Unknown"}]}), "NotReady", "<none>", id="not"),
    pytest.param(
        node(status={"conditions": [{"type": "Ready", "status": "True"}]}, spec={"unschedulable": True},
             labels={"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"}),
        "Ready,SchedulingDisabled", "edge,worker", id="cordoned, with roles",
    ),
])  # fmt: skip
def test_node_words(obj: dict[str, Any], status: str, roles: str) -> None:
    found = cells("Node", obj)
    assert (found["Status"], found["Roles"]) == (status, roles)
    assert (found["Age"], found["OS-Image"], found["Internal-IP"]) == ("90s", "<unknown>", "<none>")


EVENT = {
    "metadata": {"name": "e"},
    "type": "Warning",
    "reason": "Evicted",
    "message": " gone\n",
    "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{a}"},
    "source": {"component": "kubelet", "host": "n"},
    "firstTimestamp": "2026-11-21T11:50:00Z",
    "lastTimestamp": CREATED,
    "count": 3,
}
NEW_EVENT = {
    "metadata": {"name": "e"},
    "type": "Warning",
    "reason": "Evicted",
    "note": "gone",
    "regarding": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{a}"},
    "reportingController": "kubelet",
    "reportingInstance": "n",
    "eventTime": "2026-11-21T11:50:00.000000Z",
    "series": {"count": 3, "lastObservedTime": "2026-11-21T11:58:30.000000Z"},
}


@pytest.mark.parametrize(("version", "event"), [("v1", EVENT), ("events.k8s.io/v1", NEW_EVENT)])
def test_event_cells(version: str, event: dict[str, Any]) -> None:
    assert list(cells("Event", event, version).values()) == [
        "90s", "Warning", "Evicted", "pod/p", "spec.containers{a}", "kubelet, n", "gone", "10m", 3, "e",
    ]  # fmt: skip


@pytest.mark.parametrize(("version", "kind", "fields", "wanted"), [
    ("v1", "ConfigMap", {"data": {"a": "1"}, "binaryData": {"b": "YQ=="}}, ["n", 2, "90s"]),
    ("v1", "Secret", {"type": "Opaque", "data": {"a": "MQ=="}}, ["n", "Opaque", 1, "90s"]),
    ("v1", "ServiceAccount", {}, ["n", 0, "90s"]),
    ("v1", "Namespace", {"status": {"phase": "Active"}}, ["n", "Active", "90s"]),
    ("coordination.k8s.io/v1", "Lease", {"spec": {"holderIdentity": "h"}}, ["n", "h", "90s"]),
    ("scheduling.k8s.io/v1", "PriorityClass", {"value": 7, "preemptionPolicy": "P"}, ["n", 7, False, "90s", "P"]),
    ("metrics.k8s.io/v1beta1", "NodeMetrics", {"usage": {"cpu": "12m", "memory": "3Mi"}, "window": "10s"},
     ["n", "12m", "3Mi", "10s"]),
    ("metrics.k8s.io/v1beta1", "PodMetrics",
     {"containers": [{"usage": {"cpu": "1m", "memory": "1Mi"}}, {"usage": {"cpu": "2m"}}], "window": "10s"},
     ["n", "3m", "1Mi", "10s"]),
])  # fmt: skip
def test_cells_of_other_kinds(version: str, kind: str, fields: dict[str, Any], wanted: list[Any]) -> None:
    obj = {"metadata": {"name": "n", "creationTimestamp": CREATED}, **fields}
    assert list(cells(kind, obj, version).values()) == wanted


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: f"{one.group_version} {one.plural}")
def test_an_object_without_anything_has_a_row(resource: Any) -> None:
    made = table(resource, [{"metadata": {"name": "n"}}], now=NOW)
    assert len(made["rows"][0]["cells"]) == len(made["columnDefinitions"])


def test_what_comes_with_a_row() -> None:
    resource = find_kind("v1", "Pod")
    assert resource is not None
    obj = pod(phase="Failed")
    rows = {
        include: table(resource, [obj], now=NOW, include=include)["rows"][0]
        for include in ("Metadata", "Object", "None")
    }
    assert rows["Object"]["object"] is obj
    assert "object" not in rows["None"]
    assert rows["Metadata"]["object"] == {
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"],
    }  # fmt: skip
    assert rows["None"]["conditions"][0] == {
        "type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed.",
    }  # fmt: skip


def test_metadata_version_and_headers() -> None:
    resource = find_kind("v1", "Pod")
    assert resource is not None
    made = table(resource, [], now=NOW, meta={"resourceVersion": "7"}, version="v1beta1", headers=False)
    assert made == {
        "kind": "Table", "apiVersion": "meta.k8s.io/v1beta1", "metadata": {"resourceVersion": "7"},
        "columnDefinitions": None, "rows": [],
    }  # fmt: skip
