"""One life of a container, from its bundle to its exit code."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nodeguard.agent import blueprint
from nodeguard.agent.log_follower import LogFollower
from nodeguard.errors import CgroupGone, NodeguardError, NotFound, RuntimeFailed
from nodeguard.kernel import process
from nodeguard.model.status import ContainerStage
from nodeguard.runtime import conmon
from nodeguard.runtime.conmon import Creation

if TYPE_CHECKING:
    from nodeguard.agent.checkpoint import KeptContainer
    from nodeguard.agent.container import ContainerWorker

log = logging.getLogger(__name__)

VANISHED_EXIT_CODE = 137
TAIL_LINES, TAIL_BYTES = 80, 2048
"""How much of the log stands in for a termination message (kubelet: MaxContainerTerminationMessageLog…)."""


class Instance:
    """One life of a container, from its bundle to its exit code."""

    def __init__(self, worker: ContainerWorker, plan: blueprint.Blueprint) -> None:
        self._worker, self._plan = worker, plan
        self._host = plan.sandbox.host
        self._pidfd = -1
        self._conmon_fd = -1
        self._over = False
        self._was_adopted = self._asked_again = False
        self._is_demolished = False
        self.stop_signal: int = signal.SIGTERM
        self.start_time_ticks: int | None = None
        """of the first process, once there is one"""
        self.oom_kills = 0
        """that have been told"""
        self._log = LogFollower(plan, worker.output, self._is_hurried)

    def create(self) -> None:
        """Build it and have conmon create it."""
        self._host.loop.in_thread(lambda: blueprint.build(self._plan), self._built)

    def start(self) -> None:
        """Let the first process run."""
        argv = self._plan.runtime_argv("start", self._plan.container_id)
        self._run(argv, self._started)

    def signal_first(self, signum: int) -> None:
        """Send a signal to the first process, if there is one."""
        if self._pidfd >= 0:
            process.signal_pidfd(self._pidfd, signum)

    def kill(self) -> None:
        """In a thread, because it looks until nothing is left."""
        self._host.loop.in_thread(self._kill_all, self._killed)

    def remove(self) -> None:
        """Clean up; to be called when the first process has ended."""
        self._host.loop.in_thread(self._kill_all, self._leftovers_killed)

    # what another process made

    def adopt(self, kept: KeptContainer) -> None:
        """What is known of this life; ``resume`` has to follow."""
        self.start_time_ticks, self.stop_signal = kept.start_time_ticks, kept.stop_signal
        self.oom_kills = kept.oom_kills
        self._was_adopted = True

    def resume(self) -> None:
        """Find again what runs, or learn how it ended; what never ran is taken away, to be made anew."""
        from nodeguard.agent import undo  # `run` adopts nobody

        match self._worker.view.stage:
            case ContainerStage.CREATING:
                self._host.loop.in_thread(lambda: undo.undo_instance(self._plan), self._undone)
            case ContainerStage.STARTING | ContainerStage.RUNNING:
                self._find()
            case _:
                self._over = True
                self._host.exits.forget(self._plan.container_id)
                self._find_conmon()

    def leave(self) -> None:
        """Close everything; the container goes on."""
        self._over = True
        self._log.close()
        for fd in (self._pidfd, self._conmon_fd):
            if fd >= 0:
                self._host.loop.close_fd(fd)
        self._pidfd = self._conmon_fd = -1

    def _undone(self, _: Any, error: BaseException | None) -> None:
        if error is None:
            self._worker.undone()
        else:
            self._failed(error)

    def _find(self) -> None:
        """The watch comes first, then the look: no end is missed between the two."""
        container_id, seen = self._plan.container_id, self._worker.view
        self._host.exits.expect(container_id, self._exited)
        self._find_conmon()
        self._find_first_process()
        self._log.follow_on()
        code = conmon.read_exit_code(self._host.paths.exit_dir, container_id)
        if code is not None:
            self._exited(code, self._ended_at())
        elif self._conmon_fd < 0:
            self._lose()
        elif seen.stage is ContainerStage.STARTING:
            self._ask_runtime()
        elif seen.killed_at is not None:
            self.kill()  # whoever wrote that may have been killed in the middle of it

    def _find_conmon(self) -> None:
        """Only what has this container's id on its command line is its conmon, whoever has that pid now."""
        with suppress(NotFound, OSError, ValueError):
            pid = int(self._plan.request.conmon_pid_file.read_text())
            fd = process.open_pidfd(process.identify(pid))
            if f"--cid={self._plan.container_id}" in process.command(pid):
                self._conmon_fd = fd
                self._host.loop.watch(fd, self._conmon_ended)
            else:
                os.close(fd)

    def _find_first_process(self) -> None:
        """By pid and start time, and in a group with our mark; otherwise it has ended."""
        pid, cgroup, driver = self._worker.view.pid, self._plan.cgroup, self._host.driver
        if pid is None or self.start_time_ticks is None:
            return
        if driver.owner(cgroup) == self._plan.sandbox.uid and pid in driver.processes(cgroup):
            with suppress(NotFound):
                identity = process.ProcessId(pid=pid, start_time_ticks=self.start_time_ticks)
                self._pidfd = process.open_pidfd(identity)

    def _ended_at(self) -> float:
        with suppress(OSError):
            written_at = (self._host.paths.exit_dir / self._plan.container_id).stat().st_mtime
            return min(written_at, self._host.clock.now())
        return self._host.clock.now()

    def _ask_runtime(self) -> None:
        """The other process was about to start it; whether it came to that only the runtime knows."""
        child = process.spawn(self._plan.runtime_argv("state", self._plan.container_id))

        def answered() -> None:
            self._host.loop.unwatch(child.pidfd)
            exit_code, text, _ = child.finish_with_output()
            if self._over:
                return
            match _status(text) if exit_code == 0 else "":
                case "running":
                    self._worker.running(self._worker.view.started_at)
                case "created":
                    self.start()
                case "stopped":
                    pass  # conmon is about to tell
                case _:
                    self._lose()

        self._host.loop.watch(child.pidfd, answered)

    # create → conmon → pid

    def _built(self, built: blueprint.Built | None, error: BaseException | None) -> None:
        if built is None:
            self._failed(error)
            return
        self.stop_signal = built.stop_signal
        self._log.follow()
        self._host.exits.expect(self._plan.container_id, self._exited)
        self._host.starts.enter(self._spawn_conmon)

    def _spawn_conmon(self) -> None:
        try:
            creation = conmon.start_conmon(self._plan.request)
        except NodeguardError as e:
            self._host.starts.leave()
            self._failed(e)
            return
        self._host.loop.watch(creation.sync_fd, lambda: self._answered(creation))

    def _answered(self, creation: Creation) -> None:
        self._host.loop.unwatch(creation.sync_fd)
        self._host.starts.leave()
        try:
            pid = creation.finish()
            identity = process.identify(pid)
            self._pidfd, self.start_time_ticks = process.open_pidfd(identity), identity.start_time_ticks
            self._host.driver.attach_unified(self._plan.cgroup, pid)
            self._watch_conmon()
        except (NodeguardError, OSError) as e:
            self._failed(e)
            return
        self._worker.created(pid)

    def _watch_conmon(self) -> None:
        """conmon's end without an exit file means that nobody will ever tell the exit code."""
        pid = int(self._plan.request.conmon_pid_file.read_text())
        self._conmon_fd = process.open_pidfd(process.identify(pid))
        self._host.loop.watch(self._conmon_fd, self._conmon_ended)

    def _started(self, exit_code: int, stderr: str) -> None:
        if self._over:
            return
        if exit_code == 0:
            self._worker.running()
        elif self._was_adopted and not self._asked_again:  # the other process's attempt may have come first
            self._asked_again = True
            self._ask_runtime()
        else:
            self._end_with(conmon.start_failure(stderr))

    # the end

    def _conmon_ended(self) -> None:
        self._host.loop.close_fd(self._conmon_fd)
        self._conmon_fd = -1
        code = conmon.read_exit_code(self._host.paths.exit_dir, self._plan.container_id)
        if code is not None:
            self._exited(code)
        elif not self._over:
            self._lose()
        if self._is_demolished:
            self._finish()

    def _lose(self) -> None:
        """Nobody will ever tell how it ended."""
        self.kill()
        self._end(VANISHED_EXIT_CODE, "ContainerStatusUnknown", "conmon ended without telling the exit code")

    def _exited(self, exit_code: int, at: float | None = None) -> None:
        if self._over:
            return
        if self._worker.view.stage is ContainerStage.STARTING:
            self._worker.running(self._worker.view.started_at)  # it ended before the runtime did
        killed = self.tell_oom_kills()
        self._worker.look_at_limits()
        reason = "OOMKilled" if killed else "Completed" if exit_code == 0 else "Error"
        self._log.catch_up()
        self._end(exit_code, reason, self._termination_message(exit_code), at)

    def _end_with(self, failure: RuntimeFailed) -> None:
        self._end(failure.container_exit_code, failure.reason, str(failure))

    def _end(self, exit_code: int, reason: str, message: str, at: float | None = None) -> None:
        self._over = True
        is_written = self._worker.ended(exit_code, reason, message, at)
        self._host.exits.forget(self._plan.container_id, keeps_file=not is_written)
        self._worker.changed()

    def _failed(self, error: BaseException | None) -> None:
        if isinstance(error, RuntimeFailed):
            self._end_with(error)
        else:
            self._end(128, "CreateContainerError", str(error))

    def tell_oom_kills(self) -> int:
        """Tell of the processes that the kernel killed since this was asked last; returns how many those are in all."""
        with suppress(CgroupGone):
            killed = self._host.driver.memory_oom_kills(self._plan.cgroup)
            if killed > self.oom_kills:
                self._worker.oom_killed(killed - self.oom_kills)
                self.oom_kills = killed
        return self.oom_kills

    def _termination_message(self, exit_code: int) -> str:
        return blueprint.read_termination_message(self._plan) or (
            self._log.tail(TAIL_LINES, TAIL_BYTES) if self._plan.falls_back_to_logs and exit_code else ""
        )

    # clean-up

    def _kill_all(self) -> None:
        with suppress(CgroupGone):
            self._host.driver.kill(self._plan.cgroup)

    def _killed(self, _: Any, error: BaseException | None) -> None:
        if error is not None:
            log.error("container not killed container=%s error=%s", self._plan.container_id, error)

    def _leftovers_killed(self, result: Any, error: BaseException | None) -> None:
        self._killed(result, error)
        self._run(self._plan.runtime_argv("delete", self._plan.container_id), self._deleted)

    def _deleted(self, exit_code: int, stderr: str) -> None:
        if exit_code and "does not exist" not in stderr:
            log.error("container not deleted container=%s error=%s", self._plan.container_id, stderr.strip())
        self._host.loop.in_thread(lambda: blueprint.demolish(self._plan), self._demolished)

    def _demolished(self, _: Any, error: BaseException | None) -> None:
        if error is not None:
            log.error("container not cleaned up container=%s error=%s", self._plan.container_id, error)
        self._is_demolished = True
        if self._conmon_fd < 0:
            self._finish()

    def _finish(self) -> None:
        """conmon has ended, too: when its log has been read, nothing is left."""
        self._log.finish(self._leave)

    def _is_hurried(self) -> bool:
        """An evicted pod is to give back its disk, too, which its log may fill."""
        view = self._worker.view
        return self._host.logs.is_hurried or view.terminated_at is not None or view.killed_at is not None

    def _leave(self) -> None:
        self._host.exits.forget(self._plan.container_id)  # where its code could not be written down at once
        if self._pidfd >= 0:
            os.close(self._pidfd)
        self._worker.removed()

    def _run(self, argv: tuple[str, ...], then: Callable[[int, str], None]) -> None:
        child = process.spawn(argv)

        def ended() -> None:
            self._host.loop.unwatch(child.pidfd)
            then(*child.finish())

        self._host.loop.watch(child.pidfd, ended)


def _status(state: str) -> str:
    """``created``, ``running`` or ``stopped``, as the runtime's ``state`` tells."""
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(state)["status"])
    return ""
