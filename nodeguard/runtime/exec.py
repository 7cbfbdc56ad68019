"""Programs in a container that runs already: ``runc exec``, one child for each.

The process gets what the container's first one has (user, capabilities, variables, working directory, seccomp): all of
it comes from the bundle. It is in the container's cgroup before its first own instruction, so whatever kills the
container kills it.

Source: opencontainers/runc, exec.go; containers/crun, src/exec.c.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import select
import signal
import struct
import termios
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeguard.errors import CgroupGone, NotFound, RuntimeFailed
from nodeguard.kernel import process
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.kernel.cgroup.group import membership
from nodeguard.runtime.conmon import runtime_argv, runtime_message
from nodeguard.runtime.container import Bundle, find_bundle

_SPEC_FD, _LOG_FD = 3, 4
"""Numbers of the runtime's own descriptors; it closes them before the container's process begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Which runtime keeps its state where, and where pid files of exec go."""

    program: str
    root: Path
    exec_dir: Path
    driver: Driver


def process_spec(bundle: Bundle, command: Sequence[str], *, terminal: bool) -> dict[str, Any]:
    """The OCI process: the container's own with another command, and a kind of terminal when there is one."""
    spec = dict(bundle.config["process"])
    if terminal and not any(entry.startswith("TERM=") for entry in spec.get("env", ())):
        spec["env"] = ["TERM=xterm", *spec.get("env", ())]
    return {**spec, "args": list(command), "terminal": terminal}


class Exec:
    """A process that was started in a container.

    ``stdin_fd``, ``stdout_fd`` and ``stderr_fd`` are ours to use (not blocking) and to close; -1 where there is none.
    With a terminal the first two are the same descriptor. ``pidfd`` turns readable at the end.
    """

    def __init__(self, child: process.Child, bundle: Bundle, pid_file: Path, log_fd: int, fds: tuple[int, int, int]):
        self._child, self._bundle, self._pid_file, self._log_fd = child, bundle, pid_file, log_fd
        self.stdin_fd, self.stdout_fd, self.stderr_fd = fds
        self.pidfd = child.pidfd
        self._has_ended = False

    @property
    def has_started(self) -> bool:
        """The process is there; until then it is the runtime that speaks."""
        return self._pid_file.exists()

    @property
    def is_over(self) -> bool:
        """The process has ended; `finish` tells how."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size; the runtime is told, which hands it on."""
        if self.stdout_fd >= 0:
            _set_size(self.stdout_fd, columns, rows)
            if not self._has_ended:
                process.signal_pidfd(self.pidfd, signal.SIGWINCH)

    def kill(self) -> None:
        """SIGKILL the process and all of its session, then the runtime. Looks through /proc: not for an event loop."""
        pid = read_pid(self._pid_file)
        if pid is not None:
            kill_session(pid, self._bundle.cgroup)
        if not self._has_ended:
            process.signal_pidfd(self.pidfd, signal.SIGKILL)

    def finish(self) -> int:
        """The exit code, 128 + n after signal n; everything but the three descriptors is given back. Call it once.

        Raises:
            RuntimeFailed: the process never came to be.
        """
        self._has_ended = True
        try:
            exit_code, _ = self._child.finish()
            started = self.has_started
            with os.fdopen(self._log_fd, "rb") as file:
                file.seek(0)
                log = file.read().decode(errors="replace")
        finally:
            # runc writes it by another name at first, and may be killed before it has renamed it
            for path in (self._pid_file, self._pid_file.with_name(f".{self._pid_file.name}")):
                path.unlink(missing_ok=True)
        if not started and log.strip():  # killed with its container, the runtime has had no time to say anything
            raise RuntimeFailed(runtime_message(log))
        return exit_code

    def close(self) -> None:
        """Close what is left of the three descriptors."""
        for fd in {self.stdin_fd, self.stdout_fd, self.stderr_fd} - {-1}:
            os.close(fd)
        self.stdin_fd = self.stdout_fd = self.stderr_fd = -1

    def close_stdin(self) -> None:
        """The process reads the end of its input; a terminal has no such end."""
        if self.stdin_fd >= 0 and self.stdin_fd != self.stdout_fd:
            os.close(self.stdin_fd)
            self.stdin_fd = -1


def start_exec(
    runtime: Runtime, bundle: Bundle, command: Sequence[str], *, stdin: bool = False, terminal: bool = False
) -> Exec:
    """Start a program in the container; returns before it is there.

    Raises:
        NotFound: the container has ended.
        HostLacks, RuntimeFailed: the runtime cannot be started.
        OSError: no descriptors are left.
    """
    spec = json.dumps(process_spec(bundle, command, terminal=terminal)).encode()
    runtime.exec_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    pid_file = runtime.exec_dir / f"{bundle.container_id}.{secrets.token_hex(8)}"
    opened: list[int] = []
    try:
        ours, theirs = _terminal(opened) if terminal else _pipes(opened, bundle, stdin=stdin)
        spec_read, spec_write = _opened(opened, os.pipe2(os.O_CLOEXEC))
        (log_fd,) = _opened(opened, (os.memfd_create("log", os.MFD_CLOEXEC),))
        child = process.spawn(
            runtime_argv(
                runtime.program,
                runtime.root,
                f"--log=/proc/self/fd/{_LOG_FD}",
                "--log-format=json",
                "exec",
                f"--pid-file={pid_file}",
                f"--process=/proc/self/fd/{_SPEC_FD}",
                bundle.container_id,
            ),
            fds={**dict(enumerate(theirs)), _SPEC_FD: spec_read, _LOG_FD: log_fd},
        )
    except BaseException:
        _close_all(opened)
        raise
    for fd in {*theirs, spec_read} - {-1}:
        os.close(fd)
    started = Exec(child, bundle, pid_file, log_fd, ours)
    try:
        # The runtime waits for the rest of its orders: whatever it starts is where it itself is by now.
        runtime.driver.attach_unified(bundle.cgroup, child.pid)
        with suppress(BrokenPipeError):  # the runtime has ended already, and `finish` tells why
            _write_all(spec_write, spec)
    except CgroupGone as e:
        started.kill()
        with suppress(RuntimeFailed):
            started.finish()
        started.close()
        raise NotFound(f"container {bundle.container_id} has ended") from e
    finally:
        os.close(spec_write)
    return started


def end_leftovers(exec_dir: Path, run_dir: Path) -> None:
    """What an API server that was killed had started in containers does not stay: nobody listens to it any more."""
    for pid_file in sorted(exec_dir.glob("*_*.*")):
        container_id = pid_file.name.rpartition(".")[0]
        uid, name = container_id.split("_")[:2]
        pid = read_pid(pid_file)
        if pid is not None:
            with suppress(NotFound):
                kill_session(pid, find_bundle(run_dir, uid, name, container_id).cgroup)
        pid_file.unlink(missing_ok=True)


def read_pid(path: Path) -> int | None:
    """The pid in a file that the runtime writes; None while there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def kill_session(leader: int, cgroup: str) -> None:
    """SIGKILL the processes of a session, as long as they are in this cgroup: what a terminal's end would do, for all.

    Twice, for what was forked meanwhile.
    """

    def belongs(pid: int) -> bool:
        try:
            return process.session(pid) == leader and cgroup in membership(pid).values()
        except (NotFound, OSError):
            return False

    for _ in range(2):
        for name in os.listdir("/proc"):
            if name.isdigit():
                process.kill_if(int(name), belongs)


def _terminal(opened: list[int]) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    ours, theirs = _opened(opened, os.openpty())
    os.set_blocking(ours, False)
    return (ours, ours, -1), (theirs, theirs, theirs)


def _pipes(opened: list[int], bundle: Bundle, *, stdin: bool) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """Pipes for the three streams; they belong to the container's user, who may open /dev/stdout anew."""
    user = bundle.config["process"]["user"]
    out_read, out_write = _opened(opened, os.pipe2(os.O_CLOEXEC))
    err_read, err_write = _opened(opened, os.pipe2(os.O_CLOEXEC))
    if stdin:
        in_read, in_write = _opened(opened, os.pipe2(os.O_CLOEXEC))
    else:
        (in_read,), in_write = _opened(opened, (os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC),)), -1
    for fd in (out_write, err_write, *((in_read,) if stdin else ())):
        os.fchown(fd, int(user["uid"]), int(user["gid"]))
    for fd in (in_write, out_read, err_read):
        if fd >= 0:
            os.set_blocking(fd, False)
    return (in_write, out_read, err_read), (in_read, out_write, err_write)


def _opened(opened: list[int], fds: tuple[int, ...]) -> tuple[int, ...]:
    """The descriptors, noted, and out of the way of the numbers that the runtime is to see them by."""
    moved = tuple(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _LOG_FD + 1) if fd <= _LOG_FD else fd for fd in fds)
    for fd in set(fds) - set(moved):
        os.close(fd)
    opened.extend(moved)
    return moved


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        with suppress(OSError):
            os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    """Write it all; the pipe is made large enough, so that nobody has to read meanwhile."""
    with suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, max(len(data), 1 << 16))
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _set_size(fd: int, columns: int, rows: int) -> None:
    """Source: Linux, man 2 TIOCSWINSZ."""
    try:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    except OSError as e:
        if e.errno != errno.EIO:
            raise
