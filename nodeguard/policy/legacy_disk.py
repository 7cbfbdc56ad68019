"""The disk space manager of Kubernetes 1.3: free megabytes to keep, and the condition OutOfDisk.

A legacy view, off unless ``lowDiskspaceThresholdMB`` is set; the eviction signals of file systems took its place in
1.4. When it cannot find out, it assumes that there is space enough.

Source: kubernetes 1.3, pkg/kubelet/disk_manager.go; pkg/kubelet/kubelet.go (canAdmitPod);
pkg/kubelet/kubelet_node_status.go (setNodeOODCondition).
"""

from __future__ import annotations

from dataclasses import dataclass

from nodeguard.policy.node_condition import FALSE, TRUE, Verdict

MEGABYTE = 1 << 20
DEFAULT_THRESHOLD_MB = 256
CACHE_SECONDS = 2.0
OUT_OF_DISK = "OutOfDisk"
"""The condition, and the reason of a pod that is refused for it."""
REFUSAL = "cannot be started due to lack of disk space."
RUNNING = "Running"
"""The node's phase: configured, and looked after by its agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FsInfo:
    """A file system at ``timestamp`` (seconds of a clock that never jumps); amounts are bytes."""

    usage: int
    capacity: int
    available: int
    timestamp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpacePolicy:
    """How many megabytes (2^20 bytes) are to stay free where the images are, and on the root file system."""

    docker_free_disk_mb: int
    root_free_disk_mb: int

    @classmethod
    def of(cls, low_diskspace_threshold_mb: int) -> DiskSpacePolicy:
        """Both from the one setting."""
        return cls(docker_free_disk_mb=low_diskspace_threshold_mb, root_free_disk_mb=low_diskspace_threshold_mb)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceVerdict:
    """Whether there is space enough; ``error`` says why nobody knows, which counts as enough."""

    is_available: bool
    error: str = ""


def validate_policy(policy: DiskSpacePolicy) -> None:
    """Refuse negative amounts.

    Raises:
        ValueError: names the first one that is.
    """
    for amount_mb, which in ((policy.docker_free_disk_mb, "docker"), (policy.root_free_disk_mb, "root")):
        if amount_mb < 0:
            raise ValueError(
                f"free disk space should be non-negative. Invalid value {amount_mb} for {which} disk space threshold."
            )


def is_recent(cached: FsInfo | None, now: float) -> bool:
    """Whether a cached figure will do; at exactly two seconds it is too old."""
    return cached is not None and cached.timestamp > now - CACHE_SECONDS


def is_space_available(info: FsInfo, threshold_mb: int) -> SpaceVerdict:
    """Compare with the threshold; exactly that much is enough, and so are figures that cannot be true."""
    if info.capacity == 0:
        return SpaceVerdict(is_available=True, error="could not determine capacity; the file system has none")
    if info.available < 0:
        return SpaceVerdict(is_available=True, error=f"wrong available space: {info.available}")
    return SpaceVerdict(is_available=info.available >= threshold_mb * MEGABYTE)


def out_of_disk_verdict(is_out: bool) -> Verdict:
    """The condition OutOfDisk."""
    if is_out:
        return Verdict(
            type=OUT_OF_DISK,
            status=TRUE,
            reason="KubeletOutOfDisk",
            message="out of disk space",
            event="NodeOutOfDisk",
        )
    return Verdict(
        type=OUT_OF_DISK,
        status=FALSE,
        reason="KubeletHasSufficientDisk",
        message="kubelet has sufficient disk space available",
        event="NodeHasSufficientDisk",
    )
