"""The node: admits pods, looks after them, and leaves nothing behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from nodeguard.agent import admit, cleanup
from nodeguard.agent.allowance import Allowance
from nodeguard.agent.clock import Clock
from nodeguard.agent.config import Config
from nodeguard.agent.event import EventSource, Listener
from nodeguard.agent.exits import Exits
from nodeguard.agent.guard import Guard
from nodeguard.agent.history_file import FILE_NAME
from nodeguard.agent.history_writer import History
from nodeguard.agent.host import Host, HostSettings, LogSink, Paths
from nodeguard.agent.log_pump import LogPump
from nodeguard.agent.loop import Loop
from nodeguard.agent.machine import read_machine
from nodeguard.agent.pod import PodWorker
from nodeguard.agent.record import Owner, pod_dirs, read_record
from nodeguard.agent.root import prepare_root
from nodeguard.agent.tree import Tree
from nodeguard.agent.turnstile import Turnstile
from nodeguard.agent.watch import Watcher
from nodeguard.errors import Conflict, HostLacks, InvalidInput, NotFound
from nodeguard.kernel import proc, process
from nodeguard.kernel.cgroup.detect import detect
from nodeguard.model.eviction import EVICTED
from nodeguard.model.meta import Event
from nodeguard.model.pod import Pod, PriorityClass
from nodeguard.model.status import Phase
from nodeguard.policy.effective import amount, effective_requests
from nodeguard.policy.qos import qos_class
from nodeguard.runtime import probe

STARTS_AT_ONCE = 4
"""Containers being made at the same time: more only compete for the same two or four cores."""

FILES_FOR_ALL_ELSE = 256
"""Open files that are not for pods to keep; of the rest they may have half."""

MEMSW = "memory.memsw.limit_in_bytes"
FAILED_EXIT_CODE = 1
EVICTED_EXIT_CODE = 11


class Node:
    """An agent inside this process. A context manager: entering prepares the host, leaving gives all back."""

    def __init__(self, config: Config, *, on_event: Listener, on_log: LogSink, takes_logs: Callable[[], bool]) -> None:
        self._config = config
        self._on_event, self._on_log, self._takes_logs = on_event, on_log, takes_logs
        self.clock = Clock()
        self.loop = Loop(self.clock)
        self._workers: list[PodWorker] = []
        self._running: set[str] = set()
        self._host: Host | None = None
        self._guard: Guard | None = None
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
        self.guard.refuse_under_pressure(admitted)
        workers = [PodWorker(self.host, pod, qos_class(pod).qos, self._gone) for pod in admitted]
        try:
            with self.host.tree.locked():
                self._refuse_known_names(admitted)
                for worker in workers:
                    worker.record()
            for worker in workers:
                self.host.tree.add(worker.qos, _requested_millicpu(worker.pod))
            self.host.tree.weigh()
        except BaseException:
            for worker in workers:
                worker.unrecord()
            raise
        for worker in workers:
            self._workers.append(worker)
            self._running.add(worker.pod.meta.uid)
            self.guard.add(worker)
            node = self.host.settings.node_name
            self.host.events.normal(
                worker.pod.meta, "Scheduled", f"Successfully assigned {worker.pod.meta.key} to {node} ({worker.qos})"
            )
            worker.reconcile()

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
        config = self._config
        paths = Paths.of(config)
        driver = detect()
        node_capacity = config.node_capacity(read_machine(config))
        if config.fail_swap_on and node_capacity.swap_bytes:
            raise HostLacks("failSwapOn is set and this host has swap on (swapoff -a, or failSwapOn: false)")
        _make_directories(paths)
        owner = Owner.current()
        tools = probe.find(driver.mode, paths.run_dir)
        root = prepare_root(config, driver)
        driver = root.driver
        cleanup.remove_crashed(root, paths, owner.boot_id)
        resources = config.resource_settings(
            cgroup_version=driver.version,
            has_swap_controller=driver.has("memory", "memory.swap.max" if driver.version == 2 else MEMSW),
        )
        tree = Tree(
            root, paths.run_dir, owner=owner, capacity=node_capacity, settings=resources, reserved=config.reservations()
        )
        try:
            tree.open()
        except BaseException:
            tree.close()
            raise
        watcher = Watcher(self.loop)
        open_files = process.raise_open_files()
        return Host(
            clock=self.clock,
            loop=self.loop,
            watcher=watcher,
            events=EventSource(self.clock, self._happened),
            history=History(paths.state_dir / FILE_NAME),
            on_log=self._on_log,
            takes_logs=self._takes_logs,
            logs=LogPump(self.loop, self._takes_logs),
            driver=driver,
            tree=tree,
            owner=owner,
            paths=paths,
            exits=Exits(watcher, paths.exit_dir),
            runtime=tools.runtime,
            conmon=tools.conmon,
            starts=Turnstile(STARTS_AT_ONCE),
            kept_open=Allowance(max(0, open_files[1] - FILES_FOR_ALL_ELSE) // 2),
            capacity=node_capacity,
            allocatable=config.allocatable(node_capacity),
            resources=resources,
            settings=HostSettings(
                node_name=os.uname().nodename,
                max_backoff_seconds=config.max_backoff_seconds,
                log_max_bytes=config.container_log_max_bytes,
                log_max_files=config.container_log_max_files,
                can_lower_oom_score=proc.can_lower_oom_score(),
                open_files=open_files,
            ),
        )

    def _happened(self, event: Event) -> None:
        self._on_event(event)
        self.host.history.event(event)

    def _refuse_known_names(self, pods: list[Pod]) -> None:
        records = (read_record(directory) for directory in pod_dirs(self.host.paths.run_dir))
        taken = {f"{record.namespace}/{record.name}": record for record in records if record is not None}
        for pod in pods:
            if pod.meta.key in taken:
                raise Conflict(
                    f"pod {pod.meta.key} runs already (process {taken[pod.meta.key].owner.pid}); stop it first"
                )

    def _gone(self, worker: PodWorker) -> None:
        self._running.discard(worker.pod.meta.uid)
        self.host.tree.discount(worker.qos, _requested_millicpu(worker.pod))
        if self._running:
            self.host.tree.weigh()
        self.guard.gone(worker)

    def _all_gone(self) -> bool:
        if self._started_calls and all(w.status().get("phase") != Phase.PENDING for w in self._workers):
            calls, self._started_calls = self._started_calls, []
            for call in calls:
                call()
        return not self._running


def _requested_millicpu(pod: Pod) -> int:
    return amount(effective_requests(pod), "cpu").milli_value()


def _make_directories(paths: Paths) -> None:
    """Ours are made; a file system that was named has to be there."""
    for flag, path in (("--nodefs", paths.nodefs), ("--imagefs", paths.imagefs)):
        if path is not None and not path.is_dir():
            raise NotFound(f"{flag} {path}: no such directory")
    for directory in (paths.run_dir, paths.exit_dir, paths.run_dir / "pods", paths.state_dir, paths.nodefs_dir):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    paths.log_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
