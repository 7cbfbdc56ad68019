"""The status of this node as its agent tells it, and as others read it: ``<run_dir>/nodes/PID.json``.

Every process that looks after pods writes one such file: when a condition has changed or a pod has come or gone at
once, otherwise every ten seconds, which is its sign of life. Whoever reads believes True rather than False, and
nobody whose process has ended.

Source: kubelet, pkg/kubelet/kubelet_node_status.go (tryUpdateNodeStatus), nodeStatusUpdateFrequency,
nodeStatusReportFrequency; kubernetes, pkg/controller/nodelifecycle (nodeMonitorGracePeriod).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nodeguard.agent.loop import Loop, Timer
from nodeguard.agent.node_file import NodeFile, path_of, read_node_files, to_text, write_text
from nodeguard.agent.record import Owner
from nodeguard.kernel.machine import read_contention
from nodeguard.model.contention import ContentionSample
from nodeguard.model.eviction import Candidate, EvictionMemory, Layout, Observations, Snapshot
from nodeguard.model.node import MountPlace, NodeCondition, NodeFacts
from nodeguard.model.placement import Taint
from nodeguard.model.pod import Pod
from nodeguard.model.signal import Pressure
from nodeguard.model.threshold import Threshold
from nodeguard.policy.contention import contention_verdicts
from nodeguard.policy.legacy_disk import out_of_disk_verdict
from nodeguard.policy.node_condition import (
    NodeEvent,
    Verdict,
    merged,
    pressure_verdicts,
    ready_verdict,
    report,
    silenced,
    told_of,
)
from nodeguard.policy.node_object import node_object
from nodeguard.policy.pod_share import PodShare, pod_share
from nodeguard.policy.shortage import shortage_details
from nodeguard.policy.signal_state import condition_ends, signal_states, unread

log = logging.getLogger(__name__)

LEASE_SECONDS = 10.0
"""How long at most until the next sign of life. Source: kubelet, a quarter of nodeLeaseDurationSeconds."""
TOGETHER_SECONDS = 0.2
PRESSURES = frozenset(Pressure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the last pass of the eviction manager knew; instants by its own clock and by UNIX time."""

    memory: EvictionMemory
    observations: Observations
    unknown: Collection[Pressure]
    candidates: tuple[Candidate, ...]
    now_ns: int
    now: float


_NOTHING_YET = Look(memory=EvictionMemory(), observations={}, unknown=PRESSURES, candidates=(), now_ns=0, now=0.0)


class NodeStatus:
    """This process's word on the node. All methods are called in the loop's thread."""

    def __init__(
        self,
        facts: NodeFacts,
        *,
        loop: Loop,
        run_dir: Path,
        owner: Owner,
        thresholds: Sequence[Threshold],
        transition_ns: int,
        layout: Layout,
        places: Mapping[str, MountPlace],
        pods: Callable[[], Iterable[Pod]],
        on_events: Callable[[Sequence[NodeEvent]], None],
        update_seconds: float = 10.0,
        report_seconds: float = 300.0,
        on_trial: Collection[Threshold] = (),
        observe: Callable[[], Observations] | None = None,
        is_out_of_disk: Callable[[], bool] | None = None,
        sample: Callable[[], ContentionSample] = read_contention,
    ) -> None:
        """``thresholds`` are those in force, ``on_trial`` those among them for which nobody goes.

        ``places`` tells where nodefs, imagefs and containerfs are mounted; ``pods`` gives those that have not ended,
        ``observe`` the signals as of now, if they are to be newer than those of the last report. ``is_out_of_disk``
        switches the legacy condition on. ``update_seconds`` is how often what is not pressure is looked at,
        ``report_seconds`` how old the heartbeat of conditions that stay the same becomes.
        """
        self._facts, self._loop, self._owner = facts, loop, owner
        self._path = path_of(run_dir, owner)
        self._thresholds, self._transition_ns, self._layout, self._places = thresholds, transition_ns, layout, places
        self._renew_seconds, self._report_seconds = min(LEASE_SECONDS, update_seconds), report_seconds
        self._on_trial, self._pods, self._on_events = on_trial, pods, on_events
        self._observe, self._is_out_of_disk, self._sample = observe, is_out_of_disk, sample
        self._look = _NOTHING_YET
        self._faults: tuple[str, ...] = ()
        self._contention: tuple[ContentionSample, ContentionSample | None] = (ContentionSample(), None)
        self._out_of_disk = False
        self._conditions: tuple[NodeCondition, ...] = ()
        self._reported_at = 0.0
        self._shares: dict[str, PodShare] = {}
        self._timer: Timer | None = None
        self._pods_timer: Timer | None = None
        self._is_open = False
        self._writing = threading.Lock()
        self._unwritten: NodeFile | None = None
        self._is_writing = False
        self.on_told: Callable[[], None] = lambda: None
        """Called whenever there is something to tell: a change, or a sign of life."""

    @property
    def conditions(self) -> tuple[NodeCondition, ...]:
        """The node's conditions as last reported."""
        return self._conditions

    def node(self) -> dict[str, Any]:
        """The v1 Node object."""
        return node_object(self._facts, self._conditions)

    def open(self) -> None:
        """Tell of this node from now on."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._is_open = True
        self._renew()

    def report(
        self,
        memory: EvictionMemory,
        observations: Observations,
        *,
        unknown: Collection[Pressure],
        now_ns: int,
        candidates: tuple[Candidate, ...] = (),
    ) -> None:
        """What a pass left; to be called after each that may have changed a condition. Cheap when none has.

        ``candidates`` are those that were measured, if they were: the top consumers are among them.
        """
        self._look = Look(
            memory=memory,
            observations=observations,
            unknown=unknown,
            candidates=candidates,
            now_ns=now_ns,
            now=self._loop.clock.now(),
        )
        verdicts = pressure_verdicts(memory.conditions, unknown)
        status = {condition.type: condition.status for condition in self._conditions}
        if self._is_open and any(status.get(verdict.type) != verdict.status for verdict in verdicts):
            self._tell()
            self._write()

    def pods_changed(self) -> None:
        """A pod has come or gone; those that do so together are told together."""
        if self._is_open and self._pods_timer is None:
            self._pods_timer = self._loop.call_at(self._loop.clock.now() + TOGETHER_SECONDS, self._tell_pods)

    def set_faults(self, faults: Sequence[str]) -> None:
        """What keeps the agent from looking after pods, if anything does: the node is not Ready then."""
        if tuple(faults) != self._faults:
            self._faults = tuple(faults)
            if self._is_open:
                self._tell()
                self._write()

    def reconfigure(
        self, thresholds: Sequence[Threshold], on_trial: Collection[Threshold], *, transition_ns: int
    ) -> None:
        """Other thresholds are in force; what that changes is reported by the pass that follows."""
        self._thresholds, self._on_trial, self._transition_ns = thresholds, on_trial, transition_ns

    def set_spec(self, labels: Mapping[str, str], taints: Sequence[Taint], *, unschedulable: bool) -> None:
        """What users say of the node; its own labels, and taints that follow from conditions, come on top."""
        facts = replace(self._facts, labels=dict(labels), taints=tuple(taints), unschedulable=unschedulable)
        if facts != self._facts:
            self._facts = facts
            if self._is_open:
                self._write()

    def close(self) -> None:
        """This process looks after nothing any more."""
        for timer in (self._timer, self._pods_timer):
            if timer is not None:
                timer.cancel()
        with self._writing:
            self._is_open = False
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _renew(self) -> None:
        self._contention = (self._sample(), self._contention[0])
        if self._observe is not None:
            self._look = replace(self._look, observations=self._observe())
        if self._is_out_of_disk is not None:
            self._out_of_disk = self._is_out_of_disk()
        now = self._loop.clock.now()
        status = {condition.type: condition.status for condition in self._conditions}
        if now - self._reported_at >= self._report_seconds or any(
            status.get(verdict.type) != verdict.status for verdict in self._verdicts()
        ):
            self._tell()
        self._write()
        self._timer = self._loop.call_at(now + self._renew_seconds, self._renew)

    def _tell_pods(self) -> None:
        self._pods_timer = None
        self._write()

    def _tell(self) -> None:
        now = self._loop.clock.now()
        change = report(self._verdicts(), self._conditions, now)
        self._conditions, self._reported_at = change.conditions, now
        if change.events:
            self._on_events(told_of(self._facts.name, change.events))

    def _verdicts(self) -> tuple[Verdict, ...]:
        look = self._look
        snapshot = Snapshot(observations=look.observations, candidates=look.candidates, layout=self._layout)
        details = {
            **unread(self._thresholds, look.observations, look.unknown),
            **shortage_details(look.memory.first_met_ns, snapshot, self._places),
        }
        known = {condition.type: condition.status for condition in self._conditions}
        return (
            *((out_of_disk_verdict(self._out_of_disk),) if self._is_out_of_disk is not None else ()),
            *pressure_verdicts(look.memory.conditions, look.unknown, details),
            *contention_verdicts(*self._contention, known),
            ready_verdict(self._faults),
        )

    def _write(self) -> None:
        """Have it written by a thread: a disk that is slow keeps nobody from deciding. The latest is what counts."""
        self._unwritten = self._file()
        self.on_told()
        if not self._is_writing:
            self._is_writing = True
            self._write_latest()

    def _write_latest(self) -> None:
        file, self._unwritten = self._unwritten, None
        if file is None or not self._is_open:
            self._is_writing = False
            return
        self._loop.in_thread(lambda: self._replace(file), self._written)

    def _replace(self, file: NodeFile) -> None:
        text = to_text(file)
        with self._writing:
            if self._is_open:
                write_text(self._path, text)

    def _written(self, _: Any, error: BaseException | None) -> None:
        if error is not None:
            log.warning("status of the node not written path=%s error=%s", self._path, error)
        self._write_latest()

    def _file(self) -> NodeFile:
        look, now = self._look, self._loop.clock.now()
        now_ns = look.now_ns + round((now - look.now) * 1e9)
        shares = {pod.meta.uid: self._shares.get(pod.meta.uid) or pod_share(pod, now) for pod in self._pods()}
        self._shares = shares
        ends = condition_ends(look.memory, self._transition_ns, now_ns=now_ns, now=now)
        return NodeFile(
            owner=self._owner,
            renewed_at=time.monotonic(),
            facts=self._facts,
            conditions=self._conditions,
            signals=signal_states(
                self._thresholds,
                look.memory,
                look.observations,
                self._places,
                now_ns=now_ns,
                now=now,
                on_trial=self._on_trial,
            ),
            ends={str(condition): at for condition, at in ends.items()},
            pods=tuple(shares.values()),
        )


def told_conditions(files: Iterable[NodeFile], *, monotonic: float, now: float) -> tuple[NodeCondition, ...]:
    """What all of them together say at ``now``; a process that has been silent for too long says Unknown."""
    return merged(silenced(file.conditions, heard_at=now - file.silent_seconds(monotonic), now=now) for file in files)


def pressures_told(run_dir: Path, owner: Owner) -> tuple[str, ...]:
    """The conditions that are True as other processes on this host see them."""
    files = [file for file in read_node_files(run_dir, owner.boot_id) if file.owner != owner]
    conditions = told_conditions(files, monotonic=time.monotonic(), now=time.time())
    return tuple(condition.type for condition in conditions if condition.status == "True")
