"""Pods of an agent that has ended, taken over by the next one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nodeguard.agent import cleanup
from nodeguard.agent.checkpoint import Checkpoint, clock_offset, read_pod, read_state
from nodeguard.agent.eviction import DISRUPTION_REASON
from nodeguard.agent.host import Host
from nodeguard.agent.pod import PodWorker
from nodeguard.agent.record import STATE_FILE, Record, pod_dirs, read_record
from nodeguard.errors import NodeguardError
from nodeguard.model.eviction import EVICTED
from nodeguard.model.pod import Pod
from nodeguard.model.status import SandboxStage, StopRequest

log = logging.getLogger(__name__)

UNTOLD_EVICTION = "The node was short of a resource; the agent ended before it could tell of which."


def take_over(host: Host, make: Callable[[Pod], PodWorker]) -> list[PodWorker]:
    """The pods that nobody looks after any more, now this process's; each has to ``resume`` yet.

    Whoever has a record that cannot be gone on with is removed.
    """
    found = []
    with host.tree.locked():
        for directory in list(pod_dirs(host.paths.run_dir)):
            record = read_record(directory)
            if record is None or not cleanup.is_left_to_an_agent(directory, record, host.owner.boot_id):
                continue
            worker = _worker(host, directory, record, make)
            if worker is None:
                _remove(host, record)
            else:
                found.append(worker)
    return found


def _worker(host: Host, directory: Path, record: Record, make: Callable[[Pod], PodWorker]) -> PodWorker | None:
    """None when the pod cannot be read, or has its things where this agent, configured otherwise, would not look."""
    kept = read_pod(directory)
    worker = None if kept is None else make(kept.pod)
    if kept is None or worker is None or worker.sandbox.own_record() != replace(record, owner=host.owner):
        return None
    offset = clock_offset(host.clock)
    written = read_state(directory) or Checkpoint(clock_offset=offset, stage=_stage_unread(directory))
    state = written.by_clock(offset)
    if state.struck_at is not None and state.stop is None:
        state = replace(state, stop=_untold_eviction(state.struck_at))
    worker.adopt(state, kept.started_at + state.clock_offset - written.clock_offset)
    return worker


def _stage_unread(directory: Path) -> SandboxStage:
    """Nothing has been made before the first state is written; if it is damaged, all that there may be is removed."""
    return SandboxStage.PREPARING if (directory / STATE_FILE).exists() else SandboxStage.ABSENT


def _untold_eviction(struck_at: float) -> StopRequest:
    """Everything in the pod got SIGKILL, and then the agent ended before it had said why."""
    return StopRequest(
        at=struck_at, grace_seconds=0.0, reason=EVICTED, message=UNTOLD_EVICTION, disruption=DISRUPTION_REASON
    )


def _remove(host: Host, record: Record) -> None:
    log.error(
        "pod not taken over but removed: it cannot be read, or was kept elsewhere pod=%s/%s",
        record.namespace,
        record.name,
    )
    try:
        cleanup.remove_pod(host.driver, host.paths, record)
    except (NodeguardError, OSError) as e:
        log.error("pod not removed pod=%s/%s error=%s", record.namespace, record.name, e)
