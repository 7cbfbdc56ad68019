"""One eviction at a time on the whole host, whatever number of nodeguard processes look after pods."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Turn:
    """A lock that is never waited for; the kernel gives it back when its holder dies."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def take(self) -> bool:
        """Whether it is ours now, or was already. A host that has no lock to give is no reason to stop."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def give(self) -> None:
        """Let others have it."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let others have it for good."""
        os.close(self._fd)
