"""The settings of how containers are run: memory and swap, OOM kills, logs, restarts."""

from __future__ import annotations

from nodeguard.agent.reader import (
    choice,
    duration,
    integer,
    read_boolean,
    read_log_size,
    read_throttling_factor,
    show_plain,
)
from nodeguard.agent.setting import NOTHING, Setting
from nodeguard.model.duration import format_duration
from nodeguard.model.quantity import Quantity

CONTAINER_SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="featureGates",
        attribute="feature_gates",
        read=read_boolean,
        default=NOTHING,
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
