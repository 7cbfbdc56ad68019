"""The eviction signals: what runs short, what it is called, which condition tells of it.

Source: kubernetes, pkg/kubelet/eviction/api/types.go; pkg/kubelet/eviction/helpers.go (signalToNodeCondition,
signalToResource).
"""

from __future__ import annotations

from enum import StrEnum

from nodeguard.model.quantity import BINARY_SI, DECIMAL_SI, Format, Quantity


class Resource(StrEnum):
    """What a signal says is running short, in the words of events and messages."""

    MEMORY = "memory"
    EPHEMERAL_STORAGE = "ephemeral-storage"
    INODES = "inodes"
    PIDS = "pids"

    @property
    def notation(self) -> Format:
        """How its amounts print."""
        return BINARY_SI if self in (Resource.MEMORY, Resource.EPHEMERAL_STORAGE) else DECIMAL_SI

    def quantity(self, amount: int) -> Quantity:
        """An amount as messages print it."""
        return Quantity.from_int(amount, self.notation)


class Pressure(StrEnum):
    """A node condition that a signal can raise."""

    MEMORY = "MemoryPressure"
    DISK = "DiskPressure"
    PID = "PIDPressure"


class Signal(StrEnum):
    """What is watched; of equally urgent signals the one listed first is acted on."""

    MEMORY_AVAILABLE = "memory.available"
    ALLOCATABLE_MEMORY_AVAILABLE = "allocatableMemory.available"
    NODEFS_AVAILABLE = "nodefs.available"
    NODEFS_INODES_FREE = "nodefs.inodesFree"
    IMAGEFS_AVAILABLE = "imagefs.available"
    IMAGEFS_INODES_FREE = "imagefs.inodesFree"
    CONTAINERFS_AVAILABLE = "containerfs.available"
    CONTAINERFS_INODES_FREE = "containerfs.inodesFree"
    PID_AVAILABLE = "pid.available"

    @property
    def is_memory(self) -> bool:
        """Memory is dealt with before everything else."""
        return self in (Signal.MEMORY_AVAILABLE, Signal.ALLOCATABLE_MEMORY_AVAILABLE)

    @property
    def file_system(self) -> str:
        """``nodefs``, ``imagefs`` or ``containerfs``; ``""`` when it is not about disks."""
        name = self.partition(".")[0]
        return name if name.endswith("fs") else ""

    @property
    def resource(self) -> Resource:
        """What is short of when the signal's threshold is met."""
        if self.is_memory:
            return Resource.MEMORY
        if self is Signal.PID_AVAILABLE:
            return Resource.PIDS
        return Resource.INODES if self.endswith(".inodesFree") else Resource.EPHEMERAL_STORAGE

    @property
    def condition(self) -> Pressure:
        """The condition that is True while a threshold of the signal is met."""
        if self.is_memory:
            return Pressure.MEMORY
        return Pressure.PID if self is Signal.PID_AVAILABLE else Pressure.DISK


SIGNAL_ORDER = {signal: number for number, signal in enumerate(Signal)}
