"""One agent per run directory: whoever holds the lock looks after the pods there."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from nodeguard.errors import Conflict

FILE_NAME = "agent.lock"
_MAX_PID_BYTES = 32


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
            pid = os.pread(fd, _MAX_PID_BYTES, 0).decode(errors="replace").strip()
            os.close(fd)
            raise Conflict(f"an agent runs already (process {pid or 'unknown'}) with {self._path.parent}") from None
        except BaseException:
            os.close(fd)
            raise
        with suppress(OSError):  # a full disk: the lock counts, the number is for people
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Another agent may come. The file stays: whoever waits for its removal would lock what nobody sees."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def agent_pid(run_dir: Path) -> int | None:
    """The pid of the agent that runs with this directory; None when none does."""
    try:
        fd = os.open(run_dir / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(fd, _MAX_PID_BYTES, 0).strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(fd)
    return None
