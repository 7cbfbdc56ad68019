"""What containers and pods do now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from nodeguard.model.pod import ContainerKind


class Phase(StrEnum):
    """``status.phase``."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class ContainerStage(StrEnum):
    """How far the present instance of a container has come.

    ABSENT (none, or the last one is cleaned up) → CREATING → CREATED → STARTING → RUNNING → EXITED → REMOVING → ABSENT.
    """

    ABSENT = "absent"
    CREATING = "creating"
    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    EXITED = "exited"
    REMOVING = "removing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """How an instance ended; times are UNIX seconds, ``reason`` a Kubernetes word (Completed, Error, OOMKilled, …)."""

    exit_code: int
    reason: str
    message: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    container_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """One container as the decision functions see it.

    ``attempt`` is the number of the present (or latest) instance, from 0: it is also the restart count. ``ended`` is
    how the latest ended instance ended (still set while the next one runs: it is then ``lastState``).
    """

    name: str
    kind: ContainerKind
    stage: ContainerStage = ContainerStage.ABSENT
    attempt: int = 0
    container_id: str = ""
    pid: int | None = None
    started_at: float | None = None
    ended: Termination | None = None
    backoff_seconds: float = 0.0
    backoff_updated_at: float | None = None
    terminated_at: float | None = None
    """When the stop signal was sent to the present instance."""
    killed_at: float | None = None
    """When SIGKILL was sent to the present instance's whole group."""

    @property
    def is_running(self) -> bool:
        """The instance's process has been started and has not ended."""
        return self.stage is ContainerStage.RUNNING

    @property
    def has_ended(self) -> bool:
        """The latest instance has ended and no new one has been made."""
        return self.ended is not None and self.stage in _NO_INSTANCE

    @property
    def is_alive(self) -> bool:
        """Something of the present instance may be running: it must be killed before the pod can go."""
        return self.stage not in _NO_INSTANCE


_NO_INSTANCE = (ContainerStage.ABSENT, ContainerStage.EXITED, ContainerStage.REMOVING)


class SandboxStage(StrEnum):
    """How far the pod's own things (cgroup, namespaces, volumes) have come."""

    ABSENT = "absent"
    PREPARING = "preparing"
    READY = "ready"
    REMOVING = "removing"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """Why and how a pod is to end. ``grace_seconds`` 0 means: SIGKILL at once.

    ``reason`` is the pod's ``status.reason`` (``DeadlineExceeded``, ``Evicted`` …), empty for an ordinary deletion.
    ``disruption`` is the reason of its condition DisruptionTarget, empty when it has none.
    """

    at: float
    grace_seconds: float
    reason: str = ""
    message: str = ""
    disruption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """One pod as the decision functions see it; ``containers`` by name, in the order of the spec."""

    containers: Mapping[str, ContainerView]
    sandbox: SandboxStage = SandboxStage.ABSENT
    started_at: float
    stop: StopRequest | None = None
    ever_initialized: bool = False
    """An app container has been started at least once."""
    failure: Termination | None = None
    """The sandbox could not be made; the pod fails with this."""
    blocked: Mapping[str, str] = field(default_factory=dict)
    """Containers that wait for a ConfigMap or Secret, with the words that say for which."""
