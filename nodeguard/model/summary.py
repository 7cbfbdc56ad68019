"""The kubelet's Summary: what node, pods and containers use. A figure that is not known is left out, never zero.

Field names and meanings are the kubelet's; ``to_wire(…, omit_unknown=True)`` makes its JSON.

Source: kubernetes, staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nodeguard.model.wire import INSTANT, named, to_wire

DEFAULT_INTERFACE = "eth0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PSIData:
    """One line of a pressure file: microseconds since the group was made, and percent of the last seconds."""

    total: int
    avg10: float
    avg60: float
    avg300: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PSIStats:
    """Time in which all tasks (full) or at least one (some) waited."""

    full: PSIData | None = None
    some: PSIData | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CPUStats:
    """CPU: nanoseconds per second between two samples, and nanoseconds since the object was made."""

    time: float = field(metadata=INSTANT)
    usage_nano_cores: int | None = None
    usage_core_nano_seconds: int | None = None
    psi: PSIStats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryStats:
    """Memory: availableBytes is limit - workingSetBytes and absent without a limit; rssBytes is anonymous memory."""

    time: float = field(metadata=INSTANT)
    available_bytes: int | None = None
    usage_bytes: int | None = None
    working_set_bytes: int | None = None
    rss_bytes: int | None = None
    page_faults: int | None = None
    major_page_faults: int | None = None
    psi: PSIStats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IOStats:
    """Pressure of input and output."""

    time: float = field(metadata=INSTANT)
    psi: PSIStats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceStats:
    """One network interface; cumulative."""

    name: str
    rx_bytes: int | None = None
    rx_errors: int | None = None
    tx_bytes: int | None = None
    tx_errors: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStats(InterfaceStats):
    """The default interface, and all of them; the loopback does not count."""

    time: float = field(metadata=INSTANT)
    interfaces: tuple[InterfaceStats, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FsStats:
    """A file system, and how much of it one consumer uses (which need not be capacity - available)."""

    time: float = field(metadata=INSTANT)
    available_bytes: int | None = None
    capacity_bytes: int | None = None
    used_bytes: int | None = None
    inodes_free: int | None = None
    inodes: int | None = None
    inodes_used: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeStats(FsStats):
    """A volume of a pod."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStats:
    """Where images (imageFs) and writable layers (containerFs) are."""

    image_fs: FsStats | None = None
    container_fs: FsStats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RlimitStats:
    """The most tasks there can be, and how many there are, threads included."""

    time: float = field(metadata=INSTANT)
    max_pid: int | None = field(default=None, metadata=named("maxpid"))
    running_processes: int | None = field(default=None, metadata=named("curproc"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapStats:
    """Swap; available is absent without a limit."""

    time: float = field(metadata=INSTANT)
    swap_available_bytes: int | None = None
    swap_usage_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStats:
    """Processes, without their threads."""

    process_count: int | None = field(default=None, metadata=named("process_count"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStats:
    """One container, or a group of the system's own."""

    name: str
    start_time: float = field(metadata=INSTANT)
    cpu: CPUStats | None = None
    memory: MemoryStats | None = None
    io: IOStats | None = None
    rootfs: FsStats | None = None
    logs: FsStats | None = None
    swap: SwapStats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodReference:
    """Which pod it is; several pods of one name differ in their uid."""

    name: str
    namespace: str
    uid: str

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStats:
    """One pod; cpu, memory and io are those of its cgroup, so more than the sum of its containers."""

    pod_ref: PodReference
    start_time: float = field(metadata=INSTANT)
    containers: tuple[ContainerStats, ...]
    cpu: CPUStats | None = None
    memory: MemoryStats | None = None
    io: IOStats | None = None
    network: NetworkStats | None = None
    volumes: tuple[VolumeStats, ...] = field(default=(), metadata=named("volume"))
    ephemeral_storage: FsStats | None = field(default=None, metadata=named("ephemeral-storage"))
    process_stats: ProcessStats | None = field(default=None, metadata=named("process_stats"))
    swap: SwapStats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStats:
    """The node, or the arena that ``--capacity`` makes of it."""

    node_name: str
    system_containers: tuple[ContainerStats, ...] = ()
    start_time: float = field(metadata=INSTANT)
    cpu: CPUStats | None = None
    memory: MemoryStats | None = None
    io: IOStats | None = None
    network: NetworkStats | None = None
    fs: FsStats | None = None
    runtime: RuntimeStats | None = None
    rlimit: RlimitStats | None = None
    swap: SwapStats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What ``/stats/summary`` of a kubelet answers."""

    node: NodeStats
    pods: tuple[PodStats, ...]


def summary_object(summary: Summary) -> dict[str, Any]:
    """The Summary as plain JSON values."""
    found: dict[str, Any] = to_wire(summary, omit_unknown=True)
    return found
