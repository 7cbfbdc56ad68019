"""Processes: who they are beyond a number, signals that cannot hit a stranger, children without a fork of ourselves.

Source: pidfd_open(2), proc_pid_stat(5), posix_spawn(3).
"""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nodeguard.errors import HostLacks, NotFound

_START_TIME = 22 - 3
"""Index of starttime among the fields after the command's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessId:
    """A process that is not mistaken for a later one with the same pid (within one boot)."""

    pid: int
    start_time_ticks: int


def identify(pid: int) -> ProcessId:
    """The identity of a running (or zombie) process.

    Raises:
        NotFound: there is no such process.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError) as e:
        raise NotFound(f"process {pid} does not exist") from e
    fields = text[text.rindex(b")") + 2 :].split()
    return ProcessId(pid=pid, start_time_ticks=int(fields[_START_TIME]))


def alive(identity: ProcessId) -> bool:
    """Whether that very process still exists."""
    try:
        return identify(identity.pid) == identity
    except NotFound:
        return False


def open_pidfd(identity: ProcessId) -> int:
    """A descriptor that stands for exactly this process and turns readable when it ends.

    Raises:
        NotFound: the process is gone; its pid may be somebody else's.
    """
    try:
        fd = os.pidfd_open(identity.pid)
    except ProcessLookupError as e:
        raise NotFound(f"process {identity.pid} does not exist") from e
    if not alive(identity):
        os.close(fd)
        raise NotFound(f"process {identity.pid} is another one now")
    return fd


def signal_pidfd(pidfd: int, signum: int) -> None:
    """Send a signal; a process that has ended already is fine."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signum)


def reap(pid: int) -> None:
    """Collect an ended child; fine when it is not ours or was collected."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def become_subreaper() -> None:
    """Orphans of our children become our children: a conmon stays ours to wait for, its pid cannot be reused."""
    import ctypes

    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


class Child:
    """A running program; ``pidfd`` turns readable when it has ended."""

    def __init__(self, process: subprocess.Popen[bytes], output_fd: int) -> None:
        self._process, self._output_fd = process, output_fd
        self.pidfd = os.pidfd_open(process.pid)

    def finish(self) -> tuple[int, str]:
        """Wait for the end; exit code (128+n for a signal) and what was written to stderr (the first 64 KiB)."""
        code = self._process.wait()
        try:
            output = os.read(self._output_fd, 65536)
        except BlockingIOError:
            output = b""
        os.close(self._output_fd)
        os.close(self.pidfd)
        return (code if code >= 0 else 128 - code), output.decode(errors="replace")


def spawn(argv: Sequence[str]) -> Child:
    """Start a program in a session of its own, with nothing of ours open but a pipe for its stderr.

    Raises:
        HostLacks: there is no such program.
    """
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=write_fd, start_new_session=True
        )
    except FileNotFoundError as e:
        os.close(read_fd)
        raise HostLacks(f"{argv[0]} is not installed") from e
    finally:
        os.close(write_fd)
    return Child(process, read_fd)


def run(argv: Sequence[str]) -> tuple[int, str]:
    """Run a program to its end; exit code and stderr. Not for the loop: it waits."""
    return spawn(argv).finish()


def list_commands() -> Iterator[tuple[int, list[str]]]:
    """Pid and words of the command line of every process that has one."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        words = read_command(int(entry))
        if words:
            yield int(entry), words


def read_command(pid: int) -> list[str]:
    """The words of a process's command line; empty for kernel threads, zombies and the gone."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [word.decode(errors="surrogateescape") for word in text.split(b"\0")[:-1]]


def kill_command(pid: int, argv: list[str], wait_seconds: float = 2.0) -> bool:
    """SIGKILL the process if its command line is still ``argv``, and wait for its end; False when it is still there."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as e:
        if e.errno == errno.ESRCH:
            return True
        raise
    try:
        if read_command(pid) != argv:
            return True
        signal_pidfd(pidfd, signal.SIGKILL)
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        ended = bool(poller.poll(wait_seconds * 1000))
        reap(pid)
        return ended
    finally:
        os.close(pidfd)
