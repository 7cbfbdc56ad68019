"""Hybrid hosts: limits in the v1 controllers; kill, freeze, events and pressure in the v2 tree beside them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal

from nodeguard.kernel.cgroup import group
from nodeguard.kernel.cgroup.driver import UNIFIED, Killer, Mode
from nodeguard.kernel.cgroup.v1 import V1
from nodeguard.kernel.cgroup.v2 import V2
from nodeguard.model.node import ControlFile


class Hybrid:
    """See `nodeguard.kernel.cgroup.driver.Driver`. Every group exists in both."""

    mode: Mode = "hybrid"
    version: Literal[1, 2] = 1

    def __init__(self, v1: V1, v2: V2) -> None:
        self._v1, self._v2 = v1, v2
        self.controllers = v1.controllers

    def has(self, controller: str, file: str) -> bool:
        """See Driver."""
        return self._v2.has(controller, file) if controller == UNIFIED else self._v1.has(controller, file)

    def exists(self, path: str) -> bool:
        """See Driver."""
        return self._v1.exists(path) and self._v2.exists(path)

    def create(self, path: str, owner: str) -> None:
        """See Driver."""
        self._v1.create(path, owner)
        self._v2.create(path, owner)

    def owner(self, path: str) -> str | None:
        """See Driver. A removal may have stopped half-way, so one mark is enough."""
        return self._v1.owner(path) or self._v2.owner(path)

    def write(self, path: str, files: Iterable[ControlFile]) -> None:
        """See Driver."""
        self._v1.write(path, files)

    def read(self, path: str, controller: str, file: str) -> str:
        """See Driver."""
        if controller == UNIFIED:
            return self._v2.read(path, controller, file)
        return self._v1.read(path, controller, file)

    def open(self, path: str, controller: str, file: str, flags: int = os.O_RDONLY) -> int:
        """See Driver."""
        half = self._v2 if controller == UNIFIED else self._v1
        return half.open(path, controller, file, flags)

    def attach(self, path: str, pid: int) -> None:
        """See Driver."""
        self._v1.attach(path, pid)
        self._v2.attach(path, pid)

    def attach_unified(self, path: str, pid: int) -> None:
        """See Driver."""
        self._v2.attach(path, pid)

    def processes(self, path: str) -> set[int]:
        """See Driver."""
        return self._v1.processes(path) | self._v2.processes(path)

    def kill(self, path: str) -> None:
        """See Driver.

        cgroup.kill takes what is in the v2 group at one stroke; a process that is in a v1 group alone is killed by
        itself. What was paused in v1 is thawed: it dies then.
        """
        group.kill_until_empty(path, lambda: self.processes(path), lambda number, _: self._strike(path, number))

    def killer(self, path: str) -> Killer:
        """See Driver. Whatever nodeguard starts is in the v2 tree too, before its first own instruction."""
        return self._v2.killer(path)

    def remove(self, path: str) -> None:
        """See Driver."""
        self.kill(path)
        self._v2.remove_empty(path)
        self._v1.remove_empty(path)

    def children(self, path: str) -> list[str]:
        """See Driver."""
        return sorted({*self._v1.children(path), *self._v2.children(path)})

    def inode(self, path: str) -> int:
        """See Driver."""
        return self._v1.inode(path)

    def memory_oom_kills(self, path: str) -> int:
        """See Driver."""
        return self._v1.memory_oom_kills(path)

    def _strike(self, path: str, number: int) -> None:
        unified = self._v2.processes(path)
        if unified:
            self._v2.strike(path, unified)
        stragglers = self._v1.processes(path) - unified if number == 0 else self._v1.processes(path)
        if stragglers:
            self._v1.strike(path, stragglers)
        else:
            self._v1.thaw(path)
