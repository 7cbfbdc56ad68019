"""The configuration: every setting with its value and its origin, and what follows from them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from nodeguard.agent.config_finding import error
from nodeguard.agent.setting_table import BY_NAME
from nodeguard.errors import InvalidInput
from nodeguard.model.address import Address
from nodeguard.model.eviction import EvictionConfig, EvictionMode, VictimPolicy
from nodeguard.model.finding import Finding
from nodeguard.model.node import NodeCapacity
from nodeguard.model.quantity import Quantity
from nodeguard.model.signal import Signal
from nodeguard.model.threshold import ThresholdValue, parse_value
from nodeguard.policy.capacity import Reservations, allocatable, reservation_faults
from nodeguard.policy.setting import DEFAULT_FEATURES, KNOWN_FEATURES, ResourceSettings
from nodeguard.policy.threshold import held_back, thresholds_of

SMALL_NODE_BYTES = 1000 * 2**20
SMALL_NODE_MEMORY = parse_value("10%")
"""The default of memory.available below that size: 100Mi are too much to keep of an arena of 256Mi."""
NODE_STATUS_UPDATE_NS, NODE_STATUS_REPORT_NS = 10 * 10**9, 300 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting, typed; see ``agent/setting_table.py`` for what each means.

    ``cgroup_root`` is the root of the tree, ``/nodeguard`` unless set. ``origins`` maps a setting's name (for maps:
    each ``name[key]``) to ``default``, ``file PATH:LINE``, ``environment NAME`` or ``flag --NAME``.
    """

    run_dir: Path
    state_dir: Path
    log_dir: Path
    nodefs: Path | None
    imagefs: Path | None
    cgroup_parent: str
    cgroup_root: str
    capacity: Mapping[str, Quantity]
    max_pods: int
    pods_per_core: int
    pod_pids_limit: int
    cpu_cfs_quota: bool
    cpu_cfs_quota_period_ns: int
    system_reserved: Mapping[str, Quantity]
    kube_reserved: Mapping[str, Quantity]
    enforce_node_allocatable: tuple[str, ...]
    eviction_hard: Mapping[str, ThresholdValue | None]
    eviction_soft: Mapping[str, ThresholdValue | None]
    eviction_soft_grace_period_ns: Mapping[str, int]
    eviction_minimum_reclaim: Mapping[str, ThresholdValue]
    eviction_pressure_transition_period_ns: int
    eviction_max_pod_grace_period_seconds: int
    local_storage_capacity_isolation: bool
    eviction_policy: VictimPolicy
    hard_eviction_grace_period_seconds: int
    eviction_mode: Mapping[str, EvictionMode]
    low_diskspace_threshold_mb: int | None
    image_gc_high_threshold_percent: int
    image_gc_low_threshold_percent: int
    image_minimum_gc_age_ns: int
    image_maximum_gc_age_ns: int
    minimum_container_ttl_ns: int
    maximum_dead_containers_per_container: int
    maximum_dead_containers: int
    volume_stats_agg_period_ns: int
    node_status_update_frequency_ns: int | None
    node_status_report_frequency_ns: int | None
    merge_default_eviction_settings: bool
    feature_gates: Mapping[str, bool]
    memory_throttling_factor: float | None
    memory_reservation_policy: str
    single_process_oom_kill: bool | None
    fail_swap_on: bool
    swap_behavior: str
    container_log_max_bytes: int
    container_log_max_files: int
    max_container_restart_period_ns: int
    static_pod_path: Path | None
    listen: Address | None
    listen_anywhere: bool
    origins: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = ()

    @property
    def node_status_update_seconds(self) -> float:
        """How often the node's conditions are looked at."""
        return (self.node_status_update_frequency_ns or NODE_STATUS_UPDATE_NS) / 1e9

    @property
    def node_status_report_seconds(self) -> float:
        """How old the heartbeat of conditions that do not change becomes.

        Source: kubernetes, pkg/kubelet/apis/config/v1beta1/defaults.go.
        """
        set_ns = self.node_status_report_frequency_ns or self.node_status_update_frequency_ns
        return (set_ns or NODE_STATUS_REPORT_NS) / 1e9

    @property
    def max_backoff_seconds(self) -> float:
        """The longest wait before a container is restarted."""
        return self.max_container_restart_period_ns / 1e9

    def node_capacity(self, host: NodeCapacity) -> NodeCapacity:
        """What the node has: the host's resources within ``capacity`` and the pod limits.

        Raises:
            InvalidInput: the capacity asked for is more than the host has, or less than is reserved.

        Source: kubernetes, pkg/kubelet/nodestatus/setters.go, MachineInfo (pods).
        """
        wanted = {
            key: quantity.milli_value() if key == "cpu" else quantity.value() for key, quantity in self.capacity.items()
        }
        findings = []
        for key, has, unit in (
            ("cpu", host.cpu_millicpu, "m"),
            ("memory", host.memory_bytes, ""),
            ("pids", host.pids, ""),
            ("ephemeral-storage", host.ephemeral_storage_bytes, ""),
        ):
            if has and wanted.get(key, 0) > has:
                name = BY_NAME["nodeguard.capacity"].entry_name(key)
                message = f"{self.capacity[key]} is more than the host has ({has}{unit})"
                findings.append(error(self.origins[name], 0, name, message))
        if findings:
            raise InvalidInput(findings)
        cpu_millicpu = wanted.get("cpu", host.cpu_millicpu)
        pods = self.max_pods
        if self.pods_per_core:
            pods = min(pods, max(1, cpu_millicpu // 1000) * self.pods_per_core)  # less than one core still runs pods
        node = replace(
            host,
            cpu_millicpu=cpu_millicpu,
            memory_bytes=wanted.get("memory", host.memory_bytes),
            ephemeral_storage_bytes=wanted.get("ephemeral-storage", host.ephemeral_storage_bytes),
            pods=wanted.get("pods", pods),
            pids=wanted.get("pids", host.pids),
        )
        faults = reservation_faults(node, self.reservations())
        if faults:
            raise InvalidInput([f"systemReserved, kubeReserved: {fault}" for fault in faults])
        return node

    def reservations(self) -> Reservations:
        """What is kept from pods."""
        return Reservations(system=self.system_reserved, kube=self.kube_reserved)

    def allocatable(self, node: NodeCapacity) -> dict[str, Quantity]:
        """``status.allocatable`` of a node of this capacity."""
        return allocatable(node, self.reservations(), held_back(self._hard_for(node)))

    def _hard_for(self, node: NodeCapacity | None) -> Mapping[str, ThresholdValue | None]:
        """The hard thresholds, with a default that leaves a small node something to give to pods."""
        signal = Signal.MEMORY_AVAILABLE.value
        is_default = self.origins.get(BY_NAME["evictionHard"].entry_name(signal)) == "default"
        if node is None or not is_default or node.memory_bytes >= SMALL_NODE_BYTES:
            return self.eviction_hard
        return {**self.eviction_hard, signal: SMALL_NODE_MEMORY}

    def eviction(self, node: NodeCapacity | None = None) -> EvictionConfig:
        """What decides who is evicted, and when; on this node, or on any that is not small."""
        return EvictionConfig(
            thresholds=thresholds_of(
                hard=self._hard_for(node),
                soft=self.eviction_soft,
                grace_ns=self.eviction_soft_grace_period_ns,
                min_reclaim=self.eviction_minimum_reclaim,
                enforce=self.enforce_node_allocatable,
            ),
            transition_ns=self.eviction_pressure_transition_period_ns,
            max_pod_grace_seconds=self.eviction_max_pod_grace_period_seconds,
            hard_grace_seconds=self.hard_eviction_grace_period_seconds,
            local_storage_isolation=self.local_storage_capacity_isolation,
            policy=self.eviction_policy,
        )

    def resource_settings(self, *, cgroup_version: int = 2, has_swap_controller: bool = True) -> ResourceSettings:
        """What decides cgroup values, for a host whose limits go to this version's files."""
        switched_off = {gate for gate, on in self.feature_gates.items() if not on}
        switched_on = {gate for gate, on in self.feature_gates.items() if on}
        return ResourceSettings(
            cgroup_version=cgroup_version,
            has_swap_controller=has_swap_controller,
            cpu_cfs_quota=self.cpu_cfs_quota,
            cpu_cfs_quota_period_us=self.cpu_cfs_quota_period_ns // 1000,
            pod_pids_limit=self.pod_pids_limit,
            features=frozenset(DEFAULT_FEATURES - switched_off | switched_on & KNOWN_FEATURES),
            memory_throttling_factor=self.memory_throttling_factor,
            memory_reservation_policy=self.memory_reservation_policy,
            single_process_oom_kill=self.single_process_oom_kill,
            swap_behavior=self.swap_behavior,
            enforce_node_allocatable=self.enforce_node_allocatable,
        )
