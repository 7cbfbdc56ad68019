"""What every cgroup driver can do, whatever the host mounts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal, Protocol

from nodeguard.model.node import ControlFile

Mode = Literal["v1", "hybrid", "v2"]

UNIFIED = "unified"
"""The name to read a core file of the v2 tree by (``cgroup.events``, ``memory.pressure``), on hybrid hosts too."""


class Killer(Protocol):
    """The means to kill one group, ready beforehand: it needs no memory and no descriptor at the moment of use.

    It holds that very group, not a later one of the same name.
    """

    def strike(self) -> None:
        """SIGKILL everything in the subtree, once; what is frozen dies too.

        Raises:
            CgroupGone: the group is gone.
        """

    def close(self) -> None:
        """Give it back."""


class Driver(Protocol):
    """One cgroup tree that may be spread over several hierarchies.

    Paths are absolute inside a hierarchy: ``/nodeguard/burstable/pod1234``. A method that changes the machine may be
    repeated; CgroupGone means that somebody removed the group meanwhile, which is normal at the end of a pod.
    """

    @property
    def mode(self) -> Mode:
        """What the host mounts."""

    @property
    def version(self) -> Literal[1, 2]:
        """The files that limits are written to."""

    @property
    def controllers(self) -> frozenset[str]:
        """The controllers that can be written here, in v1 words where mode is not ``v2``."""

    def has(self, controller: str, file: str) -> bool:
        """Whether a group that `create` makes has this file, such as memory and ``memory.memsw.limit_in_bytes``."""

    def exists(self, path: str) -> bool:
        """Whether the group is in every hierarchy, with every controller that limits need."""

    def create(self, path: str, owner: str) -> None:
        """Make the group in every hierarchy and mark it as ours; its parent must exist.

        Raises:
            Conflict: it exists and carries another mark or none.
            CgroupGone: there is no parent.
            HostLacks: a controller cannot be enabled here.
        """

    def owner(self, path: str) -> str | None:
        """The mark left by `create`; None without one or without the group."""

    def write(self, path: str, files: Iterable[ControlFile]) -> None:
        """Write each value and read it back, in an order that the kernel accepts.

        Raises:
            ControlMismatch: the kernel refused or changed a value.
            HostLacks: there is no such controller or file.
            CgroupGone: the group is gone.
        """

    def read(self, path: str, controller: str, file: str) -> str:
        """The text of one file, without the white space around it.

        Raises:
            HostLacks: there is no such controller or file.
            CgroupGone: the group is gone.
        """

    def open(self, path: str, controller: str, file: str, flags: int = os.O_RDONLY) -> int:
        """A descriptor of one file, for those who read it again and again; the caller closes it.

        Raises:
            HostLacks: there is no such controller or file.
            CgroupGone: the group is gone.
        """

    def attach(self, path: str, pid: int) -> None:
        """Move a process into the group in every hierarchy.

        Raises:
            NotFound: there is no such process.
            CgroupGone: the group is gone.
        """

    def attach_unified(self, path: str, pid: int) -> None:
        """On hybrid hosts, move a process into the group in the v2 tree alone; nothing elsewhere."""

    def processes(self, path: str) -> set[int]:
        """The pids of the whole subtree in all hierarchies; empty when the group is gone."""

    def kill(self, path: str) -> None:
        """Nothing runs in the subtree any more.

        Raises:
            TimedOut: processes remain after several rounds, such as those in uninterruptible sleep.
        """

    def killer(self, path: str) -> Killer:
        """What kills the group later on.

        Raises:
            CgroupGone: the group is gone.
        """

    def remove(self, path: str) -> None:
        """The subtree is gone from every hierarchy; what ran in it was killed.

        Raises:
            TimedOut: the kernel still holds a group.
        """

    def children(self, path: str) -> list[str]:
        """The names of the groups right below, sorted; empty when the group is gone."""

    def inode(self, path: str) -> int:
        """What tells this group from a later one of the same name.

        Raises:
            CgroupGone: the group is gone.
        """

    def memory_oom_kills(self, path: str) -> int:
        """How many processes of the subtree the kernel's OOM killer took so far.

        Raises:
            CgroupGone: the group is gone.
            HostLacks: the kernel does not count them.
        """
