"""What lies beside a pod's record so that another process can go on with it, whenever this one was killed.

``pod.json`` is the pod as it was given; it comes before the record, so whoever finds a record finds the pod.
``state.json`` is how far everything has come, written whenever that changes: *before* something is made or started,
*after* a signal was sent (a second SIGTERM does less harm than none), and before an exit code is given up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING, Any

from nodeguard.agent.clock import Clock
from nodeguard.agent.record import POD_FILE, STATE_FILE, write_json
from nodeguard.model.decode import decode_items
from nodeguard.model.document import Document
from nodeguard.model.pod import Pod
from nodeguard.model.status import ContainerView, SandboxStage, StopRequest, Termination
from nodeguard.model.unwire import from_wire
from nodeguard.model.wire import to_wire

if TYPE_CHECKING:
    from nodeguard.agent.pod import PodWorker

SAME_TIME_SECONDS = 1.0
"""Two processes that read the clock never get the very same offset: less than this is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Whoever keeps pods beyond the life of one process, and hears of them.

    ``on_change(worker)``: its status is another one, or nothing runs of it any more (``worker.is_gone``).
    ``on_gone(worker)``: a pod that was to be deleted has left nothing, not even logs.
    """

    on_change: Callable[[PodWorker], None]
    on_gone: Callable[[PodWorker], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptContainer:
    """A container as it was seen last, and what its present instance needs to be known again."""

    view: ContainerView
    start_time_ticks: int | None = None
    """of the first process, which together with its pid is nobody else"""
    stop_signal: int = SIGTERM
    oom_kills: int = 0
    """that have been told already"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far a pod has come. Instants are the clock's of whoever wrote it."""

    clock_offset: float
    """UNIX seconds at the zero of the monotonic clock, which is the same for all processes of one boot"""
    stage: SandboxStage
    stop: StopRequest | None = None
    struck_at: float | None = None
    """Everything in the pod got SIGKILL; why is in ``stop``, unless the writer was killed right between the two."""
    eviction: str = ""
    """The id of the record that tells of it."""
    failure: Termination | None = None
    ever_initialized: bool = False
    is_deleted: bool = False
    """Nothing is to stay, not even logs."""
    conditions: tuple[Any, ...] = ()
    """of the status, for their transition times"""
    containers: Mapping[str, KeptContainer] = field(default_factory=dict)

    def write(self, pod_dir: Path) -> None:
        """Make this the pod's state.

        Raises:
            OSError: there is no room for it.
        """
        write_json(pod_dir / STATE_FILE, to_wire(self))

    def by_clock(self, clock_offset: float) -> Checkpoint:
        """The same instants as another process's clock has them, which was started after somebody set the host's."""
        seconds = clock_offset - self.clock_offset
        if abs(seconds) < SAME_TIME_SECONDS:
            return self
        return _shifted(self, seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPod:
    """What ``pod.json`` holds: the pod, and when it was let in."""

    pod: Pod
    started_at: float


def clock_offset(clock: Clock) -> float:
    """What this process's clock adds to the monotonic one."""
    return clock.now() - clock.monotonic_ns() / 1e9


def write_pod(pod_dir: Path, manifest: Mapping[str, Any], started_at: float) -> None:
    """Write the v1 Pod down.

    Raises:
        OSError: there is no room for it.
    """
    write_json(pod_dir / POD_FILE, {"startedAt": started_at, "pod": manifest})


def read_pod(pod_dir: Path) -> KeptPod | None:
    """The pod; None when there is none, or none that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        data = json.loads((pod_dir / POD_FILE).read_bytes())
        source = Document(value={}, source=str(pod_dir / POD_FILE), lines={})
        for pod in decode_items(source, (), [data["pod"]], "Pod").pods:
            return KeptPod(pod=pod, started_at=float(data["startedAt"]))
    return None


def has_pod(pod_dir: Path) -> bool:
    """Whether there is a pod to go on with."""
    return (pod_dir / POD_FILE).is_file()


def read_state(pod_dir: Path) -> Checkpoint | None:
    """The state; None before the first one, or when it cannot be read."""
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        return from_wire(Checkpoint, json.loads((pod_dir / STATE_FILE).read_bytes()))
    return None


def _shifted(state: Checkpoint, seconds: float) -> Checkpoint:
    def moved(at: float | None) -> float | None:
        return None if at is None else at + seconds

    def end(ended: Termination | None) -> Termination | None:
        if ended is None:
            return None
        return replace(ended, started_at=moved(ended.started_at), finished_at=moved(ended.finished_at))

    def container(kept: KeptContainer) -> KeptContainer:
        view = kept.view
        return replace(
            kept,
            view=replace(
                view,
                started_at=moved(view.started_at),
                ended=end(view.ended),
                backoff_updated_at=moved(view.backoff_updated_at),
                terminated_at=moved(view.terminated_at),
                killed_at=moved(view.killed_at),
            ),
        )

    return replace(
        state,
        clock_offset=state.clock_offset + seconds,
        stop=None if state.stop is None else replace(state.stop, at=state.stop.at + seconds),
        struck_at=moved(state.struck_at),
        failure=end(state.failure),
        containers={name: container(kept) for name, kept in state.containers.items()},
    )
