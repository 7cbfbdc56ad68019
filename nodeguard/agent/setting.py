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

from nodeguard.model.duration import format_duration, read_duration
from nodeguard.model.eviction import VictimPolicy
from nodeguard.model.quantity import Quantity
from nodeguard.model.signal import Signal
from nodeguard.model.threshold import DEFAULT_HARD, ThresholdValue, parse_min_reclaim, parse_value

Reader = Callable[[Any], Any]


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


def _show_plain(value: Any) -> Any:
    return value


def _show_list(value: tuple[str, ...]) -> list[str]:
    return list(value)


def _show_threshold(value: ThresholdValue | None) -> str:
    return "off" if value is None else str(value)


def _duration(*, least: str, most: str) -> Reader:
    def read(value: Any) -> int:
        nanoseconds = read_duration(value)
        if not read_duration(least) <= nanoseconds <= read_duration(most):
            raise ValueError(f"{value} is out of range; allowed are {least} to {most}")
        return nanoseconds

    return read


def _integer(*, least: int, most: int = (1 << 31) - 1) -> Reader:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{value!r} is not a whole number; allowed are {least} to {most}")
        if not least <= value <= most:
            raise ValueError(f"{value} is out of range; allowed are {least} to {most}")
        return value

    return read


def _read_max_pods(value: Any) -> int:
    """0 means the default, as in the kubelet."""
    count: int = _integer(least=0)(value)
    return count or 110


def _read_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not a boolean; allowed are true and false")
    return value


def _choice(*words: str) -> Reader:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"{value!r} is not allowed; allowed are {', '.join(word for word in words if word)}")
        return value

    return read


def _read_throttling_factor(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ValueError(f"{value!r} is not allowed; allowed are numbers above 0, up to 1")
    return float(value)


def _read_directory(value: Any) -> Path:
    if not isinstance(value, str) or not value.startswith("/") or ".." in value.split("/") or not value.isprintable():
        raise ValueError(f"{value!r} is not the absolute path of a directory (no '..')")
    path = Path(value)
    if path == Path("/"):
        raise ValueError("the root directory itself is not allowed")
    return path


def _read_cgroup(value: Any) -> str:
    if value == "/":
        return "/"
    parts = value.split("/") if isinstance(value, str) else []
    if len(parts) < 2 or parts[0] or any(part in ("", ".", "..") or not part.isprintable() for part in parts[1:]):
        raise ValueError(f"{value!r} is not the path of a cgroup; allowed are paths such as / or /nodes/a")
    return "/".join(parts)


def _read_own_cgroup(value: Any) -> str:
    path = _read_cgroup(value)
    if path == "/":
        raise ValueError("the root cgroup itself is not allowed; name a cgroup below it, such as /nodeguard")
    return path


_ENFORCEMENTS = (
    "pods",
    "system-reserved",
    "system-reserved-compressible",
    "kube-reserved",
    "kube-reserved-compressible",
    "none",
)


def _read_enforcement(value: Any) -> tuple[str, ...]:
    """Source: kubernetes, pkg/kubelet/apis/config/validation/validation.go."""
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list):
        raise ValueError(f"{value!r} is not a list; allowed in it are {', '.join(_ENFORCEMENTS)}")
    words = [word for word in words if word != ""]
    for word in words:
        if word not in _ENFORCEMENTS:
            raise ValueError(f"{word!r} is not allowed; allowed are {', '.join(_ENFORCEMENTS)}")
    if len(set(words)) != len(words):
        raise ValueError("each word may stand in the list once")
    if "none" in words and len(words) > 1:
        raise ValueError("'none' excludes every other word")
    for kind in ("system-reserved", "kube-reserved"):
        if kind in words and f"{kind}-compressible" in words:
            raise ValueError(f"{kind} and {kind}-compressible exclude each other")
    return tuple(word for word in words if word != "none")


def _read_quantity(value: Any) -> Quantity:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is not a quantity, such as 500m or 1Gi")
    return Quantity.parse(value)


def _read_reservation(value: Any) -> Quantity:
    quantity = _read_quantity(value)
    if quantity.nano < 0:
        raise ValueError(f"{value} is negative; allowed are quantities from 0")
    return quantity


def _read_capacity(value: Any) -> Quantity:
    quantity = _read_quantity(value)
    if quantity.nano <= 0:
        raise ValueError(f"{value} is not above 0")
    return quantity


def _read_transition_period(value: Any) -> int:
    """0 means the default, as in the kubelet's file."""
    return _read_grace_period(value) or 5 * 60 * 10**9


def _read_grace_period(value: Any) -> int:
    """Source: kubernetes, pkg/kubelet/eviction/helpers.go, parseGracePeriods."""
    nanoseconds = read_duration(value)
    if nanoseconds < 0:
        raise ValueError(f"{value!r} is negative; allowed are durations from 0s")
    return nanoseconds


def _read_log_size(value: Any) -> int:
    size = _read_quantity(value).value()
    if size < 1024:
        raise ValueError(f"{value} is too small for a log file; allowed are 1Ki and more")
    return size


def _read_gate(value: Any) -> bool:
    return _read_boolean(value)


SIGNALS = tuple(map(str, Signal))

_RESERVABLE = ("cpu", "memory", "ephemeral-storage", "pid")
_RESERVABLE_WHOLE = frozenset({"memory", "ephemeral-storage", "pid"})
_NOTHING: Mapping[str, Any] = MappingProxyType({})

SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="nodeguard.runDir",
        attribute="run_dir",
        read=_read_directory,
        default=Path("/run/nodeguard"),
        help="Records, bundles, namespaces and exit files.",
        variable="NODEGUARD_RUN_DIR",
    ),
    Setting(
        name="nodeguard.stateDir",
        attribute="state_dir",
        read=_read_directory,
        default=Path("/var/lib/nodeguard"),
        help="Writable layers, volumes and the image cache.",
        variable="NODEGUARD_STATE_DIR",
    ),
    Setting(
        name="nodeguard.cgroup",
        attribute="cgroup_root",
        read=_read_own_cgroup,
        default=None,
        help="The root of the pods' cgroup tree; cgroupRoot + /nodeguard when not set.",
        variable="NODEGUARD_CGROUP_ROOT",
    ),
    Setting(
        name="nodeguard.capacity",
        attribute="capacity",
        read=_read_capacity,
        default=_NOTHING,
        help="Bound the node to this size, such as cpu=2,memory=1Gi.",
        flag="--capacity",
        variable="NODEGUARD_CAPACITY",
        is_map=True,
        keys=("cpu", "memory", "pods", "ephemeral-storage"),
        whole=frozenset({"memory", "pods", "ephemeral-storage"}),
    ),
    Setting(
        name="podLogsDir",
        attribute="log_dir",
        read=_read_directory,
        default=Path("/var/log/pods"),
        help="Log files of containers.",
        flag="--pod-logs-dir",
        variable="NODEGUARD_LOG_DIR",
    ),
    Setting(
        name="cgroupRoot",
        attribute="cgroup_parent",
        read=_read_cgroup,
        default="/",
        help="The cgroup in which the tree is made.",
        flag="--cgroup-root",
    ),
    Setting(
        name="maxPods",
        attribute="max_pods",
        read=_read_max_pods,
        default=110,
        help="How many pods may run.",
        flag="--max-pods",
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="podsPerCore",
        attribute="pods_per_core",
        read=_integer(least=0),
        default=0,
        help="How many pods may run per CPU; 0 is no limit.",
        flag="--pods-per-core",
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="podPidsLimit",
        attribute="pod_pids_limit",
        read=_integer(least=-1, most=1 << 22),
        default=-1,
        help="Process ids per pod; -1 is no limit.",
        flag="--pod-max-pids",
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="cpuCFSQuota",
        attribute="cpu_cfs_quota",
        read=_read_boolean,
        default=True,
        help="Enforce CPU limits.",
        flag="--cpu-cfs-quota",
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="cpuCFSQuotaPeriod",
        attribute="cpu_cfs_quota_period_ns",
        read=_duration(least="1ms", most="1s"),
        default=100 * 10**6,
        help="The period CPU limits are enforced in.",
        flag="--cpu-cfs-quota-period",
        show=format_duration,
    ),
    Setting(
        name="systemReserved",
        attribute="system_reserved",
        read=_read_reservation,
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
        read=_read_reservation,
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
        read=_read_enforcement,
        default=("pods",),
        help="'pods': keep all pods together below the capacity without the reservations; 'none': below the capacity.",
        flag="--enforce-node-allocatable",
        show=_show_list,
    ),
    Setting(
        name="evictionHard",
        attribute="eviction_hard",
        read=parse_value,
        default=DEFAULT_HARD,
        help="Hard eviction thresholds, merged over the defaults; 'off' switches one off.",
        flag="--eviction-hard",
        is_map=True,
        keys=SIGNALS,
        separator="<",
        show=_show_threshold,
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
        show=_show_threshold,
    ),
    Setting(
        name="evictionSoftGracePeriod",
        attribute="eviction_soft_grace_period_ns",
        read=_read_grace_period,
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
        read=_read_transition_period,
        default=5 * 60 * 10**9,
        help="How long a pressure condition stays after the pressure; 0 is 5m.",
        flag="--eviction-pressure-transition-period",
        show=format_duration,
    ),
    Setting(
        name="evictionMaxPodGracePeriod",
        attribute="eviction_max_pod_grace_period_seconds",
        read=_integer(least=-(1 << 31)),
        default=0,
        help="The longest grace period of a pod evicted for a soft threshold; 0 and less are 1 s.",
        flag="--eviction-max-pod-grace-period",
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="localStorageCapacityIsolation",
        attribute="local_storage_capacity_isolation",
        read=_read_boolean,
        default=True,
        help="Evict pods that exceed their own limits of local storage.",
        flag="--local-storage-capacity-isolation",
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="nodeguard.evictionPolicy",
        attribute="eviction_policy",
        read=lambda value: VictimPolicy(_choice(*VictimPolicy)(value)),
        default=VictimPolicy.KUBELET,
        help="Who goes first: kubelet (over request, priority, excess) or qos (QoS class, priority, usage).",
        flag="--eviction-policy",
    ),
    Setting(
        name="nodeguard.hardEvictionGracePeriodSeconds",
        attribute="hard_eviction_grace_period_seconds",
        read=_integer(least=0),
        default=0,
        help="The grace period of a hard eviction; 0 is SIGKILL at once, 1 is what the kubelet gives.",
        flag="--hard-eviction-grace-period-seconds",
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="mergeDefaultEvictionSettings",
        attribute="merge_default_eviction_settings",
        read=_read_boolean,
        default=True,
        help="false: naming one hard threshold switches all defaults off, as in the kubelet.",
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="featureGates",
        attribute="feature_gates",
        read=_read_gate,
        default=_NOTHING,
        help="Kubernetes feature gates, such as MemoryQoS=true.",
        flag="--feature-gates",
        is_map=True,
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="memoryThrottlingFactor",
        attribute="memory_throttling_factor",
        read=_read_throttling_factor,
        default=None,
        help="Where between request and limit memory.high lies (MemoryQoS, cgroup v2).",
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="memoryReservationPolicy",
        attribute="memory_reservation_policy",
        read=_choice("None", "TieredReservation"),
        default="None",
        help="Whether memory.min and memory.low protect requests (MemoryQoS, cgroup v2).",
    ),
    Setting(
        name="singleProcessOOMKill",
        attribute="single_process_oom_kill",
        read=_read_boolean,
        default=None,
        help="true: an OOM kills one process of a container, not all; not set: false on cgroup v2, true on v1.",
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="failSwapOn",
        attribute="fail_swap_on",
        read=_read_boolean,
        default=False,
        help="Refuse to run while swap is on; the kubelet's default is true.",
        flag="--fail-swap-on",
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="memorySwap.swapBehavior",
        attribute="swap_behavior",
        read=lambda value: _choice("", "NoSwap", "LimitedSwap")(value) or "NoSwap",
        default="NoSwap",
        help="Whether Burstable containers may use swap.",
    ),
    Setting(
        name="containerLogMaxSize",
        attribute="container_log_max_bytes",
        read=_read_log_size,
        default=10 << 20,
        help="The size at which a log file is rotated.",
        flag="--container-log-max-size",
        show=lambda count: str(Quantity.parse(f"{count >> 10}Ki")) if count % 1024 == 0 else str(count),
    ),
    Setting(
        name="containerLogMaxFiles",
        attribute="container_log_max_files",
        read=_integer(least=2, most=1000),
        default=5,
        help="How many log files are kept per container.",
        flag="--container-log-max-files",
        is_text=False,
        show=_show_plain,
    ),
    Setting(
        name="crashLoopBackOff.maxContainerRestartPeriod",
        attribute="max_container_restart_period_ns",
        read=_duration(least="1s", most="300s"),
        default=300 * 10**9,
        help="The longest wait before a container is restarted.",
        show=format_duration,
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
