"""``status`` of a pod: its spec and what is seen of it in, the v1 PodStatus object out.

Source: kubelet, pkg/kubelet/kubelet_pods.go (getPhase, convertToAPIContainerStatuses), pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodeguard.model.instant import rfc3339
from nodeguard.model.meta import Condition
from nodeguard.model.pod import Container, ContainerKind, Pod, QOSClass
from nodeguard.model.status import ContainerView, Phase, PodView, SandboxStage, Termination
from nodeguard.policy.backoff import MAX_BACKOFF_SECONDS, restart_at
from nodeguard.policy.lifecycle import init_failed, is_initialized, should_restart

CRASH_LOOP = "CrashLoopBackOff"
CONFIG_ERROR = "CreateContainerConfigError"


def phase(pod: Pod, view: PodView) -> Phase:
    """``status.phase``, first match of the kubelet's list."""
    if view.failure is not None or (view.stop is not None and view.stop.reason) or init_failed(pod, view):
        return Phase.FAILED
    apps = [(container, view.containers[container.name]) for container in pod.containers]
    torn_down = view.stop is not None
    alive = any(seen.is_alive for seen in view.containers.values())
    if torn_down and not alive:
        return _final_phase([seen for _, seen in apps])
    if not is_initialized(pod, view) or any(seen.ended is None and not seen.is_running for _, seen in apps):
        return Phase.PENDING
    if any(seen.is_running for _, seen in apps):
        return Phase.RUNNING
    if not torn_down and any(seen.ended and should_restart(pod, container, seen.ended) for container, seen in apps):
        return Phase.RUNNING
    if any(seen.is_alive for _, seen in apps):
        return Phase.RUNNING
    return _final_phase([seen for _, seen in apps])


def _final_phase(apps: list[ContainerView]) -> Phase:
    succeeded = all(seen.ended is not None and seen.ended.exit_code == 0 for seen in apps)
    return Phase.SUCCEEDED if succeeded else Phase.FAILED


def pod_status(
    pod: Pod,
    view: PodView,
    qos: QOSClass,
    now: float,
    *,
    previous: Mapping[str, Any] | None = None,
    max_backoff_seconds: float = MAX_BACKOFF_SECONDS,
) -> dict[str, Any]:
    """The whole ``status`` object; ``previous`` supplies transition times of conditions that did not change."""
    now_phase = phase(pod, view)
    status: dict[str, Any] = {
        "phase": now_phase.value,
        "conditions": _conditions_json(_conditions(pod, view, now_phase), now, previous),
        "qosClass": qos.value,
        "startTime": rfc3339(view.started_at),
        "containerStatuses": [_container_status(pod, view, c, now, max_backoff_seconds) for c in pod.containers],
    }
    if pod.init_containers:
        status["initContainerStatuses"] = [
            _container_status(pod, view, c, now, max_backoff_seconds) for c in pod.init_containers
        ]
    if view.failure is not None:
        status["reason"], status["message"] = view.failure.reason, view.failure.message
    elif view.stop is not None and view.stop.reason:
        status["reason"], status["message"] = view.stop.reason, view.stop.message
    return status


def backing_off(status: Mapping[str, Any]) -> dict[str, str]:
    """The containers of a status that wait for their next try, each with the message that says so."""
    return {
        each["name"]: each["state"]["waiting"]["message"]
        for key in ("initContainerStatuses", "containerStatuses")
        for each in status.get(key, ())
        if each["state"].get("waiting", {}).get("reason") == CRASH_LOOP
    }


def _container_status(
    pod: Pod, view: PodView, container: Container, now: float, max_backoff_seconds: float
) -> dict[str, Any]:
    seen = view.containers[container.name]
    state = _state(pod, view, container, seen, now, max_backoff_seconds)
    last: dict[str, Any] = {}
    if seen.ended is not None and "terminated" not in state:
        last = {"terminated": _terminated(seen.ended)}
    image = container.image or "host"
    container_id = seen.container_id or (seen.ended.container_id if seen.ended else "")
    return {
        "name": container.name,
        "state": state,
        "lastState": last,
        "ready": _is_ready(container, seen),
        "started": seen.is_running,
        "restartCount": seen.attempt,
        "image": image,
        "imageID": image,
        **({"containerID": f"nodeguard://{container_id}"} if container_id else {}),
    }


def _state(
    pod: Pod, view: PodView, container: Container, seen: ContainerView, now: float, max_backoff_seconds: float
) -> dict[str, Any]:
    if seen.is_running:
        return {"running": {"startedAt": rfc3339(seen.started_at or now)}}
    if container.name in view.blocked and not seen.is_alive:
        return {"waiting": {"reason": CONFIG_ERROR, "message": view.blocked[container.name]}}
    if seen.has_ended and seen.ended is not None:
        due = restart_at(seen, max_backoff_seconds)
        if view.stop is None and due > now and should_restart(pod, container, seen.ended):
            message = (
                f"back-off {seen.backoff_seconds:.0f}s restarting failed container={container.name} pod={pod.meta.name}"
            )
            return {"waiting": {"reason": CRASH_LOOP, "message": message}}
        return {"terminated": _terminated(seen.ended)}
    # the word of the pod, not of the container: kubectl shows Init:0/2 for it
    return {"waiting": {"reason": "PodInitializing" if pod.init_containers else "ContainerCreating"}}


def _terminated(ended: Termination) -> dict[str, Any]:
    return {
        "exitCode": ended.exit_code,
        "reason": ended.reason,
        **({"message": ended.message} if ended.message else {}),
        "startedAt": None if ended.started_at is None else rfc3339(ended.started_at),
        "finishedAt": None if ended.finished_at is None else rfc3339(ended.finished_at),
        **({"containerID": f"nodeguard://{ended.container_id}"} if ended.container_id else {}),
    }


def _is_ready(container: Container, seen: ContainerView) -> bool:
    if container.kind is ContainerKind.INIT:
        return seen.has_ended and seen.ended is not None and seen.ended.exit_code == 0
    return seen.is_running


def _conditions(pod: Pod, view: PodView, now_phase: Phase) -> list[Condition]:
    unready = [
        c.name
        for c in pod.all_containers
        if c.kind is not ContainerKind.INIT and not _is_ready(c, view.containers[c.name])
    ]
    pending_inits = [
        c.name
        for c in pod.init_containers
        if not (view.containers[c.name].ended or view.containers[c.name].is_running)
        or (c.kind is ContainerKind.INIT and not _is_ready(c, view.containers[c.name]))
    ]
    if now_phase in (Phase.SUCCEEDED, Phase.FAILED):
        word = "PodCompleted" if now_phase is Phase.SUCCEEDED else "PodFailed"
        containers_ready = Condition(type="ContainersReady", status="False", reason=word)
    elif unready:
        message = f"containers with unready status: [{' '.join(unready)}]"
        containers_ready = Condition(
            type="ContainersReady", status="False", reason="ContainersNotReady", message=message
        )
    else:
        containers_ready = Condition(type="ContainersReady", status="True")
    if is_initialized(pod, view):
        reason = "PodCompleted" if now_phase is Phase.SUCCEEDED else ""
        initialized = Condition(type="Initialized", status="True", reason=reason)
    else:
        message = f"containers with incomplete status: [{' '.join(pending_inits)}]"
        initialized = Condition(type="Initialized", status="False", reason="ContainersNotInitialized", message=message)
    sandbox = "True" if view.sandbox is SandboxStage.READY else "False"
    stop = view.stop
    disruption = (
        [Condition(type="DisruptionTarget", status="True", reason=stop.disruption, message=stop.message)]
        if stop is not None and stop.disruption
        else []
    )
    return [
        *disruption,
        Condition(type="PodReadyToStartContainers", status=sandbox),
        initialized,
        Condition(
            type="Ready",
            status=containers_ready.status,
            reason=containers_ready.reason,
            message=containers_ready.message,
        ),
        containers_ready,
        Condition(type="PodScheduled", status="True"),
    ]


def _conditions_json(
    conditions: list[Condition], now: float, previous: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    before = {entry["type"]: entry for entry in (previous or {}).get("conditions", [])}
    out = []
    for condition in conditions:
        earlier = before.get(condition.type)
        changed = earlier is None or earlier["status"] != condition.status
        entry: dict[str, Any] = {
            "type": condition.type,
            "status": condition.status,
            "lastProbeTime": None,
            "lastTransitionTime": rfc3339(now) if changed or earlier is None else earlier["lastTransitionTime"],
        }
        if condition.reason:
            entry["reason"] = condition.reason
        if condition.message:
            entry["message"] = condition.message
        out.append(entry)
    return out
