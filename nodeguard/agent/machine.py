"""What the host has."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from nodeguard.agent.config import Config
from nodeguard.agent.host import Paths
from nodeguard.kernel import filesystem, proc
from nodeguard.model.node import NodeCapacity


def read_machine(config: Config) -> NodeCapacity:
    """The host's resources; its ephemeral storage is the file system of the pods' directories, nodefs.

    Source: kubernetes, pkg/kubelet/cadvisor/util.go, EphemeralStorageCapacityFromFsInfo.
    """
    machine = proc.read_capacity()
    with suppress(OSError):
        nodefs = filesystem.read(filesystem.existing(Paths.of(config).nodefs_dir))
        return replace(machine, ephemeral_storage_bytes=nodefs.capacity_bytes)
    return machine
