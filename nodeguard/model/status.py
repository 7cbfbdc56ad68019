"""What containers and pods do now."""

from __future__ import annotations

from dataclasses import dataclass
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

    ``attempt`` is the number of the present (or next) instance; ``restart_count`` what the status shows. ``ended`` is how the
    latest ended instance ended (still set while the next one runs: it is then ``lastState``). ``waiting_reason`` and
    ``waiting_message`` tell why it does not run.
    """

    name: str
    kind: ContainerKind
    stage: ContainerStage = ContainerStage.ABSENT
    attempt: int = 0
    restart_count: int = 0
    container_id: str = ""
    pid: int | None = None
    started_at: float | None = None
    ended: Termination | None = None
    waiting_reason: str = ""
    waiting_message: str = ""
    backoff_seconds: float = 0.0
    backoff_updated_at: float | None = None

    @property
    def is_running(self) -> bool:
        """The instance's process has been started and has not ended."""
        return self.stage is ContainerStage.RUNNING
