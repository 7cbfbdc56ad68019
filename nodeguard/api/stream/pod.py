"""Which container a request means, and whether it can be had.

Source: kubernetes, pkg/registry/core/pod/strategy.go (validateContainer, LogLocation, streamLocation);
pkg/kubelet/kubelet_pods.go (validateContainerLogStatus, GetExec).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from nodeguard.api.status import ApiError, bad_request, internal_error, not_found

Json = Mapping[str, Any]

_STATUS_LISTS = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")


class PodSource(Protocol):
    """What is known of pods, and where their things are."""

    @property
    def run_dir(self) -> Path:
        """Bundles and pinned namespaces."""

    @property
    def log_dir(self) -> Path:
        """Log files."""

    @property
    def runtime(self) -> str:
        """The program that runs containers."""

    @property
    def runtime_root(self) -> Path:
        """Its state."""

    def find(self, namespace: str, name: str) -> Json | None:
        """The v1 Pod as it is now; None when there is none."""


def get_pod(pods: PodSource, namespace: str, name: str) -> Json:
    """The pod.

    Raises:
        ApiError: there is none.
    """
    pod = pods.find(namespace, name)
    if pod is None:
        raise not_found("pods", "", name)
    return pod


def choose_container(pod: Json, wanted: str) -> str:
    """The name of the container that is meant; the only one when none is named.

    Raises:
        ApiError: there is no such container, or there are several.
    """
    name, spec = pod["metadata"]["name"], pod["spec"]
    apps = _names(spec, "containers")
    inits, ephemeral = _names(spec, "initContainers"), _names(spec, "ephemeralContainers")
    if wanted:
        if wanted not in (*apps, *inits, *ephemeral):
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(apps) == 1:
        return apps[0]
    message = f"a container name must be specified for pod {name}, choose one of: [{' '.join(apps)}]"
    if inits:
        message += f" or one of the init containers: [{' '.join(inits)}]"
    if ephemeral:
        message += f" or one of the ephemeral containers: [{' '.join(ephemeral)}]"
    raise bad_request(message)


def container_spec(pod: Json, name: str) -> Json:
    """The container as the spec has it."""
    spec = pod["spec"]
    every = (*spec.get("containers", ()), *spec.get("initContainers", ()), *spec.get("ephemeralContainers", ()))
    return next((each for each in every if each["name"] == name), {})


def container_status(pod: Json, name: str) -> Json | None:
    """What is known of the container; None before the agent has spoken of it."""
    status = pod.get("status", {})
    every = (each for key in _STATUS_LISTS for each in status.get(key, ()))
    return next((each for each in every if each["name"] == name), None)


def running_container_id(pod: Json, name: str) -> str:
    """The id of the container that runs now.

    Raises:
        ApiError: it does not run.
    """
    status = container_status(pod, name)
    if status is None or "running" not in status.get("state", {}):
        raise _not_running(name)
    return bare_id(status.get("containerID", ""))


def _not_running(name: str) -> ApiError:
    return internal_error(f'unable to upgrade connection: container not found ("{name}")')


def bare_id(container_id: str) -> str:
    """``nodeguard://ID`` without the runtime's name."""
    return container_id.rpartition("://")[2]


def logged_container_id(pod: Json, name: str, *, previous: bool) -> str:
    """The id of the container whose log is meant.

    Raises:
        ApiError: it has no log.
    """
    pod_name = pod["metadata"]["name"]
    status = container_status(pod, name)
    if status is None:
        raise bad_request(f'container "{name}" in pod "{pod_name}" is not available')
    state, last = status.get("state", {}), status.get("lastState", {}).get("terminated")
    last_id = (last or {}).get("containerID", "")
    waiting, terminated = state.get("waiting"), state.get("terminated")
    if previous:
        if not last_id:
            raise bad_request(f'previous terminated container "{name}" in pod "{pod_name}" not found')
        return bare_id(last_id)
    if "running" in state:
        return bare_id(status.get("containerID", ""))
    if terminated is not None or last is not None:
        found = (terminated or {}).get("containerID", "") or last_id
        if not found:
            raise bad_request(f'container "{name}" in pod "{pod_name}" is terminated')
        return bare_id(found)
    if waiting is not None:
        because = {
            "ErrImagePull": "image can't be pulled",
            "ImagePullBackOff": "trying and failing to pull image",
        }.get(waiting.get("reason", ""), waiting.get("reason", ""))
        raise bad_request(f'container "{name}" in pod "{pod_name}" is waiting to start: {because}')
    raise bad_request(f'container "{name}" in pod "{pod_name}" is waiting to start - no logs yet')


def is_running(pod: Json | None, uid: str, name: str, container_id: str) -> bool:
    """Whether this very container of this very pod runs as far as is known."""
    if pod is None or pod["metadata"].get("uid") != uid:
        return False
    status = container_status(pod, name)
    return (
        status is not None
        and "running" in status.get("state", {})
        and bare_id(status.get("containerID", "")) == container_id
    )


def _names(spec: Json, key: str) -> Sequence[str]:
    return [each["name"] for each in spec.get(key, ())]
