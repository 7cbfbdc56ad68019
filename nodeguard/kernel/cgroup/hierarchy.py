"""One mounted cgroup hierarchy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """Where it is mounted, and which group of it is at the mount point.

    ``controllers`` are all that share it: ``("cpu", "cpuacct")`` on Debian's v1, ``("name=systemd",)`` without any,
    and nothing for v2. ``root`` is not ``/`` where a container sees only its own part of the host's tree.
    """

    mount_point: str
    root: str = "/"
    controllers: tuple[str, ...] = ()

    def full_path(self, path: str) -> str:
        """A group as /proc/PID/cgroup names it."""
        return path if self.root == "/" else self.root + ("" if path == "/" else path)
