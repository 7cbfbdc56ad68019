"""The settings of eviction: thresholds, grace periods, who goes first."""

from __future__ import annotations

from types import MappingProxyType

from nodeguard.agent.reader import (
    TRANSITION_PERIOD_NS,
    choice,
    integer,
    read_boolean,
    read_eviction_mode,
    read_grace_period,
    read_transition_period,
    show_plain,
    show_threshold,
)
from nodeguard.agent.setting import NOTHING, Setting
from nodeguard.model.duration import format_duration
from nodeguard.model.eviction import EvictionMode, VictimPolicy
from nodeguard.model.signal import Signal
from nodeguard.model.threshold import DEFAULT_HARD, parse_min_reclaim, parse_value

SIGNALS = tuple(map(str, Signal))

NODE_DEFAULT_HARD = MappingProxyType({**DEFAULT_HARD, Signal.PID_AVAILABLE.value: parse_value("5%")})
"""The kubelet's own, and one that keeps a fork bomb from taking the host's last process ids."""

EVICTION_SETTINGS: tuple[Setting, ...] = (
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
        default=NOTHING,
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
        default=NOTHING,
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
        default=NOTHING,
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
        name="mergeDefaultEvictionSettings",
        attribute="merge_default_eviction_settings",
        read=read_boolean,
        default=True,
        help="false: naming one hard threshold switches all defaults off, as in the kubelet.",
        is_text=False,
        show=show_plain,
    ),
)
