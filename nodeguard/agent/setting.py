"""The table of settings: name, default, and how a value is read. Pure.

Names are the kubelet's where it has one; our own begin with ``nodeguard.``. A reader turns what a file, a flag or a
variable holds into a typed value, or raises ValueError with what is allowed.

Source: kubernetes, staging/src/k8s.io/kubelet/config/v1beta1/types.go; pkg/kubelet/apis/config/v1beta1/defaults.go;
pkg/kubelet/apis/config/validation/validation.go; pkg/kubelet/eviction/helpers.go (ParseThresholdConfig).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nodeguard.agent.reader import (
    AGGREGATION_PERIOD_NS,
    MINIMUM_GC_AGE_NS,
    TRANSITION_PERIOD_NS,
    Reader,
    choice,
    duration,
    integer,
    read_aggregation_period,
    read_boolean,
    read_capacity,
    read_cgroup,
    read_directory,
    read_enforcement,
    read_eviction_mode,
    read_frequency,
    read_grace_period,
    read_log_size,
    read_max_pods,
    read_minimum_gc_age,
    read_own_cgroup,
    read_reservation,
    read_throttling_factor,
    read_transition_period,
    show_list,
    show_plain,
    show_threshold,
)
from nodeguard.model.duration import format_duration
from nodeguard.model.eviction import EvictionMode, VictimPolicy
from nodeguard.model.quantity import Quantity
from nodeguard.model.signal import Signal
from nodeguard.model.threshold import DEFAULT_HARD, parse_min_reclaim, parse_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    ``attribute`` is its name in ``Config``. A map's entries are read, and overridden, one by one: ``keys`` are those
    allowed (empty: any), ``read`` reads an entry's value, ``whole`` are the keys whose amounts have no fraction.
    ``separator`` stands between key and value in a flag.
    """

    name: str
    attribute: str
    read: Reader
    default: Any
    help: str
    flag: str = ""
    variable: str = ""
    is_map: bool = False
    keys: tuple[str, ...] = ()
    whole: frozenset[str] = frozenset()
    separator: str = "="
    is_one_for_all: bool = False
    """A plain value in place of the map stands for every key."""
    is_text: bool = True
    """Flags and variables hold text; False: the text is read as YAML would read it (numbers, booleans)."""
    show: Callable[[Any], Any] = str

    def reader(self, key: str | None) -> Reader:
        """What reads the setting's value, or that of entry ``key``."""
        return _whole(self.read) if key in self.whole else self.read


def _whole(read: Reader) -> Reader:
    def read_whole(value: Any) -> Quantity:
        quantity: Quantity = read(value)
        if quantity.nano % 10**9:
            raise ValueError(f"{value} is not a whole number")
        return quantity

    return read_whole


SIGNALS = tuple(map(str, Signal))

_RESERVABLE = ("cpu", "memory", "ephemeral-storage", "pid")
_RESERVABLE_WHOLE = frozenset({"memory", "ephemeral-storage", "pid"})
_NOTHING: Mapping[str, Any] = MappingProxyType({})
NODE_DEFAULT_HARD = MappingProxyType({**DEFAULT_HARD, Signal.PID_AVAILABLE.value: parse_value("5%")})
"""The kubelet's own, and one that keeps a fork bomb from taking the host's last process ids."""

SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="nodeguard.runDir",
        attribute="run_dir",
        read=read_directory,
        default=Path("/run/nodeguard"),
        help="Records, bundles, namespaces and exit files.",
        variable="NODEGUARD_RUN_DIR",
    ),
    Setting(
        name="nodeguard.stateDir",
        attribute="state_dir",
        read=read_directory,
        default=Path("/var/lib/nodeguard"),
        help="Writable layers, volumes and the image cache.",
        variable="NODEGUARD_STATE_DIR",
    ),
    Setting(
        name="nodeguard.cgroup",
        attribute="cgroup_root",
        read=read_own_cgroup,
        default=None,
        help="The root of the pods' cgroup tree; cgroupRoot + /nodeguard when not set.",
        variable="NODEGUARD_CGROUP_ROOT",
    ),
    Setting(
        name="nodeguard.capacity",
        attribute="capacity",
        read=read_capacity,
        default=_NOTHING,
        help="Bound the node to this size, such as cpu=2,memory=1Gi.",
        flag="--capacity",
        variable="NODEGUARD_CAPACITY",
        is_map=True,
        keys=("cpu", "memory", "pods", "pids", "ephemeral-storage"),
        whole=frozenset({"memory", "pods", "pids", "ephemeral-storage"}),
    ),
    Setting(
        name="nodeguard.nodefs",
        attribute="nodefs",
        read=read_directory,
        default=None,
        help="Keep volumes, logs and writable layers of pods below this directory; its file system is nodefs.",
        flag="--nodefs",
    ),
    Setting(
        name="nodeguard.imagefs",
        attribute="imagefs",
        read=read_directory,
        default=None,
        help="Keep unpacked images and writable layers below this directory; its file system is imagefs.",
        flag="--imagefs",
    ),
    Setting(
        name="podLogsDir",
        attribute="log_dir",
        read=read_directory,
        default=None,
        help="Log files of containers; NODEFS/logs or /var/log/pods when not set.",
        flag="--pod-logs-dir",
        variable="NODEGUARD_LOG_DIR",
    ),
    Setting(
        name="cgroupRoot",
        attribute="cgroup_parent",
        read=read_cgroup,
        default="/",
        help="The cgroup in which the tree is made.",
        flag="--cgroup-root",
    ),
    Setting(
        name="maxPods",
        attribute="max_pods",
        read=read_max_pods,
        default=110,
        help="How many pods may run.",
        flag="--max-pods",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="podsPerCore",
        attribute="pods_per_core",
        read=integer(least=0),
        default=0,
        help="How many pods may run per CPU; 0 is no limit.",
        flag="--pods-per-core",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="podPidsLimit",
        attribute="pod_pids_limit",
        read=integer(least=-1, most=1 << 22),
        default=-1,
        help="Process ids per pod; -1 is no limit.",
        flag="--pod-max-pids",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="cpuCFSQuota",
        attribute="cpu_cfs_quota",
        read=read_boolean,
        default=True,
        help="Enforce CPU limits.",
        flag="--cpu-cfs-quota",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="cpuCFSQuotaPeriod",
        attribute="cpu_cfs_quota_period_ns",
        read=duration(least="1ms", most="1s"),
        default=100 * 10**6,
        help="The period CPU limits are enforced in.",
        flag="--cpu-cfs-quota-period",
        show=format_duration,
    ),
    Setting(
        name="systemReserved",
        attribute="system_reserved",
        read=read_reservation,
        default=_NOTHING,
        help="What the system keeps for itself, such as cpu=100m,memory=200Mi.",
        flag="--system-reserved",
        is_map=True,
        keys=_RESERVABLE,
        whole=_RESERVABLE_WHOLE,
    ),
    Setting(
        name="kubeReserved",
        attribute="kube_reserved",
        read=read_reservation,
        default=_NOTHING,
        help="What the node's own daemons keep.",
        flag="--kube-reserved",
        is_map=True,
        keys=_RESERVABLE,
        whole=_RESERVABLE_WHOLE,
    ),
    Setting(
        name="enforceNodeAllocatable",
        attribute="enforce_node_allocatable",
        read=read_enforcement,
        default=("pods",),
        help="'pods': keep all pods together below the capacity without the reservations; 'none': below the capacity.",
        flag="--enforce-node-allocatable",
        show=show_list,
    ),
    Setting(
        name="evictionHard",
        attribute="eviction_hard",
        read=parse_value,
        default=NODE_DEFAULT_HARD,
        help="Hard eviction thresholds, merged over the defaults; 'off' switches one off.",
        flag="--eviction-hard",
        is_map=True,
        keys=SIGNALS,
        separator="<",
        show=show_threshold,
    ),
    Setting(
        name="evictionSoft",
        attribute="eviction_soft",
        read=parse_value,
        default=_NOTHING,
        help="Soft eviction thresholds: acted on when met for their grace period.",
        flag="--eviction-soft",
        is_map=True,
        keys=SIGNALS,
        separator="<",
        show=show_threshold,
    ),
    Setting(
        name="evictionSoftGracePeriod",
        attribute="eviction_soft_grace_period_ns",
        read=read_grace_period,
        default=_NOTHING,
        help="How long a soft threshold may be met, such as memory.available=90s.",
        flag="--eviction-soft-grace-period",
        is_map=True,
        keys=SIGNALS,
        show=format_duration,
    ),
    Setting(
        name="evictionMinimumReclaim",
        attribute="eviction_minimum_reclaim",
        read=parse_min_reclaim,
        default=_NOTHING,
        help="How much more than the threshold must be free again, such as nodefs.available=500Mi.",
        flag="--eviction-minimum-reclaim",
        is_map=True,
        keys=SIGNALS,
    ),
    Setting(
        name="evictionPressureTransitionPeriod",
        attribute="eviction_pressure_transition_period_ns",
        read=read_transition_period,
        default=TRANSITION_PERIOD_NS,
        help="How long a pressure condition stays after the pressure; 0 is 5m.",
        flag="--eviction-pressure-transition-period",
        show=format_duration,
    ),
    Setting(
        name="evictionMaxPodGracePeriod",
        attribute="eviction_max_pod_grace_period_seconds",
        read=integer(least=-(1 << 31)),
        default=0,
        help="The longest grace period of a pod evicted for a soft threshold; 0 and less are 1 s.",
        flag="--eviction-max-pod-grace-period",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="localStorageCapacityIsolation",
        attribute="local_storage_capacity_isolation",
        read=read_boolean,
        default=True,
        help="Evict pods that exceed their own limits of local storage.",
        flag="--local-storage-capacity-isolation",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="nodeguard.evictionPolicy",
        attribute="eviction_policy",
        read=lambda value: VictimPolicy(choice(*VictimPolicy)(value)),
        default=VictimPolicy.KUBELET,
        help="Who goes first: kubelet (over request, priority, excess) or qos (QoS class, priority, usage).",
        flag="--eviction-policy",
    ),
    Setting(
        name="nodeguard.hardEvictionGracePeriodSeconds",
        attribute="hard_eviction_grace_period_seconds",
        read=integer(least=0),
        default=0,
        help="The grace period of a hard eviction; 0 is SIGKILL at once, 1 is what the kubelet gives.",
        flag="--hard-eviction-grace-period-seconds",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="nodeguard.evictionMode",
        attribute="eviction_mode",
        read=read_eviction_mode,
        default=MappingProxyType({signal.value: EvictionMode.ENFORCE for signal in Signal}),
        help="enforce, observe (record what would be evicted) or off: for all signals, or signal by signal.",
        flag="--eviction-mode",
        is_map=True,
        keys=SIGNALS,
        is_one_for_all=True,
    ),
    Setting(
        name="nodeguard.lowDiskspaceThresholdMB",
        attribute="low_diskspace_threshold_mb",
        read=integer(least=0),
        default=None,
        help="Refuse pods while fewer megabytes (2^20) are free, as Kubernetes 1.3 did with 256; not set: no check.",
        flag="--low-diskspace-threshold-mb",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="imageGCHighThresholdPercent",
        attribute="image_gc_high_threshold_percent",
        read=integer(least=0, most=100),
        default=85,
        help="How full imagefs may get before unused images are removed; 100 switches this off.",
        flag="--image-gc-high-threshold",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="imageGCLowThresholdPercent",
        attribute="image_gc_low_threshold_percent",
        read=integer(least=0, most=100),
        default=80,
        help="How full imagefs may still be when enough images have been removed.",
        flag="--image-gc-low-threshold",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="imageMinimumGCAge",
        attribute="image_minimum_gc_age_ns",
        read=read_minimum_gc_age,
        default=MINIMUM_GC_AGE_NS,
        help="How long an image is kept that nothing has used yet; 0 is 2m.",
        flag="--minimum-image-ttl-duration",
        show=format_duration,
    ),
    Setting(
        name="imageMaximumGCAge",
        attribute="image_maximum_gc_age_ns",
        read=read_grace_period,
        default=0,
        help="Remove images that have not been used for so long, whether or not space is short; 0 is never.",
        show=format_duration,
    ),
    Setting(
        name="nodeguard.minimumContainerTTLDuration",
        attribute="minimum_container_ttl_ns",
        read=read_grace_period,
        default=0,
        help="How long a dead container is kept at least.",
        flag="--minimum-container-ttl-duration",
        show=format_duration,
    ),
    Setting(
        name="nodeguard.maximumDeadContainersPerContainer",
        attribute="maximum_dead_containers_per_container",
        read=integer(least=-(1 << 31)),
        default=1,
        help="How many dead instances of one container are kept; negative is no limit.",
        flag="--maximum-dead-containers-per-container",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="nodeguard.maximumDeadContainers",
        attribute="maximum_dead_containers",
        read=integer(least=-(1 << 31)),
        default=-1,
        help="How many dead instances are kept in all; negative is no limit.",
        flag="--maximum-dead-containers",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="volumeStatsAggPeriod",
        attribute="volume_stats_agg_period_ns",
        read=read_aggregation_period,
        default=AGGREGATION_PERIOD_NS,
        help="How often all files of a pod are counted anew, besides when they change; 0 is 1m, negative is never.",
        flag="--volume-stats-agg-period",
        show=format_duration,
    ),
    Setting(
        name="nodeStatusUpdateFrequency",
        attribute="node_status_update_frequency_ns",
        read=read_frequency,
        default=None,
        help="How often the node's conditions are looked at, besides when its pressure changes; 10s unless set.",
        flag="--node-status-update-frequency",
        show=format_duration,
    ),
    Setting(
        name="nodeStatusReportFrequency",
        attribute="node_status_report_frequency_ns",
        read=read_frequency,
        default=None,
        help="How often conditions that stay the same are told; as nodeStatusUpdateFrequency if that is set, else 5m.",
        show=format_duration,
    ),
    Setting(
        name="mergeDefaultEvictionSettings",
        attribute="merge_default_eviction_settings",
        read=read_boolean,
        default=True,
        help="false: naming one hard threshold switches all defaults off, as in the kubelet.",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="featureGates",
        attribute="feature_gates",
        read=read_boolean,
        default=_NOTHING,
        help="Kubernetes feature gates, such as MemoryQoS=true.",
        flag="--feature-gates",
        is_map=True,
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="memoryThrottlingFactor",
        attribute="memory_throttling_factor",
        read=read_throttling_factor,
        default=None,
        help="Where between request and limit memory.high lies (MemoryQoS, cgroup v2).",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="memoryReservationPolicy",
        attribute="memory_reservation_policy",
        read=choice("None", "TieredReservation"),
        default="None",
        help="Whether memory.min and memory.low protect requests (MemoryQoS, cgroup v2).",
    ),
    Setting(
        name="singleProcessOOMKill",
        attribute="single_process_oom_kill",
        read=read_boolean,
        default=None,
        help="true: an OOM kills one process of a container, not all; not set: false on cgroup v2, true on v1.",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="failSwapOn",
        attribute="fail_swap_on",
        read=read_boolean,
        default=False,
        help="Refuse to run while swap is on; the kubelet's default is true.",
        flag="--fail-swap-on",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="memorySwap.swapBehavior",
        attribute="swap_behavior",
        read=lambda value: choice("", "NoSwap", "LimitedSwap")(value) or "NoSwap",
        default="NoSwap",
        help="Whether Burstable containers may use swap.",
    ),
    Setting(
        name="containerLogMaxSize",
        attribute="container_log_max_bytes",
        read=read_log_size,
        default=10 << 20,
        help="The size at which a log file is rotated.",
        flag="--container-log-max-size",
        show=lambda count: str(Quantity.parse(f"{count >> 10}Ki")) if count % 1024 == 0 else str(count),
    ),
    Setting(
        name="containerLogMaxFiles",
        attribute="container_log_max_files",
        read=integer(least=2, most=1000),
        default=5,
        help="How many log files are kept per container.",
        flag="--container-log-max-files",
        is_text=False,
        show=show_plain,
    ),
    Setting(
        name="crashLoopBackOff.maxContainerRestartPeriod",
        attribute="max_container_restart_period_ns",
        read=duration(least="1s", most="300s"),
        default=300 * 10**9,
        help="The longest wait before a container is restarted.",
        show=format_duration,
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
