"""One container at work: its instances are made, started, signalled, and cleaned up, one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from nodeguard.agent import blueprint, oom
from nodeguard.agent.instance import Instance
from nodeguard.agent.log import LogLine
from nodeguard.agent.sandbox import Sandbox
from nodeguard.model.pod import Container
from nodeguard.model.status import ContainerStage, ContainerView, Termination
from nodeguard.policy import projection
from nodeguard.policy.backoff import next_backoff_seconds

if TYPE_CHECKING:
    from nodeguard.agent.checkpoint import KeptContainer


class ContainerWorker:
    """Owns the instances of one container; ``changed()`` is called after every change of ``view``.

    ``keep()`` is called before a change of it has consequences that nobody could tell afterwards.
    """

    def __init__(
        self, sandbox: Sandbox, container: Container, *, changed: Callable[[], None], keep: Callable[[], bool]
    ) -> None:
        self._sandbox, self._host, self._container = sandbox, sandbox.host, container
        self.changed, self._keep = changed, keep
        self.view = ContainerView(name=container.name, kind=container.kind)
        self._instance: Instance | None = None
        self._undone: ContainerView | None = None
        """an instance that another process had half made, as it was"""

    @property
    def killed_at(self) -> float | None:
        """When the latest instance was killed by us, if it was."""
        return self.view.killed_at

    def create(self) -> None:
        """Make the next instance."""
        seen, now = self.view, self._host.clock.now()
        attempt = seen.attempt + 1 if seen.ended is not None else seen.attempt
        plan = blueprint.plan(self._sandbox, self._container, attempt)
        undone, self._undone = self._undone, None
        backoff = next_backoff_seconds(seen, self._host.settings.max_backoff_seconds)
        self.view = replace(
            seen,
            stage=ContainerStage.CREATING,
            attempt=attempt,
            container_id=plan.container_id,
            pid=None,
            started_at=None,
            backoff_seconds=backoff if undone is None else undone.backoff_seconds,
            backoff_updated_at=now if seen.ended is not None else None,
            terminated_at=None,
            killed_at=None,
        )
        self._instance = Instance(self, plan)
        self._keep()
        self._instance.create()

    def check_config(self) -> None:
        """All that its variables need is there.

        Raises:
            RuntimeFailed: a ConfigMap or Secret, or a key in it, has to be there and is not.
        """
        if self._container.env_from or any(entry.key_ref for entry in self._container.env):
            sandbox = self._sandbox
            projection.container_env(sandbox.pod, self._container, sandbox.facts, sandbox.look_up)

    def start(self) -> None:
        """Let the created instance run."""
        self.view = replace(self.view, stage=ContainerStage.STARTING, started_at=self._host.clock.now())
        self._keep()
        self._present.start()

    def terminate(self) -> None:
        """Send the stop signal to the first process of the instance."""
        self.view = replace(self.view, terminated_at=self._host.clock.now())
        self._normal("Killing", f"Stopping container {self._container.name}")
        self._present.signal_first(self._present.stop_signal)

    def kill(self) -> None:
        """SIGKILL the whole instance."""
        if self.view.terminated_at is not None:
            self._warning("Killing", f"Container {self._container.name} did not end in the time it was given: SIGKILL")
        self.view = replace(self.view, killed_at=self._host.clock.now())
        self._present.kill()

    def remove(self) -> None:
        """Clean up the instance that has ended."""
        self.view = replace(self.view, stage=ContainerStage.REMOVING)
        self._present.remove()

    def adopt(self, kept: KeptContainer) -> None:
        """Be as another process saw the container last; ``resume`` has to follow."""
        self.view = kept.view
        if kept.view.stage is not ContainerStage.ABSENT:
            plan = blueprint.plan(self._sandbox, self._container, kept.view.attempt)
            self._instance = Instance(self, plan)
            self._instance.adopt(kept)

    def resume(self) -> None:
        """Go on with what the other process had under way."""
        if self.view.stage is ContainerStage.REMOVING:
            self.view = replace(self.view, stage=ContainerStage.EXITED)  # it is removed once more
        elif self.view.stage is ContainerStage.CREATED:
            self.view = replace(self.view, stage=ContainerStage.CREATING, pid=None)  # it is made once more
        if self._instance is not None:
            self._instance.resume()

    def leave(self) -> None:
        """Let go of the instance, which goes on."""
        if self._instance is not None:
            self._instance.leave()

    def kept(self) -> KeptContainer:
        """What another process needs to go on with this container."""
        from nodeguard.agent.checkpoint import KeptContainer  # decoding, which `run` does not need again

        if self._instance is None:
            return KeptContainer(view=self.view)
        return KeptContainer(
            view=self.view,
            start_time_ticks=self._instance.start_time_ticks,
            stop_signal=self._instance.stop_signal,
            oom_kills=self._instance.oom_kills,
        )

    @property
    def _present(self) -> Instance:
        if self._instance is None:
            raise RuntimeError(f"container {self._container.name} has no instance")
        return self._instance

    # What the instance reports.

    def undone(self) -> None:
        """Nothing is left of the instance, which has never run; the next one gets its number."""
        seen = self.view
        self._instance, self._undone = None, seen
        self.view = replace(
            seen,
            stage=ContainerStage.ABSENT,
            attempt=seen.attempt if seen.ended is None else seen.attempt - 1,
            container_id="" if seen.ended is None else seen.ended.container_id,
            backoff_updated_at=None,  # it has been waited for already
        )
        self.changed()

    def created(self, pid: int) -> None:
        """The instance is there; its first process waits to be started."""
        self.view = replace(self.view, stage=ContainerStage.CREATED, pid=pid)
        self._normal("Created", f"Created container {self._container.name}")
        self.changed()

    def running(self, at: float | None = None) -> None:
        """The first process has been started."""
        now = self._host.clock.now() if at is None else at
        self.view = replace(self.view, stage=ContainerStage.RUNNING, started_at=now)
        self._normal("Started", f"Started container {self._container.name}")
        self.changed()

    def ended(self, exit_code: int, reason: str, message: str, at: float | None = None) -> bool:
        """The first process has ended, or never came to be; ``changed()`` is the caller's to call.

        False: this could not be written down.
        """
        now = self._host.clock.now() if at is None else at
        never_ran = self.view.stage in (ContainerStage.CREATING, ContainerStage.CREATED)
        end = Termination(
            exit_code=exit_code,
            reason=reason,
            message=message,
            started_at=self.view.started_at or (None if never_ran else now),
            finished_at=now,
            container_id=self.view.container_id,
        )
        self.view = replace(self.view, stage=ContainerStage.EXITED, ended=end, pid=None)
        if never_ran and self.view.killed_at is None:
            self._warning("Failed", f"Error: {message}")
        return self._keep()

    def removed(self) -> None:
        """Nothing of the instance is left."""
        self._instance = None
        self.view = replace(self.view, stage=ContainerStage.ABSENT)
        self.changed()

    def output(self, line: LogLine) -> None:
        """The container wrote a line."""
        if self._host.on_log is not None:
            self._host.on_log(self._sandbox.pod, self._container.name, line)

    def oom_killed(self, count: int) -> None:
        """The kernel's OOM killer took processes of the instance."""
        name = self._container.name
        self._warning("OOMKilling", f"The kernel's OOM killer took {count} process(es) of container {name}")
        oom.record(self._host, self._sandbox.pod, self._sandbox.cgroup, name, kills=count)

    def look_at_oom_kills(self) -> None:
        """The first process may live on when the kernel has killed others."""
        if self._instance is not None:
            self._instance.tell_oom_kills()

    def look_at_limits(self) -> None:
        """The instance has ended, and its counters go with it."""
        self._sandbox.pid_limits.look()

    def _normal(self, reason: str, message: str) -> None:
        self._host.events.normal(self._sandbox.pod.meta, reason, message, self._container.name)

    def _warning(self, reason: str, message: str) -> None:
        self._host.events.warning(self._sandbox.pod.meta, reason, message, self._container.name)
