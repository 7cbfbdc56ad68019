"""One agent per run directory: whoever holds the lock looks after the pods there."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nodeguard.errors import Conflict

FILE_NAME = "agent.lock"
"""The first line is the pid of the holder; the second, if there is one, where its API listens for TCP."""

_MAX_BYTES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningAgent:
    """The agent that holds the lock; ``address`` is HOST:PORT, empty when it does not listen for TCP."""

    pid: int
    address: str = ""


class InstanceLock:
    """Held from ``take`` until ``release``, or until the process ends: the kernel lets go of it then."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / FILE_NAME
        self._fd = -1

    def take(self) -> None:
        """This process is the agent from now on. The run directory is made when there is none.

        Raises:
            Conflict: another agent runs; the message tells its pid.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            words = os.pread(fd, _MAX_BYTES, 0).decode(errors="replace").split()
            os.close(fd)
            pid = words[0] if words else "unknown"
            raise Conflict(f"an agent runs already (process {pid}) with {self._path.parent}") from None
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        self.tell("")

    def tell(self, address: str) -> None:
        """Whoever looks for this agent learns where its API listens for TCP."""
        with suppress(OSError):  # a full disk: the lock counts, the words are for people
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n{address}".rstrip().encode() + b"\n", 0)

    def release(self) -> None:
        """Another agent may come. The file stays: whoever waits for its removal would lock what nobody sees."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def running_agent(run_dir: Path) -> RunningAgent | None:
    """The agent that runs with this directory; None when none does."""
    try:
        fd = os.open(run_dir / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        words = os.pread(fd, _MAX_BYTES, 0).decode(errors="replace").split()
        if not words or not words[0].isdecimal():
            return None
        return RunningAgent(pid=int(words[0]), address=words[1] if len(words) > 1 else "")
    finally:
        os.close(fd)
    return None
