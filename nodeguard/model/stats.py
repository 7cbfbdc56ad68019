"""What pods use, as the kubelet's Summary tells it; a figure that is not known is None, never zero.

Source: kubernetes, staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUsage:
    """``memory`` of a pod or container."""

    working_set_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FsUsage:
    """What one consumer takes of a file system."""

    used_bytes: int | None = None
    inodes_used: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeUsage(FsUsage):
    """One entry of ``volume``."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerUsage:
    """One entry of ``containers``; ``rootfs`` is the writable layer."""

    name: str
    memory: MemoryUsage | None = None
    rootfs: FsUsage | None = None
    logs: FsUsage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUsage:
    """One entry of ``pods``; ``uid`` is empty when only the name is known."""

    name: str
    namespace: str = "default"
    uid: str = ""
    memory: MemoryUsage | None = None
    containers: tuple[ContainerUsage, ...] = ()
    volumes: tuple[VolumeUsage, ...] = ()
    ephemeral_storage: FsUsage | None = None
    process_count: int | None = None

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def working_set_bytes(self) -> int:
        """Memory that cannot be had back by dropping caches; 0 when it is missing among known figures."""
        return (self.memory and self.memory.working_set_bytes) or 0
