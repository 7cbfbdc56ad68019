"""Processes: told apart for good, signalled through pidfds, started without a copy of this one."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from nodeguard.errors import HostLacks, NotFound, RuntimeFailed

SIGNAL_EXIT_BASE = 128

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
"""The unit of times in /proc/PID/stat."""

_RESET_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
"""Python ignores the first two, which a child would inherit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessId:
    """A pid alone is given to somebody else sooner or later; together with the start time it is not.

    The start time counts clock ticks since boot.
    """

    pid: int
    start_time_ticks: int


def identify(pid: int, proc: str = "/proc") -> ProcessId:
    """The identity of a process that exists, zombies included.

    Raises:
        NotFound: there is none.
    """
    return ProcessId(pid=pid, start_time_ticks=int(_stat_fields(pid, proc)[19]))


def state(pid: int, proc: str = "/proc") -> str:
    """One letter: R running, S sleeping, D uninterruptible, T stopped, Z zombie.

    Raises:
        NotFound: there is no such process.
    """
    return _stat_fields(pid, proc)[0]


def session(pid: int, proc: str = "/proc") -> int:
    """The session a process belongs to: the pid of the process that began it.

    Raises:
        NotFound: there is no such process.
    """
    return int(_stat_fields(pid, proc)[3])


def alive(process_id: ProcessId) -> bool:
    """Whether this very process exists and is no zombie."""
    try:
        return identify(process_id.pid) == process_id and state(process_id.pid) not in ("Z", "X")
    except NotFound:
        return False


def open_pidfd(process_id: ProcessId) -> int:
    """A pidfd of this very process, readable once it has ended.

    Raises:
        NotFound: it is gone, whoever has its pid now.
    """
    fd = _pidfd(process_id.pid)
    try:
        if identify(process_id.pid) != process_id:  # whoever was identified after the pidfd was opened is who it holds
            raise NotFound(f"process {process_id.pid} is another one by now")
    except BaseException:
        os.close(fd)
        raise
    return fd


def signal_pidfd(pidfd: int, signum: int) -> None:
    """Send a signal; nothing happens when the process has ended."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signum)


def kill_if(pid: int, belongs: Callable[[int], bool]) -> bool:
    """SIGKILL a process if it ``belongs``; asked once the pidfd is open, so that a pid given anew is never hit.

    Process 1 and this process are never signalled.
    """
    if pid <= 1 or pid == os.getpid():
        return False
    try:
        fd = _pidfd(pid)
    except NotFound:
        return False
    try:
        if not belongs(pid):
            return False
        signal_pidfd(fd, signal.SIGKILL)
        return True
    finally:
        os.close(fd)


def kill(pid: int, argv: Sequence[str], signum: int) -> bool:
    """Send a signal to the process if it still has this command line."""
    if pid <= 1 or pid == os.getpid():
        return False
    try:
        fd = _pidfd(pid)
    except NotFound:
        return False
    try:
        if _command(pid) != tuple(argv):
            return False
        signal_pidfd(fd, signum)
        return True
    finally:
        os.close(fd)


def raise_open_files() -> tuple[int, int]:
    """This process may open as many files as its hard limit allows; returns soft and hard limit as they were."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, hard


def command(pid: int) -> tuple[str, ...]:
    """The command line of a process; empty when it is gone, a zombie or a kernel thread."""
    return _command(pid)


def list_commands() -> Iterator[tuple[int, tuple[str, ...]]]:
    """Pid and command line of every process that has one; kernel threads and zombies have none."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            argv = _command(int(name))
            if argv:
                yield int(name), argv


def reap(process_id: ProcessId | None) -> None:
    """Take the exit status of an ended child, so that no zombie stays; fine for processes that are not ours."""
    if process_id is not None:
        with suppress(ChildProcessError):
            os.waitpid(process_id.pid, os.WNOHANG)


class Child:
    """A child process; its pidfd is readable once it has ended."""

    def __init__(self, pid: int, stdout_fd: int, stderr_fd: int) -> None:
        self.pid, self._stdout_fd, self._stderr_fd = pid, stdout_fd, stderr_fd
        self.pidfd = os.pidfd_open(pid)

    def finish(self) -> tuple[int, str]:
        """Wait for the end; exit code (128 + n after signal n) and what it wrote to stderr. To be called once."""
        exit_code, _, stderr = self.finish_with_output()
        return exit_code, stderr

    def finish_with_output(self) -> tuple[int, str, str]:
        """As `finish`, with what it wrote to stdout in between."""
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        os.close(self.pidfd)
        stdout, stderr = _take(self._stdout_fd), _take(self._stderr_fd)
        return (SIGNAL_EXIT_BASE - code if code < 0 else code), stdout, stderr


def spawn(argv: Sequence[str], *, env: Mapping[str, str] | None = None, fds: Mapping[int, int] | None = None) -> Child:
    """Start a program in a process group of its own; the first word is a path or is looked up in PATH.

    posix_spawn shares our memory with the child until exec: there is no copy of a big process to be made or charged,
    which matters when memory is what is short. stdin is /dev/null; stdout and stderr are memory files, so nobody has
    to read while it runs. ``fds`` maps numbers in the child to descriptors of ours; others are not inherited.

    Raises:
        HostLacks: there is no such program.
        RuntimeFailed: it cannot be started.
    """
    stdout, stderr = (os.memfd_create(name, os.MFD_CLOEXEC) for name in ("stdout", "stderr"))
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, stdout, 1),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
        *((os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in (fds or {}).items()),
    ]
    try:
        pid = os.posix_spawnp(
            argv[0],
            list(argv),
            dict(os.environ if env is None else env),
            file_actions=actions,
            setpgroup=0,  # a Ctrl-C meant for us is ours to act on
            setsigmask=(),
            setsigdef=_RESET_SIGNALS,
        )
    except OSError as e:
        os.close(stdout)
        os.close(stderr)
        if e.errno == errno.ENOENT:
            raise HostLacks(f"no program {argv[0]}") from e
        raise RuntimeFailed(f"cannot start {argv[0]}: {e.strerror}") from e
    return Child(pid, stdout, stderr)


class Service:
    """A child process that runs for long; its pidfd is readable once it has ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)

    def signal(self, signum: int) -> None:
        """Send a signal; nothing happens when it has ended."""
        signal_pidfd(self.pidfd, signum)

    def set_oom_score_adj(self, score: int) -> None:
        """How willingly the kernel ends it when memory is out; fine when it has ended or the host refuses."""
        with suppress(OSError), open(f"/proc/{self.pid}/oom_score_adj", "w") as file:
            file.write(str(score))

    def finish(self) -> int:
        """Wait for the end; exit code (128 + n after signal n). To be called once."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        code = os.waitstatus_to_exitcode(status)
        return SIGNAL_EXIT_BASE - code if code < 0 else code


def start_service(argv: Sequence[str], *, env: Mapping[str, str], fds: Mapping[int, int]) -> Service:
    """Start a program that runs beside this one, in a process group of its own; the first word is a path.

    stdin is /dev/null, stdout and stderr are this process's stderr. ``fds`` maps numbers in the child to descriptors of
    ours; others are not inherited.

    Raises:
        HostLacks: there is no such program.
        RuntimeFailed: it cannot be started.
    """
    above = max((*fds, 2)) + 1
    # Out of the way of the numbers they are to have: what is put in place first must not overwrite what comes next.
    moved = {theirs: fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, above) for theirs, ours in fds.items()}
    try:
        pid = os.posix_spawn(
            argv[0],
            list(argv),
            dict(env),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, 2, 1),
                *((os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in moved.items()),
            ],
            setpgroup=0,
            setsigmask=(),
            setsigdef=_RESET_SIGNALS,
        )
    except OSError as e:
        if e.errno == errno.ENOENT:
            raise HostLacks(f"no program {argv[0]}") from e
        raise RuntimeFailed(f"cannot start {argv[0]}: {e.strerror}") from e
    finally:
        for descriptor in moved.values():
            os.close(descriptor)
    return Service(pid)


def run(argv: Sequence[str]) -> tuple[int, str]:
    """Run a program to its end; exit code and stderr, see `spawn`."""
    return spawn(argv).finish()


def capture(argv: Sequence[str]) -> tuple[int, str, str]:
    """Run a program to its end; exit code, stdout and stderr, see `spawn`."""
    return spawn(argv).finish_with_output()


def _take(fd: int) -> str:
    """All that a memory file holds; it is closed."""
    with os.fdopen(fd, "rb") as file:
        file.seek(0)
        return file.read().decode(errors="replace")


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError as e:
        raise NotFound(f"process {pid} does not exist") from e
    except OSError as e:
        if e.errno == errno.ENOSYS:
            raise HostLacks("the kernel has no pidfds (Linux 5.3)") from e
        if e.errno == errno.EINVAL:  # a thread that is not the first of its process
            raise NotFound(f"{pid} is no process") from e
        raise


def _stat_fields(pid: int, proc: str) -> list[str]:
    """The fields of /proc/PID/stat from the third (state) on; the second may hold blanks and parentheses.

    Source: Linux, man 5 proc_pid_stat.
    """
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            return file.read().decode(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError) as e:
        raise NotFound(f"process {pid} does not exist") from e


def _command(pid: int) -> tuple[str, ...]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            text = file.read()
    except OSError:
        return ()
    return tuple(os.fsdecode(word) for word in text.removesuffix(b"\0").split(b"\0")) if text else ()
