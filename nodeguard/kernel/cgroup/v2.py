"""cgroup v2: one tree for everything.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Literal

from nodeguard.errors import CgroupGone, Conflict, ControlMismatch, HostLacks
from nodeguard.kernel import process, systemd
from nodeguard.kernel.cgroup import group, mark, value
from nodeguard.kernel.cgroup.driver import UNIFIED, Killer, Mode
from nodeguard.kernel.cgroup.hierarchy import Hierarchy
from nodeguard.model.node import ControlFile

WANTED = frozenset({"cpu", "cpuset", "memory", "hugetlb", "pids"})
"""Source: kubelet, pkg/kubelet/cm/cgroup_manager_linux.go, getSupportedUnifiedControllers."""


class V2:
    """See `nodeguard.kernel.cgroup.driver.Driver`. Without controllers it is the v2 half of a hybrid host."""

    mode: Mode = "v2"
    version: Literal[1, 2] = 2

    def __init__(self, hierarchy: Hierarchy, controllers: frozenset[str], *, proc: str = "/proc") -> None:
        self._hierarchy, self._top, self._proc = hierarchy, hierarchy.mount_point, proc
        self.controllers = controllers
        self._sample: str | None = None

    def has(self, controller: str, file: str) -> bool:
        """See Driver. Asks the last group made here; without one, a group made for the question."""
        if controller != UNIFIED and controller not in self.controllers:
            return False
        if self._sample is not None and os.path.isdir(self._sample):
            return os.path.exists(os.path.join(self._sample, file))
        path = f"/nodeguard-sample-{os.getpid()}"
        directory = self._directory(path)
        if self.controllers:
            self._enable("/")
        group.make(directory)
        try:
            return os.path.exists(os.path.join(directory, file))
        finally:
            os.rmdir(directory)

    def exists(self, path: str) -> bool:
        """See Driver."""
        try:
            return self._offered(path) >= self._offered(group.parent(path)) & self.controllers
        except CgroupGone:
            return False

    def create(self, path: str, owner: str) -> None:
        """See Driver."""
        directory = self._directory(path)
        if self.controllers:
            self._enable(group.parent(path))
        mark.claim(directory, owner, is_new=group.make(directory))
        self._sample = directory

    def owner(self, path: str) -> str | None:
        """See Driver."""
        return mark.read_mark(self._directory(path))

    def write(self, path: str, files: Iterable[ControlFile]) -> None:
        """See Driver."""
        directory = self._directory(path)
        for control in files:
            name = os.path.join(directory, control.file)
            refusal: OSError | None = None
            try:
                _write(name, control.value)
            except OSError as e:
                if e.errno not in (errno.EINVAL, errno.EBUSY, errno.ERANGE):
                    raise group.file_error(directory, control.controller, control.file, e) from e
                refusal = e
            got = self._read(directory, control.controller, control.file)
            if refusal is not None or not value.is_same(control.file, control.value, got):
                raise ControlMismatch(name, control.value, got) from refusal

    def read(self, path: str, controller: str, file: str) -> str:
        """See Driver."""
        return self._read(self._directory(path), controller, file)

    def open(self, path: str, controller: str, file: str, flags: int = os.O_RDONLY) -> int:
        """See Driver."""
        return group.open_file(self._directory(path), controller, file, flags)

    def attach(self, path: str, pid: int) -> None:
        """See Driver."""
        directory = self._directory(path)
        try:
            _write(os.path.join(directory, "cgroup.procs"), str(pid))
        except OSError as e:
            raise group.attach_error(directory, pid, e) from e

    def attach_unified(self, path: str, pid: int) -> None:
        """See Driver: nothing to do, `attach` and the runtime put processes where they belong."""

    def processes(self, path: str) -> set[int]:
        """See Driver."""
        return group.subtree_pids(self._directory(path))

    def kill(self, path: str) -> None:
        """See Driver."""
        group.kill_until_empty(path, lambda: self.processes(path), lambda _, pids: self.strike(path, pids))

    def killer(self, path: str) -> Killer:
        """See Driver."""
        try:
            return group.KillFile(self.open(path, UNIFIED, "cgroup.kill", os.O_WRONLY))
        except HostLacks:
            return group.KillOneByOne(path, inode=self.inode, pids=self.processes, strike=self.strike)

    def strike(self, path: str, pids: set[int]) -> None:
        """SIGKILL everything in the subtree, once: by cgroup.kill (Linux 5.14), else frozen and one by one."""
        directory = self._directory(path)
        with suppress(FileNotFoundError):
            _write(os.path.join(directory, "cgroup.kill"), "1")
            return
        freeze = os.path.join(directory, "cgroup.freeze")
        with suppress(FileNotFoundError):
            _write(freeze, "1")
        try:
            for pid in pids:
                process.kill_if(pid, lambda pid: self.holds(path, pid))
        finally:
            with suppress(FileNotFoundError):
                _write(freeze, "0")

    def holds(self, path: str, pid: int) -> bool:
        """Whether the process is in the subtree."""
        where = group.membership(pid, self._proc).get("")
        return where is not None and group.is_at_or_below(where, self._hierarchy.full_path(path))

    def remove(self, path: str) -> None:
        """See Driver."""
        self.kill(path)
        self.remove_empty(path)

    def remove_empty(self, path: str) -> None:
        """Remove the subtree, in which nothing runs."""
        group.remove_tree(self._directory(path))

    def children(self, path: str) -> list[str]:
        """See Driver."""
        return group.child_names(self._directory(path))

    def inode(self, path: str) -> int:
        """See Driver."""
        try:
            return os.stat(self._directory(path)).st_ino
        except FileNotFoundError as e:
            raise CgroupGone(path) from e

    def memory_oom_kills(self, path: str) -> int:
        """See Driver. memory.events counts the whole subtree, also what was removed from it meanwhile."""
        for line in self.read(path, "memory", "memory.events").splitlines():
            key, _, count = line.partition(" ")
            if key == "oom_kill":
                return int(count)
        raise HostLacks("the kernel does not count OOM kills (memory.events has no oom_kill)")

    def _directory(self, path: str) -> str:
        return group.join(self._top, path)

    def _read(self, directory: str, controller: str, file: str) -> str:
        try:
            with open(os.path.join(directory, file)) as opened:
                return opened.read().strip()
        except OSError as e:
            raise group.file_error(directory, controller, file, e) from e

    def _offered(self, path: str) -> frozenset[str]:
        """The controllers a group has files of."""
        return frozenset(self.read(path, "cgroup", "cgroup.controllers").split())

    def _enable(self, path: str) -> None:
        """Give the groups below ``path`` the files of every controller we need.

        The group above may belong to systemd, which would take the controllers away again: its word is its
        ``Delegate=yes``, and outside of that only groups of our own are touched.
        """
        directory = self._directory(path)
        wanted = self._offered(path) & self.controllers
        if self.controllers - wanted:
            raise HostLacks(f"{directory} lacks the controllers {', '.join(sorted(self.controllers - wanted))}")
        missing = wanted - set(self.read(path, "cgroup", "cgroup.subtree_control").split())
        if not missing:
            return
        is_ours = mark.read_mark(directory) is not None or mark.is_delegated(directory)
        if not is_ours and (path != "/" or systemd.is_systemd_host()):
            raise HostLacks(
                f"{directory} does not offer {', '.join(sorted(missing))} to its children and is not delegated to us"
            )
        words = " ".join(f"+{name}" for name in sorted(missing))
        try:
            _write(os.path.join(directory, "cgroup.subtree_control"), words)
        except OSError as e:
            if e.errno == errno.EBUSY:
                raise Conflict(
                    f"{directory} holds processes, so its children cannot have {', '.join(sorted(missing))}"
                ) from e
            raise group.file_error(directory, "cgroup", "cgroup.subtree_control", e) from e


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)  # no O_CREAT: a missing controller stays ENOENT
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
