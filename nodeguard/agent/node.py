"""The node: admits pods, looks after them, and leaves nothing behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nodeguard.agent import admit, cleanup
from nodeguard.agent.clock import Clock
from nodeguard.agent.config import Config
from nodeguard.agent.event import Listener
from nodeguard.agent.guard import Guard
from nodeguard.agent.host import Host, LogSink
from nodeguard.agent.loop import Loop
from nodeguard.agent.object_map import ObjectMap
from nodeguard.agent.opening import open_host
from nodeguard.agent.pod import PodWorker
from nodeguard.agent.record import Record, pod_dirs, read_record
from nodeguard.errors import Conflict, InvalidInput, NotFound
from nodeguard.model.configdata import ConfigData
from nodeguard.model.eviction import EVICTED
from nodeguard.model.meta import Event
from nodeguard.model.objectref import ObjectRef
from nodeguard.model.pod import Pod, PriorityClass
from nodeguard.model.status import Phase
from nodeguard.policy.effective import amount, effective_requests
from nodeguard.policy.qos import qos_class

if TYPE_CHECKING:
    from nodeguard.agent.checkpoint import Keeper

log = logging.getLogger(__name__)

FAILED_EXIT_CODE = 1
EVICTED_EXIT_CODE = 11


class Node:
    """An agent inside this process. A context manager: entering prepares the host, leaving gives all back.

    With somebody who ``keeps`` pods (the agent; not ``run``) these stay when it is left, and `adopt` takes over what
    another process left, however that ended.
    """

    def __init__(
        self,
        config: Config,
        *,
        on_event: Listener,
        on_log: LogSink | None,
        takes_logs: Callable[[], bool] = lambda: True,
        keeps: Keeper | None = None,
        objects: Mapping[tuple[str, ObjectRef], ConfigData] | None = None,
    ) -> None:
        """``on_log`` None: nobody wants lines, so logs are rotated and not read.

        ``objects`` are all the ConfigMaps and Secrets there are, by namespace; None: they will be told.
        """
        self.config_objects = ObjectMap(self._object_changed, objects)
        self._config, self._keeps = config, keeps
        self._on_event, self._on_log, self._takes_logs = on_event, on_log, takes_logs
        self.clock = Clock()
        self.loop = Loop(self.clock)
        self._workers: list[PodWorker] = []
        self._running: set[str] = set()
        self._host: Host | None = None
        self._guard: Guard | None = None
        self._has_left = False
        self._started_calls: list[Callable[[], None]] = []

    def __enter__(self) -> Node:
        self._host = self._open()
        try:
            self._guard = Guard(self._host, self._config, lambda: self._workers)
            self._guard.open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeps is not None:
            if not self._has_left:
                self.leave()
            return
        if error is not None and self._running:
            self.stop_all(grace_seconds=0)
            self.run_until_gone()
        self._close()

    def _close(self) -> None:
        if self._guard is not None:
            self._guard.close()
        if self._host is not None:
            self._host.watcher.close()
            self._host.tree.close()
            self._host.history.close()
        self.loop.close()

    @property
    def host(self) -> Host:
        """The open host."""
        if self._host is None:
            raise RuntimeError("the node is not open")
        return self._host

    @property
    def guard(self) -> Guard:
        """What watches the open node."""
        if self._guard is None:
            raise RuntimeError("the node is not open")
        return self._guard

    def admit(self, pods: Iterable[Pod], classes: Iterable[PriorityClass]) -> None:
        """Admit all pods or none, then start them.

        Raises:
            Rejected: a PriorityClass is unknown or does not fit, or the node is under pressure.
            Conflict: a pod of that name runs already.
            InvalidInput: an image cannot be had.
        """
        admitted = [admit.with_identity(pod) for pod in admit.with_priority(pods, tuple(classes))]
        if faults := admit.image_faults(admitted):
            raise InvalidInput(faults)
        self._take_in(admitted)

    def start(self, pod: Pod) -> PodWorker:
        """Admit one pod, whose identity and priority are settled, and start it.

        Raises:
            RefusedUnderPressure: the node is under pressure.
            Conflict: that very pod is here already, or another process has one of that name.
            InvalidInput: an image cannot be had.
        """
        if faults := admit.image_faults([pod]):
            raise InvalidInput(faults)
        (worker,) = self._take_in([pod])
        return worker

    def _take_in(self, admitted: list[Pod]) -> list[PodWorker]:
        self.guard.refuse_under_pressure(admitted)
        workers = [self._worker(pod) for pod in admitted]
        recorded = []
        try:
            with self.host.tree.locked():
                self._refuse_known_names(admitted)
                for worker in workers:
                    recorded.append(worker)
                    worker.record()
            for worker in workers:
                self.host.tree.add(worker.qos, _requested_millicpu(worker.pod))
            self.host.tree.weigh()
        except BaseException:
            for worker in recorded:
                worker.unrecord()
            raise
        for worker in workers:
            self._look_after(worker)
            node = self.host.settings.node_name
            self.host.events.normal(
                worker.pod.meta, "Scheduled", f"Successfully assigned {worker.pod.meta.key} to {node} ({worker.qos})"
            )
            worker.reconcile()
        return workers

    def adopt(self) -> list[PodWorker]:
        """Take over the pods of an agent that has ended, and go on with them where it stopped.

        Returns those that are to be told of; among them are ended ones (``is_gone``) whose end nobody has settled yet.
        What was being deleted goes on going, untold.
        """
        from nodeguard.agent.adopt import take_over  # `run` adopts nobody

        taken = take_over(self.host, self._worker)
        for worker in taken:
            if not worker.is_gone:
                self.host.tree.add(worker.qos, _requested_millicpu(worker.pod))
        self.host.tree.weigh()
        for worker in taken:
            if worker.is_gone:
                self._workers.append(worker)
            else:
                self._look_after(worker)
        for worker in taken:
            worker.resume()
        return [worker for worker in taken if not worker.is_deleted]

    def stop(self, uid: str, grace_seconds: float) -> None:
        """Have a pod go with all its traces; a second request can only shorten the grace.

        Raises:
            NotFound: there is no such pod.
        """
        worker = self._find(uid)
        if worker is None:
            raise NotFound(f"no pod {uid}")
        worker.delete(grace_seconds)

    def settle(self, uid: str) -> None:
        """The final status of a pod that is gone is on disk elsewhere: its record goes, its logs stay."""
        worker = self._find(uid)
        if worker is not None and worker.is_gone and not worker.is_deleted:
            self._workers.remove(worker)
            worker.settle()

    def forget(self, uid: str, then: Callable[[], None] = lambda: None) -> bool:
        """Have all of a pod go at once, also of one that has been settled.

        Returns whether it is here. If not there are only logs; ``then`` is called when these are gone.
        """
        worker = self._find(uid)
        if worker is not None:
            worker.delete(0.0)
            return True
        log_dir = self.host.paths.log_dir
        self.loop.in_thread(lambda: cleanup.remove_logs(log_dir, uid), lambda _, error: _logs_removed(error, then))
        return False

    def leave(self) -> None:
        """End without touching pods. What is under way in threads is left to whoever adopts them."""
        self._has_left = True
        for worker in self._workers:
            worker.leave()
        self._close()

    @property
    def workers(self) -> tuple[PodWorker, ...]:
        """Everybody who is here."""
        return tuple(self._workers)

    def reconfigure(self, config: Config) -> None:
        """Take from a new configuration what can change while pods run: how and when pods are evicted."""
        self._config = config
        self.guard.reconfigure(config)

    def stop_all(self, grace_seconds: float | None = None) -> None:
        """Stop every pod; with its own grace period unless another is given."""
        self.host.logs.is_hurried = True
        for worker in self._workers:
            if not worker.is_gone:
                grace = worker.pod.termination_grace_period_seconds if grace_seconds is None else grace_seconds
                worker.stop(float(grace))

    def run_until_gone(self) -> None:
        """Go on until nothing of any pod is left."""
        self.loop.run_until(self._all_gone)

    def when_started(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, when no pod is Pending any more."""
        self._started_calls.append(callback)

    def tree_text(self, *, ascii_only: bool = False) -> str:
        """The cgroup tree as it is now, for a person."""
        from nodeguard.agent.tree_view import read_tree, render  # statistics, which nothing else here needs

        tree = read_tree(self.host.driver, self.host.tree.root, self.host.paths.run_dir)
        return "" if tree is None else render(tree, ascii_only=ascii_only)

    def objects(self) -> list[dict[str, Any]]:
        """The v1 Pod objects with their status, in the order they were admitted."""
        return [worker.object() for worker in self._workers]

    def exit_code(self) -> int:
        """What ``run`` ends with: 11 if a pod was evicted, else the first failed container's own code, else 0."""
        if any(worker.status().get("reason") == EVICTED for worker in self._workers):
            return EVICTED_EXIT_CODE
        failed = [worker for worker in self._workers if worker.status().get("phase") != Phase.SUCCEEDED]
        if not failed:
            return 0
        ends = [end for worker in failed for _, end in worker.terminations() if end.exit_code]
        first = min(ends, key=lambda end: end.finished_at or 0.0, default=None)
        return FAILED_EXIT_CODE if first is None else first.exit_code

    def _open(self) -> Host:
        return open_host(
            self._config,
            self.loop,
            on_event=self._happened,
            on_log=self._on_log,
            takes_logs=self._takes_logs,
            keeper=None if self._keeps is None else replace(self._keeps, on_gone=self._traces_gone),
            objects=self.config_objects,
        )

    def _happened(self, event: Event) -> None:
        self._on_event(event)
        self.host.history.event(event)

    def _object_changed(self, namespace: str, ref: ObjectRef) -> None:
        for worker in tuple(self._workers):
            if worker.pod.meta.namespace == namespace:
                worker.object_changed(ref)

    def _worker(self, pod: Pod) -> PodWorker:
        return PodWorker(self.host, pod, qos_class(pod).qos, self._gone)

    def _find(self, uid: str) -> PodWorker | None:
        return next((worker for worker in self._workers if worker.pod.meta.uid == uid), None)

    def _look_after(self, worker: PodWorker) -> None:
        self._workers.append(worker)
        self._running.add(worker.pod.meta.uid)
        self.guard.add(worker)

    def _refuse_known_names(self, pods: list[Pod]) -> None:
        """Names of pods that this agent keeps are not taken: whoever gave them their uids sees to their names, too."""
        records = (read_record(directory) for directory in pod_dirs(self.host.paths.run_dir))
        taken = {
            f"{record.namespace}/{record.name}": record for record in records if record and not self._keeps_it(record)
        }
        for pod in pods:
            if pod.meta.key in taken:
                raise Conflict(
                    f"pod {pod.meta.key} runs already (process {taken[pod.meta.key].owner.pid}); stop it first"
                )
            if self._keeps is not None and self.host.paths.pod_run_dir(pod.meta.uid).exists():
                raise Conflict(f"pod {pod.meta.key} ({pod.meta.uid}) is here already")

    def _keeps_it(self, record: Record) -> bool:
        return self._keeps is not None and record.owner == self.host.owner

    def _traces_gone(self, worker: PodWorker) -> None:
        self._workers.remove(worker)
        if self._keeps is not None:
            self._keeps.on_gone(worker)

    def _gone(self, worker: PodWorker) -> None:
        self._running.discard(worker.pod.meta.uid)
        self.host.tree.discount(worker.qos, _requested_millicpu(worker.pod))
        if self._running or self._keeps is not None:
            self.host.tree.weigh()
        self.guard.gone(worker)

    def _all_gone(self) -> bool:
        if self._started_calls and all(w.status().get("phase") != Phase.PENDING for w in self._workers):
            calls, self._started_calls = self._started_calls, []
            for call in calls:
                call()
        return not self._running


def _logs_removed(error: BaseException | None, then: Callable[[], None]) -> None:
    if error is not None:
        log.error("logs not removed error=%s", error)
    then()


def _requested_millicpu(pod: Pod) -> int:
    return amount(effective_requests(pod), "cpu").milli_value()
