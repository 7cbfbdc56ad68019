"""One pod at work: looks, asks ``policy.lifecycle`` what to do, and has it done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, assert_never

from nodeguard.agent.container import ContainerWorker
from nodeguard.agent.host import Host
from nodeguard.agent.loop import Timer
from nodeguard.agent.sandbox import Sandbox
from nodeguard.errors import CgroupGone, NodeguardError, RuntimeFailed
from nodeguard.kernel.cgroup.memory import MemorySample, read_memory
from nodeguard.kernel.cgroup.process import count_processes
from nodeguard.model.instant import rfc3339
from nodeguard.model.objectref import ObjectRef
from nodeguard.model.pod import Pod, QOSClass
from nodeguard.model.status import PodView, SandboxStage, StopRequest, Termination
from nodeguard.policy import lifecycle, status
from nodeguard.policy.projection import Untold

if TYPE_CHECKING:
    from nodeguard.agent.checkpoint import Checkpoint

log = logging.getLogger(__name__)


class PodWorker:
    """Owns one pod from admission to its last trace; ``gone(self)`` is called once, at the end.

    Where somebody keeps pods beyond this process (``host.keeper``), its logs and its record stay until they are let go
    of, and how far everything has come is written down at each step.
    """

    def __init__(self, host: Host, pod: Pod, qos: QOSClass, gone: Callable[[PodWorker], None]) -> None:
        self.host, self.pod, self.qos = host, pod, qos
        self._gone = gone
        self._sandbox = Sandbox(host, pod, qos)
        self._stage = SandboxStage.ABSENT
        self._started_at = host.clock.now()
        self._stop: StopRequest | None = None
        self._struck_at: float | None = None
        self._failure: Termination | None = None
        self._ever_initialized = False
        self._blocked: dict[str, str] = {}
        """Containers, or (without a name) volumes, that wait for a ConfigMap or Secret"""
        self._timer: Timer | None = None
        self._reconciling = False
        self._status: dict[str, Any] = {}
        self._told: dict[str, Any] = {}
        self._kept: Checkpoint | None = None
        self._eviction = ""
        self.adopted_eviction = ""
        """The record of an eviction that another process had under way."""
        self.is_deleted = False
        """Nothing is to stay of the pod, not even logs."""
        self._containers = {
            container.name: ContainerWorker(self._sandbox, container, changed=self.reconcile, keep=self._keep)
            for container in pod.all_containers
        }

    @property
    def is_gone(self) -> bool:
        """Nothing of the pod is left on the host, but for logs and record where these are kept."""
        return self._stage is SandboxStage.GONE

    def record(self) -> None:
        """Write down that the pod exists, before anything of it does. The tree's lock must be held."""
        if self.host.keeper is None:
            self._sandbox.record()
        else:
            self._sandbox.record_kept(self._kept_manifest(), self._started_at)

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
            blocked=dict(self._blocked),
        )

    def status(self) -> dict[str, Any]:
        """The v1 PodStatus object, as of the last change."""
        return self._status

    def object(self) -> dict[str, Any]:
        """The v1 Pod object, with the uid it got and its status."""
        return {**self._manifest(), "status": self._status}

    def _kept_manifest(self) -> dict[str, Any]:
        """What `decode` makes this very pod of: its QoS class never changes, whatever becomes of the rules for it."""
        return {**self._manifest(), "status": {"qosClass": self.qos.value}}

    def _manifest(self) -> dict[str, Any]:
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
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def update(self, pod: Pod) -> None:
        """The same pod with other labels and annotations."""
        self.pod = pod
        self._sandbox.update(pod, self._kept_manifest(), self._started_at)
        self._refresh_volumes()

    def object_changed(self, ref: ObjectRef) -> None:
        """A ConfigMap or Secret of the pod's namespace is there, or another one, or gone."""
        if ref in self._sandbox.object_refs and not self.is_gone:
            self._refresh_volumes()
            self.reconcile()

    def _refresh_volumes(self) -> None:
        """Volumes follow what they show, running containers see it; their variables stay as they were."""
        if self._stage is SandboxStage.READY and self._failure is None:
            self.host.loop.in_thread(self._sandbox.refresh_volumes, self._volumes_refreshed)

    def _volumes_refreshed(self, _: Any, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Untold):
            self.host.events.warning(self.pod.meta, "FailedMount", str(error))

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
        self._keep()
        self.reconcile()

    def delete(self, grace_seconds: float) -> None:
        """Have the pod go with all its traces, also when it has ended already."""
        was_deleted, self.is_deleted = self.is_deleted, True
        if not self.is_gone:
            self.stop(grace_seconds)
        elif not was_deleted:
            self._keep()
            self._let_go()

    def settle(self) -> None:
        """What became of a pod that is gone is written down elsewhere: the record goes, the logs stay."""
        self._sandbox.unrecord()

    def strike(self) -> None:
        """SIGKILL all that runs in the pod now; ``stop`` has to follow, which sees to what is left."""
        self._strike()
        if self.host.keeper is not None:  # not before: a pod that still lives must not be taken for a dead one
            self._struck_at = self.host.clock.now()
            self._keep()

    def recorded_as(self, record_id: str) -> None:
        """The record of the pod's eviction: whoever sees its end is to write it there."""
        self._eviction = record_id
        self._keep()

    def _strike(self) -> None:
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
            self._end()
        elif self.host.keeper is not None and self._told != self._status:
            self._told = self._status
            self.host.keeper.on_change(self)

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
                self._keep()
            plan = lifecycle.plan(self.pod, view, now, max_backoff_seconds=self.host.settings.max_backoff_seconds)
            for action in plan.actions:
                self._apply(action)
            self._set_timer(plan.wake_at)
            settled = self.view() == view
            self._update_status()
            self._keep()
            if settled:
                return

    def _apply(self, action: lifecycle.Action) -> None:
        match action:
            case lifecycle.PrepareSandbox() if self._lacks("", self._sandbox.check_volumes):
                pass
            case lifecycle.CreateContainer(name=name) if self._lacks(name, self._containers[name].check_config):
                pass
            case lifecycle.PrepareSandbox():
                self._stage = SandboxStage.PREPARING
                self._keep()
                self.host.loop.in_thread(self._sandbox.prepare, self._sandbox_prepared)
            case lifecycle.RemoveSandbox():
                self._stage = SandboxStage.REMOVING
                self._keep()
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

    def _lacks(self, container: str, check: Callable[[], None]) -> bool:
        """Whether a ConfigMap or Secret is missing that has to be there; told once, tried again when one comes."""
        if not self._sandbox.object_refs:
            return False
        before = self._blocked.pop(container, "")
        try:
            check()
        except RuntimeFailed as e:
            self._blocked[container] = str(e)
            if str(e) != before:
                reason, words = ("Failed", f"Error: {e}") if container else (e.reason, str(e))
                self.host.events.warning(self.pod.meta, reason, words, container or None)
            return True
        return False

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
        self._end()

    def _end(self) -> None:
        self._stage = SandboxStage.GONE
        self._keep()
        self._gone(self)
        if self.host.keeper is None:
            return
        if self.is_deleted:
            self._let_go()
        else:
            self._told = self._status
            self.host.keeper.on_change(self)

    def _let_go(self) -> None:
        """Logs and record go; these may be many files."""
        self.host.loop.in_thread(self._sandbox.remove_traces, self._traces_removed)

    def _traces_removed(self, _: Any, error: BaseException | None) -> None:
        if error is not None:
            log.error("traces of a pod not removed pod=%s error=%s", self.pod.meta.key, error)
        if self.host.keeper is not None:
            self.host.keeper.on_gone(self)

    # what another process goes on with

    def adopt(self, state: Checkpoint, started_at: float) -> None:
        """Be as another process saw the pod last; ``resume`` has to follow. The tree's lock must be held."""
        self._sandbox.take_over()
        self._started_at, self._stage = started_at, state.stage
        self._stop, self._struck_at, self._failure = state.stop, state.struck_at, state.failure
        self._eviction = self.adopted_eviction = state.eviction
        self._ever_initialized, self.is_deleted = state.ever_initialized, state.is_deleted
        self._status = {"conditions": list(state.conditions)}
        for name, kept in state.containers.items():
            if name in self._containers:
                self._containers[name].adopt(kept)

    def resume(self) -> None:
        """Go on from there: what runs is found again, what was half made is made anew, what was ending ends."""
        from nodeguard.agent import undo  # `run` adopts nobody

        match self._stage:
            case SandboxStage.PREPARING:
                self.host.loop.in_thread(lambda: undo.undo_sandbox(self._sandbox), self._sandbox_undone)
            case SandboxStage.READY:
                self._resume_containers()
            case SandboxStage.REMOVING:
                self.host.loop.in_thread(self._sandbox.remove, self._sandbox_removed)
            case SandboxStage.GONE:
                if self.is_deleted:
                    self._let_go()
        self._update_status()
        self._told = self._status
        self.reconcile()

    def leave(self) -> None:
        """Nothing is done any more, and what is open is closed; everything goes on without this process."""
        self._reconciling = True
        self._set_timer(None)
        for container in self._containers.values():
            container.leave()
        self._sandbox.close()

    def _resume_containers(self) -> None:
        self._sandbox.resume()
        self._reconciling = True  # not before all of them are there
        try:
            for container in self._containers.values():
                container.resume()
        finally:
            self._reconciling = False

    def _sandbox_undone(self, _: Any, error: BaseException | None) -> None:
        if error is None:
            self._stage = SandboxStage.ABSENT
            self.reconcile()
        else:
            self._sandbox_prepared(None, error)

    def _keep(self) -> bool:
        """Write down how far everything has come, if that has changed and somebody is to go on with it.

        False: it could not be written.
        """
        if self.host.keeper is None:
            return True
        state = self._state()
        if state == self._kept:
            return True
        try:
            state.write(self._sandbox.run_dir)
        except OSError as e:  # without room for it the pod goes on, and the next change tries again
            log.error("state of a pod not written pod=%s error=%s", self.pod.meta.key, e)
            return False
        self._kept = state
        return True

    def _state(self) -> Checkpoint:
        from nodeguard.agent.checkpoint import Checkpoint, clock_offset  # `run` keeps nothing

        offset = clock_offset(self.host.clock) if self._kept is None else self._kept.clock_offset
        return Checkpoint(
            clock_offset=offset,
            stage=self._stage,
            stop=self._stop,
            struck_at=self._struck_at,
            eviction=self._eviction,
            failure=self._failure,
            ever_initialized=self._ever_initialized,
            is_deleted=self.is_deleted,
            conditions=tuple(self._status.get("conditions", ())),
            containers={name: worker.kept() for name, worker in self._containers.items()},
        )

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
