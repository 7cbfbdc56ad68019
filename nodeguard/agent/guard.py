"""Everything that watches one node and evicts from it, put together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nodeguard.agent.candidate import Candidates
from nodeguard.agent.config import Config
from nodeguard.agent.disk import DiskMeter, read_cpu, read_layout
from nodeguard.agent.eviction import Evictor, Victim
from nodeguard.agent.gate import Refusal, RefusedUnderPressure, refuse_under_pressure
from nodeguard.agent.history_writer import new_id
from nodeguard.agent.host import Host
from nodeguard.agent.legacy_disk import DiskSpaceManager
from nodeguard.agent.live import LiveNode
from nodeguard.agent.loop import Timer
from nodeguard.agent.node_facts import node_facts
from nodeguard.agent.node_status import NodeStatus, pressures_told
from nodeguard.agent.observe import Arena, Observer, file_systems_of
from nodeguard.agent.pod import PodWorker
from nodeguard.agent.pressure import PressureLoop
from nodeguard.agent.relief import Relief
from nodeguard.agent.turn import Turn
from nodeguard.kernel.filesystem import OpenFileSystem
from nodeguard.kernel.protection import protect
from nodeguard.model.eviction import Eviction, EvictionMode
from nodeguard.model.eviction_pass import Action, Outcome, Pass
from nodeguard.model.node import MountPlace
from nodeguard.model.pod import Pod
from nodeguard.model.signal import Resource, Signal
from nodeguard.model.threshold import Threshold
from nodeguard.policy.legacy_disk import DiskSpacePolicy, FsInfo
from nodeguard.policy.node_condition import NodeEvent
from nodeguard.policy.pressure_admission import PRESSURE_CONDITIONS
from nodeguard.policy.qos import qos_class
from nodeguard.policy.signal_state import in_mode
from nodeguard.policy.threshold import with_containerfs

if TYPE_CHECKING:
    from nodeguard.agent.garbage import GarbageCollector
    from nodeguard.agent.reclaim import Reclaimer
    from nodeguard.agent.throttle import ThrottleWatch
    from nodeguard.model.decision import DecisionRecord

log = logging.getLogger(__name__)

FIRST_WORD_SECONDS = 0.2
"""When others hear of the node for the first time: the start of pods comes first."""

LIMITS_SECONDS = 10.0
"""How often pods are asked what the kernel refused them, and whom it killed."""

GOOD_NEWS = ("NodeReady", "NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID")


class Guard:
    """Owned by ``agent.node``; everything is called in the loop's thread."""

    def __init__(self, host: Host, config: Config, workers: Callable[[], Sequence[PodWorker]]) -> None:
        self._host, self._workers = host, workers
        self._is_open = False
        eviction, modes = config.eviction(host.capacity), config.eviction_mode
        self._layout = layout = read_layout(host.paths)
        in_force, on_trial = self._thresholds(config)
        nodefs = OpenFileSystem(host.paths.nodefs_dir)
        imagefs = OpenFileSystem(host.paths.image_dir.parent) if layout.dedicated_image_fs else None
        file_systems = file_systems_of(layout, nodefs, imagefs)
        places = {
            name: MountPlace(mount_point=each.mount_point, device=each.source) for name, each in file_systems.items()
        }
        arena = Arena(
            memory_bytes=host.capacity.memory_bytes if "memory" in config.capacity else None,
            pids=host.capacity.pids if "pids" in config.capacity else None,
        )
        self._disk_space = _disk_space_manager(config.low_diskspace_threshold_mb, file_systems)
        self._disks = DiskMeter(
            host.loop,
            host.paths,
            layout,
            on_change=self._storage_changed,
            cpu_of=self._cpu_of,
            thorough_seconds=config.volume_stats_agg_period_ns / 1e9,
        )
        self._candidates = Candidates(workers, self._disks.usage)
        self._config = config
        self._garbage: GarbageCollector | None = None
        self._opening: Timer | None = None
        self.status = NodeStatus(
            node_facts(config, host.capacity, name=host.settings.node_name, runtime=host.runtime.name),
            loop=host.loop,
            run_dir=host.paths.run_dir,
            owner=host.owner,
            thresholds=in_force,
            on_trial=on_trial,
            update_seconds=config.node_status_update_seconds,
            report_seconds=config.node_status_report_seconds,
            transition_ns=eviction.transition_ns,
            layout=layout,
            places=places,
            pods=self._pods,
            on_events=self._tell_events,
            observe=lambda: self._loop.observations,
            is_out_of_disk=None if self._disk_space is None else self._disk_space.is_out_of_disk,
        )
        relief = Relief(
            host.loop,
            host.driver,
            host.tree.root,
            host.events,
            host.settings.node_name,
            then=lambda: self._loop.look(),
        )
        self._throttle = _throttle_watch(host, workers)
        self._live = LiveNode(host.loop, host.paths.run_dir, host.owner, node=self.status.node)
        self._loop = PressureLoop(
            host,
            Observer(host.driver, host.tree.root, arena, file_systems),
            config=eviction,
            modes=modes,
            layout=layout,
            candidates=self._candidates,
            evictor=Evictor(host, Turn(host.paths.run_dir / "eviction.lock"), ended=self._ended),
            reclaim=lambda steps: self._reclaimer.reclaim(steps),
            refresh=self._disks.refresh,
            relieve=relief.ask,
            status=self.status,
            record=self._record,
            told=self._live.report,
        )

    def open(self) -> None:
        """Look for the first time, and go on from there."""
        refused = protect()
        if refused:
            log.info("this host refuses to its agent: %s", ", ".join(refused))
        self._loop.open()
        self._opening = self._host.loop.call_at(self._host.clock.now() + FIRST_WORD_SECONDS, self._open_the_rest)

    def _open_the_rest(self) -> None:
        """What can wait until the first pods have started."""
        from nodeguard.agent.garbage import GarbageCollector  # as late as all of this: pods start first

        self._opening = None
        self.status.open()
        self._garbage = GarbageCollector(
            self._host.loop,
            self._reclaimer,
            collects_images=self._reclaimer.collects_images,
            tell=self._warn_of_node,
        )
        self._garbage.open()
        self._is_open = True
        if self._throttle is not None:
            self._throttle.open()
        self._look_at_limits()

    def close(self) -> None:
        """Nobody looks any more."""
        if self._opening is not None:
            self._opening.cancel()
            if self._loop.conditions:  # an end that came early has its reasons, and they are told
                self._open_the_rest()
        self._is_open = False
        if self._throttle is not None:
            self._throttle.close()
        self._loop.close()
        if self._garbage is not None:
            self._garbage.close()
        self._disks.close()
        self._live.close()
        self.status.close()

    def reconfigure(self, config: Config) -> None:
        """Evict by what this configuration says; all else of it waits for the next start."""
        eviction = config.eviction(self._host.capacity)
        in_force, on_trial = self._thresholds(config)
        self.status.reconfigure(in_force, on_trial, transition_ns=eviction.transition_ns)
        self._loop.reconfigure(eviction, config.eviction_mode)

    def _thresholds(self, config: Config) -> tuple[tuple[Threshold, ...], tuple[Threshold, ...]]:
        """Those in force, and those among them for which nobody goes."""
        thresholds, modes = config.eviction(self._host.capacity).thresholds, config.eviction_mode
        in_force = in_mode(thresholds, modes, EvictionMode.ENFORCE, EvictionMode.OBSERVE)
        on_trial = in_mode(thresholds, modes, EvictionMode.OBSERVE)
        return with_containerfs(in_force, self._layout), with_containerfs(on_trial, self._layout)

    def add(self, worker: PodWorker) -> None:
        """A pod has been admitted."""
        self._disks.add(self._candidates.add(worker))
        self.status.pods_changed()

    def gone(self, worker: PodWorker) -> None:
        """Nothing is left of a pod."""
        self._loop.pod_gone()
        if worker.adopted_eviction:
            self._end_adopted(worker)
        self._candidates.remove(worker)
        self._disks.remove(worker.pod.meta.uid)
        self.status.pods_changed()

    def refuse_under_pressure(self, pods: Sequence[Pod]) -> None:
        """All of them may come in.

        Raises:
            RefusedUnderPressure: the node is short of something, here or by the word of another nodeguard process.
        """
        told = pressures_told(self._host.paths.run_dir, self._host.owner)
        is_out_of_disk = self._disk_space is not None and self._disk_space.is_out_of_disk()
        conditions = {*self._loop.conditions, *told}
        try:
            refuse_under_pressure(pods, conditions, is_out_of_disk=is_out_of_disk)
        except RefusedUnderPressure as e:
            for refusal in e.refusals:
                self._host.events.warning(refusal.pod.meta, refusal.reason, refusal.message)
                self._record_refusal(refusal, sorted(PRESSURE_CONDITIONS & conditions))
            raise

    def _look_at_limits(self) -> None:
        if not self._is_open:
            return
        for worker in self._workers():
            if not worker.is_gone:
                worker.look_at_limits()
        self._host.loop.call_at(self._host.clock.now() + LIMITS_SECONDS, self._look_at_limits)

    @cached_property
    def _reclaimer(self) -> Reclaimer:
        from nodeguard.agent.reclaim import Reclaimer  # not before something is short or the pods have started

        return Reclaimer.of(self._config, self._host.paths, self._workers)

    def _storage_changed(self) -> None:
        self._loop.storage_changed()

    def _cpu_of(self, uid: str) -> int | None:
        worker = next((worker for worker in self._workers() if worker.pod.meta.uid == uid), None)
        return None if worker is None else read_cpu(self._host.driver, worker.sandbox.cgroup)

    def _pods(self) -> Iterable[Pod]:
        return (worker.pod for worker in self._workers() if not worker.is_gone)

    def _warn_of_node(self, reason: str, message: str) -> None:
        self._host.events.of_node("Warning", self._host.settings.node_name, reason, message)

    def _tell_events(self, events: Sequence[NodeEvent]) -> None:
        for event in events:
            if not self._is_open and event.reason in GOOD_NEWS:
                continue  # a node without pressure is what everybody expects of a start
            self._host.events.of_node(event.type, self._host.settings.node_name, event.reason, event.message)

    def _record(self, looked: Pass, eviction: Eviction, action: Action) -> str:
        """Have it written down; the record is made where it is written, the loop has better things to do."""
        id_, node_name = new_id(), self._host.settings.node_name
        offset = self._host.clock.now() - self._host.clock.monotonic_ns() / 1e9
        at = offset + looked.now_ns / 1e9
        crossed_ns = looked.decision.memory.first_met_ns.get(eviction.threshold) if eviction.threshold else None
        crossed_at = None if crossed_ns is None else offset + crossed_ns / 1e9

        def make() -> DecisionRecord:
            from nodeguard.policy.decision import eviction_record  # records cost a start too much

            return eviction_record(
                looked, eviction, id_=id_, node_name=node_name, at=at, crossed_at=crossed_at, action=action
            )

        self._host.history.append(make)
        if action is Action.EVICT and self._host.keeper is not None:
            uid = eviction.candidate.pod.meta.uid
            next(worker for worker in self._workers() if worker.pod.meta.uid == uid).recorded_as(id_)
        return id_

    def _record_refusal(self, refusal: Refusal, conditions: Sequence[str]) -> None:
        id_, at, node_name = new_id(), self._host.clock.now(), self._host.settings.node_name

        def make() -> DecisionRecord:
            from nodeguard.policy.decision import rejection_record  # records cost a start too much

            return rejection_record(
                refusal.pod,
                id_=id_,
                node_name=node_name,
                at=at,
                qos_class=qos_class(refusal.pod).qos,
                reason=refusal.reason,
                message=refusal.message,
                conditions=conditions,
            )

        self._host.history.append(make)

    def _ended(self, victim: Victim, outcome: Outcome) -> None:
        from nodeguard.model.decision import Progress  # records cost a start too much

        self._host.history.update(
            victim.record_id,
            Progress(
                term_at=victim.term_at,
                killed_at=victim.killed_at,
                gone_at=self._host.clock.now() if outcome is Outcome.GONE else None,
                freed_bytes=self._freed(victim) if outcome is Outcome.GONE else None,
                outcome=outcome,
            ),
        )

    def _end_adopted(self, worker: PodWorker) -> None:
        """Another process decided on this eviction and did not live to see its end."""
        from nodeguard.model.decision import Progress  # records cost a start too much

        progress = Progress(killed_at=worker.killed_at(), gone_at=self._host.clock.now(), outcome=Outcome.GONE)
        self._host.history.update(worker.adopted_eviction, progress)

    def _freed(self, victim: Victim) -> int | None:
        """Bytes that are back: a disk tells; of memory what the pod held, as others may have taken it since."""
        signal, because = victim.eviction.signal, victim.eviction.because
        if not isinstance(signal, Signal) or signal.resource is Resource.MEMORY:
            return because.usage
        observed = self._loop.observations.get(signal)
        if signal.resource is not Resource.EPHEMERAL_STORAGE or observed is None or because.available is None:
            return None
        return max(0, observed.available - because.available)


def _throttle_watch(host: Host, workers: Callable[[], Sequence[PodWorker]]) -> ThrottleWatch | None:
    if not host.resources.throttles_memory:
        return None
    from nodeguard.agent.throttle import ThrottleWatch  # statistics, which nothing else here needs

    return ThrottleWatch(host, workers)


def _disk_space_manager(
    threshold_mb: int | None, file_systems: Mapping[str, OpenFileSystem]
) -> DiskSpaceManager | None:
    if threshold_mb is None:
        return None

    def ask(name: str) -> FsInfo:
        seen = file_systems[name].read()
        return FsInfo(
            usage=seen.used_bytes, capacity=seen.capacity_bytes, available=seen.available_bytes, timestamp=0.0
        )

    return DiskSpaceManager(
        runtime=lambda: ask("imagefs"),
        root=lambda: ask("nodefs"),
        policy=DiskSpacePolicy.of(threshold_mb),
        now=time.monotonic,
    )
