"""Node-wide settings that decide cgroup values, with the kubelet's names, meanings and defaults.

Source: kubernetes, staging/src/k8s.io/kubelet/config/v1beta1/types.go and pkg/kubelet/apis/config/v1beta1/defaults.go
of v1.37; KEP 2570 (Memory QoS), KEP 2400 (swap).
"""

from __future__ import annotations

from dataclasses import dataclass

MEMORY_QOS = "MemoryQoS"
TIERED_RESERVATION = "TieredReservation"
LIMITED_SWAP = "LimitedSwap"
NO_SWAP = "NoSwap"
DEFAULT_FEATURES = frozenset({MEMORY_QOS})
"""Gates that are on unless switched off; MemoryQoS does nothing until a factor or a policy is chosen."""
KNOWN_FEATURES = frozenset({MEMORY_QOS})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSettings:
    """How requests and limits become cgroup values on this node.

    ``cgroup_version`` is that of the hierarchy the limits are written to: Memory QoS and swap amounts exist on v2
    alone. ``has_swap_controller`` tells whether the kernel accounts swap. ``single_process_oom_kill`` None means the
    version's own default. ``systemd`` is the systemd cgroup driver, which rounds quotas.
    """

    cgroup_version: int = 2
    systemd: bool = False
    has_swap_controller: bool = True
    cpu_cfs_quota: bool = True
    cpu_cfs_quota_period_us: int = 100_000
    pod_pids_limit: int = -1
    features: frozenset[str] = DEFAULT_FEATURES
    memory_throttling_factor: float | None = None
    memory_reservation_policy: str = "None"
    single_process_oom_kill: bool | None = None
    swap_behavior: str = NO_SWAP
    enforce_node_allocatable: tuple[str, ...] = ("pods",)

    @property
    def enforces_memory_qos(self) -> bool:
        """Whether ``memory.min``, ``low`` and ``high`` are touched at all."""
        return self.cgroup_version == 2 and MEMORY_QOS in self.features

    @property
    def throttles_memory(self) -> bool:
        """Whether containers have a ``memory.high``."""
        return self.enforces_memory_qos and self.memory_throttling_factor is not None

    @property
    def reserves_memory(self) -> bool:
        """Whether requests are protected by ``memory.min`` and ``memory.low``."""
        return self.enforces_memory_qos and self.memory_reservation_policy == TIERED_RESERVATION

    @property
    def kills_oom_group(self) -> bool:
        """Whether a container's processes die together."""
        return self.cgroup_version == 2 and not self.single_process_oom_kill

    def faults(self) -> tuple[str, ...]:
        """What the kubelet would refuse to start with; each names its setting."""
        found = []
        if not 1000 <= self.cpu_cfs_quota_period_us <= 1_000_000:
            found.append(f"cpuCFSQuotaPeriod: {self.cpu_cfs_quota_period_us}us is not between 1ms and 1s")
        factor = self.memory_throttling_factor
        if factor is not None and not 0 < factor <= 1:
            found.append(f"memoryThrottlingFactor: {factor} is not above 0 and at most 1")
        if self.memory_reservation_policy not in ("None", TIERED_RESERVATION):
            found.append(
                f"memoryReservationPolicy: {self.memory_reservation_policy!r} is not None or {TIERED_RESERVATION}"
            )
        if self.swap_behavior not in ("", NO_SWAP, LIMITED_SWAP):
            found.append(f"memorySwap.swapBehavior: {self.swap_behavior!r} is not {NO_SWAP} or {LIMITED_SWAP}")
        return tuple(found)
