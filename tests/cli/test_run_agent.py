"""What run through an agent makes of objects and statuses."""

from typing import Any

import pytest

from nodeguard.cli.run_object import config_object, event_of, exit_code
from nodeguard.client.follow_log import current, instances
from nodeguard.model.configdata import config_data
from nodeguard.model.objectref import ObjectRef


def status(phase: str, *codes: int, reason: str = "", last: bool = False) -> dict[str, Any]:
    ends = [{"exitCode": code, "finishedAt": f"2026-11-21T10:00:0{n}Z"} for n, code in enumerate(codes)]
    key = "lastState" if last else "state"
    found: dict[str, Any] = {"phase": phase, "containerStatuses": [{key: {"terminated": end}} for end in ends]}
    return {"status": {**found, **({"reason": reason} if reason else {})}}


@pytest.mark.parametrize(
    ("objects", "code"),
    [
        pytest.param([status("Succeeded", 0), status("Succeeded", 0)], 0, id="all went well"),
        pytest.param([status("Failed", 0, 7, 9), status("Succeeded", 0)], 7, id="the first that failed"),
        pytest.param([status("Failed", 3), status("Failed", 137, reason="Evicted")], 11, id="an eviction counts most"),
        pytest.param([status("Failed", reason="OutOfcpu")], 10, id="refused"),
        pytest.param([status("Failed", 0)], 1, id="failed without a code"),
        pytest.param([status("Running", 4, last=True)], 4, id="the instance before"),
        pytest.param([{}], 1, id="never told of"),
    ],
)
def test_exit_codes_are_those_of_a_run_without_an_agent(objects: list[dict[str, Any]], code: int) -> None:
    assert exit_code(objects) == code


def test_config_objects_hold_what_the_file_held() -> None:
    value = {"data": {"a": "b"}, "binaryData": {"c": "/w=="}}
    made = config_object("ns", ObjectRef(kind="ConfigMap", name="x"), config_data("ConfigMap", value))
    assert made == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "ns", "name": "x"}, **value}
    secret = config_object("ns", ObjectRef(kind="Secret", name="x"), config_data("Secret", {"stringData": {"a": "b"}}))
    assert secret["data"] == {"a": "Yg=="}


def test_events() -> None:
    involved = {"namespace": "d", "name": "web", "uid": "u", "fieldPath": "spec.containers{app}"}
    event = event_of(
        {"metadata": {}, "type": "Normal", "reason": "Started", "message": "m", "involvedObject": involved}
    )
    assert (event.pod, event.container, event.uid, event.reason) == ("d/web", "app", "u", "Started")


def test_instances_of_a_container() -> None:
    ended = {"terminated": {"containerID": "a"}}
    assert instances({"state": {"waiting": {}}}) == []
    assert instances({"state": {"running": {}}, "containerID": "b", "lastState": ended}) == ["a", "b"]
    assert current({"state": ended}) == "a"
