"""What a pod takes of a file system, as far as its eviction would help there.

Source: kubernetes, pkg/kubelet/eviction/helpers.go, podDiskUsage, buildSignalToRankFunc.
"""

from __future__ import annotations

from nodeguard.model.eviction import Layout
from nodeguard.model.pod import Pod
from nodeguard.model.signal import Resource, Signal
from nodeguard.model.stats import FsUsage, PodUsage


def disk_usage(pod: Pod, usage: PodUsage, signal: Signal, layout: Layout) -> int:
    """Bytes, or inodes for a signal about these, of what lies on the signal's file system."""
    counts_inodes = signal.resource is Resource.INODES
    has_rootfs, has_logs_and_volumes = _lies_on(signal.file_system, layout)
    parts: list[FsUsage | None] = []
    for container in usage.containers:
        if has_rootfs:
            parts.append(container.rootfs)
        if has_logs_and_volumes:
            parts.append(container.logs)
    if has_logs_and_volumes:
        for name in pod.local_volumes:
            parts.append(next((volume for volume in usage.volumes if volume.name == name), None))
    return sum(((part.inodes_used if counts_inodes else part.used_bytes) or 0) for part in parts if part is not None)


def _lies_on(file_system: str, layout: Layout) -> tuple[bool, bool]:
    """Whether writable layers, and whether logs and volumes, lie on this file system."""
    if not layout.dedicated_image_fs:
        return True, True
    if layout.split_container_fs:  # of what lies with the images, nothing belongs to a pod
        return file_system != "imagefs", file_system != "imagefs"
    return file_system != "nodefs", file_system == "nodefs"
