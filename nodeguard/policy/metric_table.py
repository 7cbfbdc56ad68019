"""The names of metrics and the figures behind them, with the help texts of those who had the names first.

Source: kubernetes, pkg/kubelet/metrics/collectors/resource_metrics.go; cadvisor, metrics/prometheus.go; node_exporter,
collector/{netdev,filesystem,processes}_linux.go.
"""

from __future__ import annotations

from nodeguard.policy.exposition import Kind

NANO, MICRO = 10**9, 10**6

Table = tuple[tuple[str, Kind, str, str, int], ...]
"""Name, kind, help, the figure, and what it is divided by."""

NODE: Table = (
    (
        "node_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the node in core-seconds",
        "cpu.usage_core_nano_seconds",
        NANO,
    ),
    (
        "node_memory_working_set_bytes",
        "gauge",
        "Current working set of the node in bytes",
        "memory.working_set_bytes",
        1,
    ),
    (
        "node_swap_usage_bytes",
        "gauge",
        "Current swap usage of the node in bytes. Reported only on non-windows systems",
        "swap.swap_usage_bytes",
        1,
    ),
    ("node_processes_max_processes", "gauge", "Number of max PIDs limit", "rlimit.max_pid", 1),
    ("node_processes_threads", "gauge", "Allocated threads in system", "rlimit.running_processes", 1),
)

NODE_LINKS: Table = (
    ("node_network_receive_bytes_total", "counter", "Network device statistic receive_bytes.", "rx_bytes", 1),
    ("node_network_receive_errs_total", "counter", "Network device statistic receive_errs.", "rx_errors", 1),
    ("node_network_transmit_bytes_total", "counter", "Network device statistic transmit_bytes.", "tx_bytes", 1),
    ("node_network_transmit_errs_total", "counter", "Network device statistic transmit_errs.", "tx_errors", 1),
)

FILE_SYSTEMS: Table = (
    ("node_filesystem_size_bytes", "gauge", "Filesystem size in bytes.", "capacity_bytes", 1),
    (
        "node_filesystem_avail_bytes",
        "gauge",
        "Filesystem space available to non-root users in bytes.",
        "available_bytes",
        1,
    ),
    ("node_filesystem_files", "gauge", "Filesystem total file nodes.", "inodes", 1),
    ("node_filesystem_files_free", "gauge", "Filesystem total free file nodes.", "inodes_free", 1),
)

TIERS: Table = (
    (
        "nodeguard_tier_cpu_usage_seconds_total",
        "counter",
        "CPU time of the pods of a QoS class.",
        "cpu.usage_core_nano_seconds",
        NANO,
    ),
    (
        "nodeguard_tier_memory_working_set_bytes",
        "gauge",
        "Working set of the pods of a QoS class.",
        "memory.working_set_bytes",
        1,
    ),
)

PODS: Table = (
    (
        "pod_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the pod in core-seconds",
        "cpu.usage_core_nano_seconds",
        NANO,
    ),
    (
        "pod_memory_working_set_bytes",
        "gauge",
        "Current working set of the pod in bytes",
        "memory.working_set_bytes",
        1,
    ),
    (
        "pod_swap_usage_bytes",
        "gauge",
        "Current amount of the pod swap usage in bytes. Reported only on non-windows systems",
        "swap.swap_usage_bytes",
        1,
    ),
)

POD_LINKS: Table = (
    ("container_network_receive_bytes_total", "counter", "Cumulative count of bytes received", "rx_bytes", 1),
    (
        "container_network_receive_errors_total",
        "counter",
        "Cumulative count of errors encountered while receiving",
        "rx_errors",
        1,
    ),
    ("container_network_transmit_bytes_total", "counter", "Cumulative count of bytes transmitted", "tx_bytes", 1),
    (
        "container_network_transmit_errors_total",
        "counter",
        "Cumulative count of errors encountered while transmitting",
        "tx_errors",
        1,
    ),
)

CONTAINERS: Table = (
    (
        "container_start_time_seconds",
        "gauge",
        "Start time of the container since unix epoch in seconds",
        "start_time",
        1,
    ),
    (
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the container in core-seconds",
        "cpu.usage_core_nano_seconds",
        NANO,
    ),
    (
        "container_memory_working_set_bytes",
        "gauge",
        "Current working set of the container in bytes",
        "memory.working_set_bytes",
        1,
    ),
    (
        "container_memory_usage_bytes",
        "gauge",
        "Current memory usage in bytes, including all memory regardless of when it was accessed",
        "memory.usage_bytes",
        1,
    ),
    ("container_memory_rss", "gauge", "Size of RSS in bytes.", "memory.rss_bytes", 1),
    (
        "container_swap_usage_bytes",
        "gauge",
        "Current amount of the container swap usage in bytes. Reported only on non-windows systems",
        "swap.swap_usage_bytes",
        1,
    ),
    (
        "container_fs_usage_bytes",
        "gauge",
        "Number of bytes that are consumed by the container on this filesystem.",
        "rootfs.used_bytes",
        1,
    ),
    (
        "container_fs_limit_bytes",
        "gauge",
        "Number of bytes that can be consumed by the container on this filesystem.",
        "rootfs.capacity_bytes",
        1,
    ),
    ("container_fs_inodes_total", "gauge", "Number of Inodes", "rootfs.inodes", 1),
    ("container_fs_inodes_free", "gauge", "Number of available Inodes", "rootfs.inodes_free", 1),
)

GROUPS: Table = (
    (
        "container_cpu_cfs_periods_total",
        "counter",
        "Number of elapsed enforcement period intervals.",
        "cpu_periods",
        1,
    ),
    (
        "container_cpu_cfs_throttled_periods_total",
        "counter",
        "Number of throttled period intervals.",
        "cpu_throttled_periods",
        1,
    ),
    (
        "container_cpu_cfs_throttled_seconds_total",
        "counter",
        "Total time duration the container has been throttled.",
        "cpu_throttled_ns",
        NANO,
    ),
    ("container_memory_cache", "gauge", "Number of bytes of page cache memory.", "memory.file_bytes", 1),
    (
        "container_spec_memory_limit_bytes",
        "gauge",
        "Memory limit for the container.",
        "memory_limit_bytes",
        1,
    ),
    (
        "container_swap_limit_bytes",
        "gauge",
        "Current amount of the container swap limit in bytes. Reported only on non-windows systems",
        "swap_limit_bytes",
        1,
    ),
    (
        "container_oom_events_total",
        "counter",
        "Count of out of memory events observed for the container",
        "oom_kills",
        1,
    ),
    ("container_threads", "gauge", "Number of threads running inside the container", "tasks", 1),
)
"""Of containers, what the Summary does not have."""

STALLS = (("waiting", "some", "waited"), ("stalled", "full", "been stalled"))
"""The word in names of metrics, the kernel's word, what tasks have done."""
