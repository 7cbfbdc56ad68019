"""What all drivers do alike with the directories of cgroups."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from nodeguard.errors import CgroupGone, Conflict, HostLacks, NodeguardError, NotFound, TimedOut, UsageError
from nodeguard.kernel import process

GONE = (errno.ENOENT, errno.ENODEV)
"""ENOENT from open; ENODEV from reading or writing a file that was open while its group was removed."""

_ROUNDS = 5
_WAITS_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
_RMDIR_TRIES = 12


def join(top: str, path: str) -> str:
    """The directory of a group.

    Raises:
        UsageError: this is no absolute path, or it tries to climb.
    """
    parts = path.split("/")
    if parts[0] or ".." in parts or "." in parts:
        raise UsageError(f"not a cgroup path: {path!r}")
    return top if path == "/" else top + path.rstrip("/")


def parent(path: str) -> str:
    """The path of the group above."""
    return os.path.dirname(path.rstrip("/"))


def make(directory: str) -> bool:
    """Make the directory; False when it was there.

    Raises:
        CgroupGone: the group above is gone.
    """
    try:
        os.mkdir(directory, 0o755)
    except FileExistsError:
        return False
    except OSError as e:
        if e.errno in GONE:
            raise CgroupGone(os.path.dirname(directory)) from e
        raise
    return True


def child_names(directory: str) -> list[str]:
    """The groups right below, sorted; empty when the group is gone."""
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as e:
        if e.errno in GONE:
            return []
        raise


def walk(directory: str) -> Iterator[str]:
    """The group and all below it, the deepest first."""
    for name in child_names(directory):
        yield from walk(os.path.join(directory, name))
    yield directory


def pids(directory: str) -> set[int]:
    """The processes of the group alone; empty when it is gone.

    0 stands for a process in a pid namespace that we cannot see. The inside of a threaded domain cannot be listed, its
    top lists all of its processes.
    """
    try:
        with open(os.path.join(directory, "cgroup.procs")) as file:
            return set(map(int, file.read().split()))
    except OSError as e:
        if e.errno in (*GONE, errno.EOPNOTSUPP):
            return set()
        raise


def subtree_pids(directory: str) -> set[int]:
    """The processes of the group and all below it."""
    found: set[int] = set()
    for group in walk(directory):
        found |= pids(group)
    return found


def membership(pid: int, proc: str = "/proc") -> dict[str, str]:
    """Where a process is: controller (empty for v2) to path; empty when it is gone.

    Source: Linux, man 7 cgroups, /proc/[pid]/cgroup.
    """
    try:
        with open(f"{proc}/{pid}/cgroup") as file:
            lines = file.read().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    found = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def is_at_or_below(path: str, top: str) -> bool:
    """Whether a group is ``top`` or inside it."""
    return path == top or path.startswith(top.rstrip("/") + "/")


def attach_error(directory: str, pid: int, error: OSError) -> Exception:
    """What it means that a process could not be moved."""
    if error.errno == errno.ESRCH:
        return NotFound(f"process {pid} does not exist")
    if error.errno in GONE:
        return CgroupGone(directory)
    if error.errno in (errno.EBUSY, errno.EOPNOTSUPP):
        return Conflict(f"{directory} has groups below it and cannot hold processes itself")
    return OSError(error.errno, f"cannot move process {pid}: {error.strerror}", directory)


def file_error(directory: str, controller: str, file: str, error: OSError) -> NodeguardError | OSError:
    """What it means that a control file could not be opened, read or written."""
    if error.errno in (*GONE, errno.EACCES, errno.EPERM):
        # The group may be made or removed between any two of these looks; its files come and go with it.
        was_there = os.path.isdir(directory)
        has_file = os.path.exists(os.path.join(directory, file))
        if was_there and not has_file and os.path.isdir(directory):
            return HostLacks(f"controller {controller} has no {file} here ({directory})")
        if not has_file or error.errno in GONE:
            return CgroupGone(directory)
    return OSError(error.errno, error.strerror, os.path.join(directory, file))


def open_file(directory: str, controller: str, file: str, flags: int) -> int:
    """A descriptor of a control file.

    Raises:
        HostLacks: the group has no such file.
        CgroupGone: the group is gone.
    """
    try:
        return os.open(os.path.join(directory, file), flags | os.O_CLOEXEC)
    except OSError as e:
        raise file_error(directory, controller, file, e) from e


class KillFile:
    """See `nodeguard.kernel.cgroup.driver.Killer`: ``cgroup.kill`` (Linux 5.14), kept open."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def strike(self) -> None:
        """See Killer."""
        try:
            os.write(self._fd, b"1")
        except OSError as e:
            if e.errno in GONE:
                raise CgroupGone("cgroup.kill") from e
            raise

    def close(self) -> None:
        """See Killer."""
        os.close(self._fd)


class KillOneByOne:
    """See `nodeguard.kernel.cgroup.driver.Killer`: for kernels without ``cgroup.kill``.

    ``strike(path, pids)`` kills, ``pids(path)`` lists, ``inode(path)`` tells whether it is still the same group.
    """

    def __init__(
        self,
        path: str,
        *,
        inode: Callable[[str], int],
        pids: Callable[[str], set[int]],
        strike: Callable[[str, set[int]], None],
    ) -> None:
        self._path, self._inode, self._pids, self._strike = path, inode, pids, strike
        self._is = inode(path)

    def strike(self) -> None:
        """See Killer."""
        if self._inode(self._path) != self._is:
            raise CgroupGone(self._path)
        self._strike(self._path, self._pids(self._path))

    def close(self) -> None:
        """See Killer."""


def kill_until_empty(path: str, remaining: Callable[[], set[int]], strike: Callable[[int, set[int]], None]) -> None:
    """Call ``strike(round, pids)`` until ``remaining()`` is empty.

    Raises:
        Conflict: process 1 or this very process is among them; nothing is touched then.
        TimedOut: some are still there after five rounds.
    """
    for number in range(_ROUNDS):
        left = remaining()
        if not left:
            return
        if left & {1, os.getpid()}:
            raise Conflict(f"{path} holds process 1 or nodeguard itself; nothing was killed")
        strike(number, left)
        for seconds in _WAITS_SECONDS:
            if not remaining():
                return
            time.sleep(seconds)
    left = remaining()
    if left:
        raise TimedOut(f"{path}: still there after {_ROUNDS} kills: " + ", ".join(map(_describe, sorted(left)[:10])))


def remove_tree(directory: str) -> None:
    """Remove a group without processes and all below it; fine when it is gone.

    A group is busy for a moment after its last process ended (zombies, memory being uncharged).

    Raises:
        TimedOut: it stays busy.
    """
    busy: OSError | None = None
    for number in range(_RMDIR_TRIES):
        busy = None
        for group in walk(directory):
            try:
                os.rmdir(group)
            except OSError as e:
                if e.errno in (errno.EBUSY, errno.ENOTEMPTY):
                    busy = e
                elif e.errno not in GONE:
                    raise
        if busy is None:
            return
        time.sleep(min(0.0005 * 2**number, 0.2))
    raise TimedOut(f"{directory} cannot be removed, the kernel says it is busy") from busy


def _describe(pid: int) -> str:
    with suppress(OSError, NodeguardError):
        return f"{pid} ({process.state(pid)})"
    return str(pid)
