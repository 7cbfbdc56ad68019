from __future__ import annotations

from typing import Any

import pytest
from streamserver import pod

from nodeguard.api.status import ApiError
from nodeguard.api.stream.pod import choose_container, is_running, logged_container_id, running_container_id

RUNNING = {"state": {"running": {}}, "containerID": "nodeguard://u1_a_2"}
ENDED = {"terminated": {"containerID": "nodeguard://u1_a_1"}}


def refusal(function: Any, *args: Any, **named: Any) -> str:
    with pytest.raises(ApiError) as refused:
        function(*args, **named)
    return refused.value.message


def test_the_only_container_need_not_be_named() -> None:
    assert choose_container(pod(a=RUNNING), "") == "a"
    assert choose_container(pod(a=RUNNING, b=RUNNING), "b") == "b"


def test_several_containers_are_listed() -> None:
    several = pod(a=RUNNING, b=RUNNING)
    several["spec"]["initContainers"] = [{"name": "i"}]
    assert refusal(choose_container, several, "") == (
        "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]"
    )
    assert choose_container(several, "i") == "i"
    assert refusal(choose_container, several, "../b") == "container ../b is not valid for pod p"


@pytest.mark.parametrize(
    ("status", "previous", "found"),
    [
        pytest.param(RUNNING, False, "u1_a_2", id="what runs"),
        pytest.param({**RUNNING, "lastState": ENDED}, True, "u1_a_1", id="what ran before"),
        pytest.param({"state": ENDED, "containerID": "x"}, False, "u1_a_1", id="what has ended"),
        pytest.param({"state": {"waiting": {}}, "lastState": ENDED}, False, "u1_a_1", id="what waits to be restarted"),
    ],
)
def test_whose_log(status: dict[str, Any], previous: bool, found: str) -> None:
    assert logged_container_id(pod(a=status), "a", previous=previous) == found


@pytest.mark.parametrize(
    ("status", "previous", "message"),
    [
        (RUNNING, True, 'previous terminated container "a" in pod "p" not found'),
        (
            {"state": {"waiting": {"reason": "ContainerCreating"}}},
            False,
            'container "a" in pod "p" is waiting to start: ContainerCreating',
        ),
        (
            {"state": {"waiting": {"reason": "ImagePullBackOff"}}},
            False,
            'container "a" in pod "p" is waiting to start: trying and failing to pull image',
        ),
        ({"state": {"terminated": {}}}, False, 'container "a" in pod "p" is terminated'),
        ({}, False, 'container "a" in pod "p" is waiting to start - no logs yet'),
    ],
)
def test_no_log(status: dict[str, Any], previous: bool, message: str) -> None:
    assert refusal(logged_container_id, pod(a=status), "a", previous=previous) == message


def test_a_container_that_the_agent_has_not_spoken_of() -> None:
    new = pod(a=RUNNING)
    new["status"] = {"phase": "Pending"}
    assert refusal(logged_container_id, new, "a", previous=False) == 'container "a" in pod "p" is not available'
    assert 'container not found ("a")' in refusal(running_container_id, new, "a")


def test_running_is_said_of_this_very_container() -> None:
    there = pod(a=RUNNING)
    assert is_running(there, "u1", "a", "u1_a_2")
    assert not is_running(there, "u1", "a", "u1_a_1")
    assert not is_running(there, "u2", "a", "u1_a_2")
    assert not is_running(pod(a={"state": ENDED}), "u1", "a", "u1_a_1")
    assert not is_running(None, "u1", "a", "u1_a_2")
