"""The node: what it has, what it may give to pods, and the cgroup values that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeguard.model.placement import Taint
from nodeguard.model.quantity import Quantity

UNLIMITED = -1
"""``max`` on v2, -1 on v1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCapacity:
    """What the node has (the arena's size with ``--capacity``).

    ``hugepages_bytes`` maps a size such as ``2Mi`` to the total of that size in bytes; every size the host has is
    listed, also with 0. ``pids`` is min(kernel.pid_max, kernel.threads-max).
    """

    cpu_millicpu: int
    memory_bytes: int
    swap_bytes: int = 0
    pods: int = 110
    pids: int = 32768
    ephemeral_storage_bytes: int = 0
    page_size_bytes: int = 4096
    hugepages_bytes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """The node as admission sees it: ``metadata``, ``spec``, and what of it pods may be given.

    A resource that ``allocatable`` does not name is one the node has nothing of, ``pods`` included.
    """

    name: str
    allocatable: Mapping[str, Quantity]
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    supplemental_groups_policy: bool = False
    """``status.features.supplementalGroupsPolicy``: whether ``Strict`` can be honoured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCondition:
    """One of the node's conditions; ``status`` is ``True``, ``False`` or ``Unknown``, instants are UNIX seconds."""

    type: str
    status: str
    reason: str
    message: str
    last_heartbeat_at: float
    last_transition_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MountPlace:
    """Where a watched file system is mounted, and the device it is on."""

    mount_point: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAddress:
    """One entry of ``status.addresses``, such as an ``InternalIP``."""

    type: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSystemInfo:
    """``status.nodeInfo``; what is not known is empty.

    Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go, NodeSystemInfo.
    """

    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""
    kernel_version: str = ""
    os_image: str = ""
    operating_system: str = "linux"
    architecture: str = ""
    container_runtime_version: str = ""
    kubelet_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What of a node does not change while its agent runs; ``registered_at`` is UNIX seconds."""

    name: str
    registered_at: float
    capacity: Mapping[str, Quantity]
    allocatable: Mapping[str, Quantity]
    system: NodeSystemInfo = NodeSystemInfo()
    addresses: tuple[NodeAddress, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupLimits:
    """The values of one cgroup. None = not written at this level; ``UNLIMITED`` (-1) = written as ``max``.

    ``cpu_weight`` is the v2 number by the formula that fits the level (linear for root, tier and pod, quadratic for
    containers); ``cpu_weight_linear`` is always the linear one. ``cpu_quota_us`` goes with ``cpu_period_us``.
    ``hugepages`` maps a size such as ``2Mi`` to bytes.
    """

    cpu_shares: int | None = None
    cpu_weight: int | None = None
    cpu_weight_linear: int | None = None
    cpu_quota_us: int | None = None
    cpu_period_us: int | None = None
    memory_max: int | None = None
    memory_min: int | None = None
    memory_low: int | None = None
    memory_high: int | None = None
    swap_max: int | None = None
    pids_max: int | None = None
    memory_oom_group: bool | None = None
    hugepages: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFile:
    """One value for one cgroup file; ``controller`` is the v1 hierarchy it lives in (``memory``, ``cpu``, …)."""

    version: int
    controller: str
    file: str
    value: str
