"""The v1 PodStatus that follows from what is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import Container, ContainerKind, Pod, QOSClass, RestartPolicy
from nodeguard.model.status import (
    ContainerStage,
    ContainerView,
    Phase,
    PodView,
    SandboxStage,
    StopRequest,
    Termination,
)
from nodeguard.policy.status import phase, pod_status

APP = Container(name="a", command=("true",))
INIT = Container(name="i", kind=ContainerKind.INIT, command=("true",))
SIDE = Container(name="s", kind=ContainerKind.SIDECAR, command=("true",))


def pod(*inits: Container, policy: RestartPolicy = RestartPolicy.ALWAYS) -> Pod:
    return Pod(meta=ObjectMeta(name="p"), containers=(APP,), init_containers=inits, restart_policy=policy)


def end(code: int, reason: str = "") -> Termination:
    word = reason or ("Error" if code else "Completed")
    return Termination(exit_code=code, reason=word, started_at=10.0, finished_at=20.0, container_id="c")


def seen(container: Container, stage: str = "absent", ended: Termination | None = None) -> ContainerView:
    return ContainerView(name=container.name, kind=container.kind, stage=ContainerStage(stage), ended=ended)


def look(*containers: ContainerView, **more: Any) -> PodView:
    return PodView(containers={c.name: c for c in containers}, sandbox=SandboxStage.READY, started_at=0.0, **more)


@pytest.mark.parametrize(
    ("of", "view", "expected"),
    [
        pytest.param(pod(), look(seen(APP)), Phase.PENDING, id="not started yet"),
        pytest.param(pod(), look(seen(APP, "running")), Phase.RUNNING, id="running"),
        pytest.param(pod(), look(seen(APP, ended=end(1))), Phase.RUNNING, id="waiting for its restart"),
        pytest.param(
            pod(policy=RestartPolicy.NEVER), look(seen(APP, ended=end(0))), Phase.SUCCEEDED, id="done with 0"
        ),
        pytest.param(pod(policy=RestartPolicy.NEVER), look(seen(APP, ended=end(3))), Phase.FAILED, id="done with 3"),
        pytest.param(
            pod(INIT, policy=RestartPolicy.NEVER), look(seen(INIT, ended=end(1)), seen(APP)), Phase.FAILED,
            id="fatal init",
        ),
        pytest.param(pod(INIT), look(seen(INIT, ended=end(1)), seen(APP)), Phase.PENDING, id="init to be retried"),
        pytest.param(pod(INIT), look(seen(INIT, "running"), seen(APP)), Phase.PENDING, id="init running"),
        pytest.param(
            pod(SIDE, policy=RestartPolicy.NEVER), look(seen(SIDE, "running"), seen(APP, ended=end(0))),
            Phase.SUCCEEDED, id="a sidecar does not keep a pod going",
        ),
        pytest.param(
            pod(), look(seen(APP, ended=end(143)), stop=StopRequest(at=1, grace_seconds=1)), Phase.FAILED,
            id="stopped, ended by the signal",
        ),
        pytest.param(
            pod(), look(seen(APP, ended=end(0)), stop=StopRequest(at=1, grace_seconds=1)), Phase.SUCCEEDED,
            id="stopped, ended with 0",
        ),
        pytest.param(
            pod(), look(seen(APP), stop=StopRequest(at=1, grace_seconds=1)), Phase.FAILED, id="stopped before it ran"
        ),
        pytest.param(
            pod(), look(seen(APP, ended=end(0)), stop=StopRequest(at=1, grace_seconds=1, reason="DeadlineExceeded")),
            Phase.FAILED, id="a reason makes it Failed whatever the exit code",
        ),
    ],
)  # fmt: skip
def test_phase(of: Pod, view: PodView, expected: Phase) -> None:
    assert phase(of, view) is expected


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {entry["type"]: entry["status"] for entry in status["conditions"]}


def test_a_running_pod_is_ready() -> None:
    status = pod_status(pod(), look(seen(APP, "running")), QOSClass.BURSTABLE, 50.0)
    assert conditions(status) == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
        "PodScheduled": "True",
    }
    assert status["qosClass"] == "Burstable"
    assert status["containerStatuses"][0]["ready"] is True


def test_a_finished_pod_is_not_ready_and_says_why() -> None:
    view = look(seen(APP, ended=end(0)), stop=StopRequest(at=1, grace_seconds=1))
    status = pod_status(pod(policy=RestartPolicy.NEVER), view, QOSClass.BEST_EFFORT, 50.0)
    ready = next(entry for entry in status["conditions"] if entry["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "PodCompleted")


def test_crash_loop_back_off_is_a_waiting_state_with_the_last_end_beside_it() -> None:
    view = replace(seen(APP, ended=end(2)), backoff_seconds=40.0, backoff_updated_at=15.0, attempt=3)
    container = pod_status(pod(), look(view), QOSClass.BEST_EFFORT, 30.0)["containerStatuses"][0]
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert "40s" in container["state"]["waiting"]["message"]
    assert container["lastState"]["terminated"]["exitCode"] == 2
    assert container["restartCount"] == 3


def test_the_end_is_told_as_the_kernel_and_the_runtime_told_it() -> None:
    view = look(seen(APP, ended=end(137, "OOMKilled")))
    state = pod_status(pod(policy=RestartPolicy.NEVER), view, QOSClass.BURSTABLE, 30.0)["containerStatuses"][0]["state"]
    assert state["terminated"] == {
        "exitCode": 137,
        "reason": "OOMKilled",
        "startedAt": "1970-01-01T00:00:10Z",
        "finishedAt": "1970-01-01T00:00:20Z",
        "containerID": "nodeguard://c",
    }


def test_an_app_waits_for_pod_initialization() -> None:
    status = pod_status(pod(INIT), look(seen(INIT, "running"), seen(APP)), QOSClass.BURSTABLE, 30.0)
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}


def test_what_a_container_waits_with_before_its_first_start() -> None:
    """Source: kubelet, pkg/kubelet/kubelet_pods.go, convertToAPIContainerStatuses, defaultWaitingState."""
    being_made = pod_status(pod(INIT), look(seen(INIT, "creating"), seen(APP)), QOSClass.BURSTABLE, 30.0)
    assert being_made["initContainerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    alone = pod_status(pod(), look(seen(APP, "creating")), QOSClass.BURSTABLE, 30.0)
    assert alone["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}


def test_a_transition_time_moves_only_with_the_status() -> None:
    first = pod_status(pod(), look(seen(APP)), QOSClass.BURSTABLE, 10.0)
    second = pod_status(pod(), look(seen(APP, "running")), QOSClass.BURSTABLE, 20.0, previous=first)
    times = {entry["type"]: entry["lastTransitionTime"] for entry in second["conditions"]}
    assert times["Ready"] == "1970-01-01T00:00:20Z"
    assert times["PodScheduled"] == "1970-01-01T00:00:10Z"
