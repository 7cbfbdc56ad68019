"""One pod at work: looks, asks ``policy.lifecycle`` what to do, and has it done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, assert_never

from nodeguard.agent.container import ContainerWorker
from nodeguard.agent.host import Host
from nodeguard.agent.loop import Timer
from nodeguard.agent.sandbox import Sandbox
from nodeguard.errors import CgroupGone, NodeguardError
from nodeguard.kernel.cgroup.memory import MemorySample, read_memory
from nodeguard.kernel.cgroup.process import count_processes
from nodeguard.model.instant import rfc3339
from nodeguard.model.pod import Pod, QOSClass
from nodeguard.model.status import PodView, SandboxStage, StopRequest, Termination
from nodeguard.policy import lifecycle, status

log = logging.getLogger(__name__)


class PodWorker:
    """Owns one pod from admission to its last trace; ``gone(self)`` is called once, at the end."""

    def __init__(self, host: Host, pod: Pod, qos: QOSClass, gone: Callable[[PodWorker], None]) -> None:
        self.host, self.pod, self.qos = host, pod, qos
        self._gone = gone
        self._sandbox = Sandbox(host, pod, qos)
        self._stage = SandboxStage.ABSENT
        self._started_at = host.clock.now()
        self._stop: StopRequest | None = None
        self._failure: Termination | None = None
        self._ever_initialized = False
        self._timer: Timer | None = None
        self._reconciling = False
        self._status: dict[str, Any] = {}
        self._containers = {
            container.name: ContainerWorker(self._sandbox, container, self.reconcile)
            for container in pod.all_containers
        }

    @property
    def is_gone(self) -> bool:
        """Nothing of the pod is left on the host."""
        return self._stage is SandboxStage.GONE

    def record(self) -> None:
        """Write down that the pod exists, before anything of it does. The tree's lock must be held."""
        self._sandbox.record()

    def unrecord(self) -> None:
        """The pod is not to be after all; nothing of it has been made."""
        self._sandbox.unrecord()

    def view(self) -> PodView:
        """What is seen of the pod now."""
        return PodView(
            containers={name: worker.view for name, worker in self._containers.items()},
            sandbox=self._stage,
            started_at=self._started_at,
            stop=self._stop,
            ever_initialized=self._ever_initialized,
            failure=self._failure,
        )

    def status(self) -> dict[str, Any]:
        """The v1 PodStatus object, as of the last change."""
        return self._status

    def object(self) -> dict[str, Any]:
        """The v1 Pod object, with the uid it got and its status."""
        metadata = {
            **self.pod.raw.get("metadata", {}),
            "name": self.pod.meta.name,
            "namespace": self.pod.meta.namespace,
            "uid": self.pod.meta.uid,
            "creationTimestamp": rfc3339(self._started_at),
        }
        settled = {"priority": self.pod.priority, "preemptionPolicy": self.pod.preemption_policy}
        if self.pod.priority_class_name:
            settled["priorityClassName"] = self.pod.priority_class_name
        spec = {**self.pod.raw.get("spec", {}), **settled, "nodeName": self.host.settings.node_name}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": self._status}

    def terminations(self) -> list[tuple[str, Termination]]:
        """How each container that has ended ended the last time, in the order of the spec."""
        return [(name, worker.view.ended) for name, worker in self._containers.items() if worker.view.ended]

    def stop(self, grace_seconds: float, reason: str = "", message: str = "", disruption: str = "") -> None:
        """Ask the pod to end; a second request can only shorten the grace."""
        request = StopRequest(
            at=self.host.clock.now(), grace_seconds=grace_seconds, reason=reason, message=message, disruption=disruption
        )
        before = self._stop
        if before is not None:
            ends_at = min(before.at + before.grace_seconds, request.at + request.grace_seconds)
            grace = 0.0 if grace_seconds <= 0 else max(0.0, ends_at - before.at)
            request = replace(before, grace_seconds=grace)
        self._stop = request
        self.reconcile()

    def strike(self) -> None:
        """SIGKILL all that runs in the pod now; ``stop`` has to follow, which sees to what is left."""
        kept = self._sandbox.killer
        try:
            killer = kept or self.host.driver.killer(self._sandbox.cgroup)
            try:
                killer.strike()
            finally:
                if killer is not kept:
                    killer.close()
        except CgroupGone:
            pass
        except (OSError, NodeguardError) as e:  # such as no descriptor left to open it with
            log.error("not struck at once pod=%s error=%s", self.pod.meta.key, e)

    def killed_at(self) -> float | None:
        """When the last container that did not end by itself was killed; None if all did."""
        return max((w.killed_at for w in self._containers.values() if w.killed_at is not None), default=None)

    def memory(self) -> MemorySample | None:
        """What is charged to the pod; nothing while it has no cgroup, None if the kernel does not tell."""
        meter = self._sandbox.meter
        try:
            return read_memory(self.host.driver, self._sandbox.cgroup) if meter is None else meter.read()
        except CgroupGone:
            return MemorySample(0, 0)
        except (OSError, ValueError, NodeguardError) as e:
            log.warning("memory not readable pod=%s error=%s", self.pod.meta.key, e)
            return None

    def container_memory(self) -> dict[str, int]:
        """The working set of each container that has a cgroup, in bytes by name."""
        found = {}
        for name in self._containers:
            with suppress(OSError, ValueError, NodeguardError):
                found[name] = read_memory(self.host.driver, f"{self._sandbox.cgroup}/{name}").working_set_bytes
        return found

    def process_count(self) -> int | None:
        """How many processes the pod has, threads aside; None if the kernel does not tell."""
        try:
            return count_processes(self.host.driver, self._sandbox.cgroup)
        except (OSError, NodeguardError) as e:
            log.warning("processes not countable pod=%s error=%s", self.pod.meta.key, e)
            return None

    @property
    def sandbox(self) -> Sandbox:
        """What the pod's containers share."""
        return self._sandbox

    @property
    def stop_request(self) -> StopRequest | None:
        """Why and how the pod is to end, if it is."""
        return self._stop

    def look_at_limits(self) -> None:
        """Tell what the kernel has refused the pod, and whom it has killed, since the last look."""
        self._sandbox.pid_limits.look()
        for container in self._containers.values():
            container.look_at_oom_kills()

    def reconcile(self) -> None:
        """Compare what is wanted with what is seen, and act; called whenever something has changed."""
        if self._reconciling or self.is_gone:
            return
        self._reconciling = True
        try:
            self._reconcile_until_settled()
        finally:
            self._reconciling = False
        if self._stop is not None and self._stage is SandboxStage.ABSENT:
            self._stage = SandboxStage.GONE
            self._gone(self)

    def _reconcile_until_settled(self) -> None:
        while True:
            now = self.host.clock.now()
            view = self.view()
            if any(c.is_running for c in (view.containers[app.name] for app in self.pod.containers)):
                self._ever_initialized = True
            stop = lifecycle.effective_stop(self.pod, view, now)
            if stop is not None and self._stop is None:
                self._stop = stop
                view = self.view()
            plan = lifecycle.plan(self.pod, view, now, max_backoff_seconds=self.host.settings.max_backoff_seconds)
            for action in plan.actions:
                self._apply(action)
            self._set_timer(plan.wake_at)
            settled = self.view() == view
            self._update_status()
            if settled:
                return

    def _apply(self, action: lifecycle.Action) -> None:
        match action:
            case lifecycle.PrepareSandbox():
                self._stage = SandboxStage.PREPARING
                self.host.loop.in_thread(self._sandbox.prepare, self._sandbox_prepared)
            case lifecycle.RemoveSandbox():
                self._stage = SandboxStage.REMOVING
                self.host.loop.in_thread(self._sandbox.remove, self._sandbox_removed)
            case lifecycle.CreateContainer(name=name):
                self._containers[name].create()
            case lifecycle.StartContainer(name=name):
                self._containers[name].start()
            case lifecycle.TerminateContainer(name=name):
                self._containers[name].terminate()
            case lifecycle.KillContainer(name=name):
                self._containers[name].kill()
            case lifecycle.RemoveContainer(name=name):
                self._containers[name].remove()
            case _:
                assert_never(action)

    def _sandbox_prepared(self, _: Any, error: BaseException | None) -> None:
        self._stage = SandboxStage.READY
        if error is not None:
            now = self.host.clock.now()
            reason = getattr(error, "reason", "FailedCreatePodSandBox")
            self._failure = Termination(exit_code=128, reason=reason, message=str(error), finished_at=now)
            self.host.events.warning(self.pod.meta, reason, str(error))
        self.reconcile()

    def _sandbox_removed(self, _: Any, error: BaseException | None) -> None:
        if error is not None:
            log.error("pod not removed completely pod=%s error=%s", self.pod.meta.key, error)
            self.host.events.warning(self.pod.meta, "FailedKillPod", f"not removed completely: {error}")
        self._sandbox.close()
        self._stage = SandboxStage.GONE
        self._gone(self)

    def _set_timer(self, wake_at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if wake_at is None else self.host.loop.call_at(wake_at, self.reconcile)

    def _update_status(self) -> None:
        before = set(status.backing_off(self._status))
        self._status = status.pod_status(
            self.pod,
            self.view(),
            self.qos,
            self.host.clock.now(),
            previous=self._status,
            max_backoff_seconds=self.host.settings.max_backoff_seconds,
        )
        for name, message in status.backing_off(self._status).items():
            if name not in before:
                self.host.events.warning(self.pod.meta, "BackOff", message[:1].upper() + message[1:], name)
