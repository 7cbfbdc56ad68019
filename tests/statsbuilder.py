"""A Summary with everything in it, and one with nothing but names."""

from __future__ import annotations

from typing import Any

from nodeguard.model.groupstat import CpuSample, GroupStat, MemoryParts, Pressure, Stall
from nodeguard.model.summary import (
    ContainerStats,
    CPUStats,
    FsStats,
    InterfaceStats,
    IOStats,
    MemoryStats,
    NetworkStats,
    NodeStats,
    PodReference,
    PodStats,
    ProcessStats,
    PSIData,
    PSIStats,
    RlimitStats,
    RuntimeStats,
    Summary,
    SwapStats,
    VolumeStats,
)

AT = 1_800_000_000.0
MIB = 1 << 20

PSI = PSIStats(
    some=PSIData(total=2_000_000, avg10=12.5, avg60=6.0, avg300=1.0),
    full=PSIData(total=1_000_000, avg10=2.5, avg60=1.0, avg300=0.5),
)
CPU = CPUStats(time=AT, usage_nano_cores=250_000_001, usage_core_nano_seconds=5_000_000_000, psi=PSI)
MEMORY = MemoryStats(
    time=AT,
    available_bytes=48 * MIB,
    usage_bytes=20 * MIB,
    working_set_bytes=16 * MIB,
    rss_bytes=10 * MIB,
    page_faults=1000,
    major_page_faults=7,
    psi=PSI,
)
IO = IOStats(time=AT, psi=PSI)
SWAP = SwapStats(time=AT, swap_available_bytes=4 * MIB, swap_usage_bytes=1 * MIB)
FS = FsStats(
    time=AT,
    available_bytes=500 * MIB,
    capacity_bytes=1000 * MIB,
    used_bytes=400 * MIB,
    inodes_free=900,
    inodes=1000,
    inodes_used=100,
)
NETWORK = NetworkStats(
    time=AT,
    name="eth0",
    rx_bytes=1,
    rx_errors=2,
    tx_bytes=3,
    tx_errors=4,
    interfaces=(InterfaceStats(name="eth0", rx_bytes=1, rx_errors=2, tx_bytes=3, tx_errors=4),),
)
GROUP = GroupStat(
    at=AT,
    cpu=CpuSample(of=1, at_ns=0, usage_ns=5_000_000_000),
    cpu_periods=200,
    cpu_throttled_periods=50,
    cpu_throttled_ns=1_500_000_000,
    memory_usage_bytes=20 * MIB,
    memory_limit_bytes=64 * MIB,
    memory=MemoryParts(
        anon_bytes=10 * MIB,
        file_bytes=8 * MIB,
        inactive_file_bytes=4 * MIB,
        active_file_bytes=3 * MIB,
        shmem_bytes=MIB,
        kernel_bytes=2 * MIB,
    ),
    page_faults=1000,
    major_page_faults=7,
    swap_usage_bytes=MIB,
    swap_limit_bytes=5 * MIB,
    tasks=3,
    oom_kills=1,
    pressure={
        "cpu": Pressure(
            some=Stall(total_usec=2_000_000, avg10=12.5, avg60=6.0, avg300=1.0),
            full=Stall(total_usec=1_000_000, avg10=2.5, avg60=1.0, avg300=0.5),
        )
    },
)


def container(name: str = "app", **fields: Any) -> ContainerStats:
    """A container of which everything is known."""
    known = {"cpu": CPU, "memory": MEMORY, "io": IO, "rootfs": FS, "logs": FS, "swap": SWAP}
    return ContainerStats(name=name, start_time=AT, **(known | fields))


def pod(name: str = "web", *containers: ContainerStats, namespace: str = "default", **fields: Any) -> PodStats:
    """A pod of which everything is known."""
    known = {
        "cpu": CPU,
        "memory": MEMORY,
        "io": IO,
        "network": NETWORK,
        "volumes": (VolumeStats(name="scratch", time=AT, used_bytes=1),),
        "ephemeral_storage": FS,
        "process_stats": ProcessStats(process_count=2),
        "swap": SWAP,
        "start_time": AT,
    }
    uid = fields.pop("uid", f"uid-{name}")
    return PodStats(
        pod_ref=PodReference(name=name, namespace=namespace, uid=uid),
        containers=containers or (container(),),
        **(known | fields),
    )


def node(**fields: Any) -> NodeStats:
    """A node of which everything is known."""
    known = {
        "node_name": "n1",
        "start_time": AT,
        "system_containers": (container("pods", rootfs=None, logs=None),),
        "cpu": CPU,
        "memory": MEMORY,
        "io": IO,
        "network": NETWORK,
        "fs": FS,
        "runtime": RuntimeStats(image_fs=FS, container_fs=FS),
        "rlimit": RlimitStats(time=AT, max_pid=32768, running_processes=120),
        "swap": SWAP,
    }
    return NodeStats(**(known | fields))


def summary(*pods: PodStats, **fields: Any) -> Summary:
    """Everything known of the node, and these pods."""
    return Summary(node=node(**fields), pods=pods or (pod(),))


UNKNOWN_CONTAINER = ContainerStats(name="app", start_time=AT)
UNKNOWN = Summary(
    node=NodeStats(node_name="n1", start_time=AT),
    pods=(
        PodStats(
            pod_ref=PodReference(name="web", namespace="default", uid="u"),
            start_time=AT,
            containers=(UNKNOWN_CONTAINER,),
        ),
    ),
)
