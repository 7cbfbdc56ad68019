"""cgroup v1: one tree per controller, or per few that are mounted together. The only door to cgroupspy.

Source: Linux, Documentation/admin-guide/cgroup-v1/.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Literal

from cgroupspy.controllers import Controller
from cgroupspy.interfaces import FlagFile, IntegerFile
from cgroupspy.nodes import Node

from nodeguard.errors import CgroupGone, ControlMismatch, HostLacks
from nodeguard.kernel import process
from nodeguard.kernel.cgroup import group, mark, value
from nodeguard.kernel.cgroup.driver import Killer, Mode
from nodeguard.kernel.cgroup.hierarchy import Hierarchy
from nodeguard.model.node import ControlFile

_TYPES: dict[str, type[Any]] = {name.decode(): kind for name, kind in Node.CONTROLLERS.items()}

# File name -> attribute of cgroupspy's controller, where cgroupspy knows the type; others are plain text.
_TYPED: dict[str, str] = {
    interface.filename.decode(): attribute
    for kind in _TYPES.values()
    for attribute, interface in vars(kind).items()
    if isinstance(interface, IntegerFile | FlagFile)
}

_MEMORY, _MEMSW = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
_PERIOD, _QUOTA = "cpu.cfs_period_us", "cpu.cfs_quota_us"


class V1:
    """See `nodeguard.kernel.cgroup.driver.Driver`."""

    mode: Mode = "v1"
    version: Literal[1, 2] = 1

    def __init__(self, hierarchies: Iterable[Hierarchy], *, proc: str = "/proc") -> None:
        self._hierarchies, self._proc = tuple(hierarchies), proc
        self._by_controller = {name: each for each in self._hierarchies for name in each.controllers}
        self.controllers = frozenset(name for name in self._by_controller if "=" not in name)
        # The mark, the inode and the list of children come from one hierarchy that everything of ours is in.
        self._first = self._by_controller.get("memory", self._hierarchies[0])
        self._sample: str | None = None

    def has(self, controller: str, file: str) -> bool:
        """See Driver. Asks the last group made here; without one, a group made for the question."""
        hierarchy = self._by_controller.get(controller)
        if hierarchy is None:
            return False
        if self._sample is not None:
            directory = group.join(hierarchy.mount_point, self._sample)
            if os.path.isdir(directory):
                return os.path.exists(os.path.join(directory, file))
        directory = group.join(hierarchy.mount_point, f"/nodeguard-sample-{os.getpid()}")
        group.make(directory)
        try:
            return os.path.exists(os.path.join(directory, file))
        finally:
            os.rmdir(directory)

    def exists(self, path: str) -> bool:
        """See Driver."""
        return all(os.path.isdir(directory) for directory in self._directories(path))

    def create(self, path: str, owner: str) -> None:
        """See Driver."""
        first = group.join(self._first.mount_point, path)
        mark.claim(first, owner, is_new=group.make(first))
        for hierarchy in self._hierarchies:
            directory = group.join(hierarchy.mount_point, path)
            group.make(directory)
            if "cpuset" in hierarchy.controllers:
                _copy_cpuset(directory)
            if "memory" in hierarchy.controllers:
                _count_children(directory)
        self._sample = path

    def owner(self, path: str) -> str | None:
        """See Driver."""
        return mark.read_mark(group.join(self._first.mount_point, path))

    def write(self, path: str, files: Iterable[ControlFile]) -> None:
        """See Driver."""
        for control in self._in_safe_order(path, list(files)):
            directory = self._directory(path, control.controller)
            refusal: OSError | None = None
            try:
                _write(directory, control.controller, control.file, control.value)
            except OSError as e:
                if e.errno not in (errno.EINVAL, errno.EBUSY, errno.ERANGE):
                    raise group.file_error(directory, control.controller, control.file, e) from e
                refusal = e
            got = self.read(path, control.controller, control.file)
            if refusal is not None or not value.is_same(control.file, control.value, got):
                raise ControlMismatch(os.path.join(directory, control.file), control.value, got) from refusal

    def read(self, path: str, controller: str, file: str) -> str:
        """See Driver."""
        directory = self._directory(path, controller)
        try:
            return _read(directory, controller, file)
        except OSError as e:
            raise group.file_error(directory, controller, file, e) from e

    def open(self, path: str, controller: str, file: str, flags: int = os.O_RDONLY) -> int:
        """See Driver."""
        return group.open_file(self._directory(path, controller), controller, file, flags)

    def attach(self, path: str, pid: int) -> None:
        """See Driver."""
        for directory in self._directories(path):
            if not os.path.isdir(directory):  # cgroupspy opens with O_CREAT, which answers EACCES instead of ENOENT
                raise CgroupGone(directory)
            try:
                Controller(_node(directory)).procs = [pid]
            except OSError as e:
                raise group.attach_error(directory, pid, e) from e

    def attach_unified(self, path: str, pid: int) -> None:
        """See Driver: there is no v2 tree."""

    def processes(self, path: str) -> set[int]:
        """See Driver."""
        found: set[int] = set()
        for directory in self._directories(path):
            found |= group.subtree_pids(directory)
        return found

    def kill(self, path: str) -> None:
        """See Driver."""
        group.kill_until_empty(path, lambda: self.processes(path), lambda _, pids: self.strike(path, pids))

    def killer(self, path: str) -> Killer:
        """See Driver."""
        return group.KillOneByOne(path, inode=self.inode, pids=self.processes, strike=self.strike)

    def strike(self, path: str, pids: set[int]) -> None:
        """SIGKILL these processes of the subtree, once; frozen meanwhile, so that they cannot fork away.

        A frozen process dies when it is thawed, also one that was paused before.
        """
        frozen = self._set_freezer(path, "FROZEN")
        try:
            for pid in pids:
                process.kill_if(pid, lambda pid: self.holds(path, pid))
        finally:
            if frozen:
                self.thaw(path)

    def thaw(self, path: str) -> None:
        """Nothing in the subtree is frozen."""
        freezer = self._by_controller.get("freezer")
        if freezer is not None:
            for directory in group.walk(group.join(freezer.mount_point, path)):
                _set_freezer_state(directory, "THAWED")

    def holds(self, path: str, pid: int) -> bool:
        """Whether the process is in the subtree in any hierarchy."""
        where = group.membership(pid, self._proc)
        return any(
            name in where and group.is_at_or_below(where[name], hierarchy.full_path(path))
            for name, hierarchy in self._by_controller.items()
        )

    def remove(self, path: str) -> None:
        """See Driver."""
        self.kill(path)
        self.remove_empty(path)

    def remove_empty(self, path: str) -> None:
        """Remove the subtree, in which nothing runs; the hierarchy with the mark goes last."""
        last = group.join(self._first.mount_point, path)
        for directory in self._directories(path):
            if directory != last:
                group.remove_tree(directory)
        group.remove_tree(last)

    def children(self, path: str) -> list[str]:
        """See Driver: of all hierarchies, as a removal may have stopped half-way."""
        return sorted({name for directory in self._directories(path) for name in group.child_names(directory)})

    def inode(self, path: str) -> int:
        """See Driver."""
        try:
            return os.stat(group.join(self._first.mount_point, path)).st_ino
        except FileNotFoundError as e:
            raise CgroupGone(path) from e

    def memory_oom_kills(self, path: str) -> int:
        """See Driver. v1 counts each group alone (Linux 4.13), so what was in removed groups is lost."""
        directory, kills = self._directory(path, "memory"), 0
        if not os.path.isdir(directory):
            raise CgroupGone(directory)
        for below in group.walk(directory):
            with suppress(FileNotFoundError):
                counts = _controller(below, "memory").oom_control
                if not isinstance(counts, dict) or "oom_kill" not in counts:
                    raise HostLacks("the kernel does not count OOM kills (memory.oom_control has no oom_kill)")
                kills += counts["oom_kill"]
        return kills

    def _directories(self, path: str) -> Iterable[str]:
        return [group.join(hierarchy.mount_point, path) for hierarchy in self._hierarchies]

    def _directory(self, path: str, controller: str) -> str:
        try:
            return group.join(self._by_controller[controller].mount_point, path)
        except KeyError:
            raise HostLacks(f"the host has no cgroup controller {controller}") from None

    def _in_safe_order(self, path: str, files: list[ControlFile]) -> list[ControlFile]:
        """Order the writes so that the kernel's rules hold at every moment.

        memory <= memory+swap, so going up the larger one leads and going down the smaller. A quota is judged by the
        period in force, against the share of the parent, so a quota is lifted before its period changes.
        """
        names = {control.file: control for control in files}
        if _MEMORY in names and _MEMSW in names:
            is_lower = value.is_lower(names[_MEMSW].value, self.read(path, "memory", _MEMSW))
            pair = (_MEMORY, _MEMSW) if is_lower else (_MEMSW, _MEMORY)
            files = [control for control in files if control.file not in pair] + [names[name] for name in pair]
        if _PERIOD in names and _QUOTA in names:
            files = [control for control in files if control.file not in (_PERIOD, _QUOTA)]
            is_moving = self.read(path, "cpu", _PERIOD) != names[_PERIOD].value
            if is_moving and self.read(path, "cpu", _QUOTA) != "-1":
                files.append(ControlFile(version=1, controller="cpu", file=_QUOTA, value="-1"))
            files += [names[_PERIOD], names[_QUOTA]]
        return files

    def _set_freezer(self, path: str, state: str) -> bool:
        freezer = self._by_controller.get("freezer")
        return freezer is not None and _set_freezer_state(group.join(freezer.mount_point, path), state)


def _node(directory: str) -> Any:
    return Node(os.fsencode(directory))


def _controller(directory: str, controller: str) -> Any:
    return _TYPES.get(controller, Controller)(_node(directory))


def _read(directory: str, controller: str, file: str) -> str:
    return str(_controller(directory, controller).get_property(os.fsencode(file)))


def _write(directory: str, controller: str, file: str, text: str) -> None:
    """Write through cgroupspy's typed file where it has one."""
    if not os.path.exists(os.path.join(directory, file)):  # cgroupspy opens with O_CREAT, see attach
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.path.join(directory, file))
    target = _controller(directory, controller)
    if file in _TYPED:
        setattr(target, _TYPED[file], int(text))
    else:
        target.set_property(os.fsencode(file), text)


def _copy_cpuset(directory: str) -> None:
    """Give a new group the cpus and memory nodes of its parent: without them no process can enter it."""
    above = _controller(os.path.dirname(directory), "cpuset")
    here = _controller(directory, "cpuset")
    for name in ("cpus", "mems"):
        if not getattr(here, name):
            setattr(here, name, getattr(above, name))


def _count_children(directory: str) -> None:
    """Let the limit of a group hold for the groups below it; always so since Linux 5.11, which drops the file."""
    if os.path.exists(os.path.join(directory, "memory.use_hierarchy")):
        memory = _controller(directory, "memory")
        if not memory.use_hierarchy:
            memory.use_hierarchy = True


def _set_freezer_state(directory: str, state: str) -> bool:
    """False when the group is gone, or is the root, which has no such file."""
    try:
        _write(directory, "freezer", "freezer.state", state)
    except OSError as e:
        if e.errno in group.GONE:
            return False
        raise
    return True
