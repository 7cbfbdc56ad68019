"""What the node itself gives up before a pod has to go.

Source: kubernetes, pkg/kubelet/eviction/helpers.go, buildSignalToNodeReclaimFuncs; eviction_manager.go,
reclaimNodeLevelResources.
"""

from __future__ import annotations

from nodeguard.model.eviction import Layout, ReclaimStep
from nodeguard.model.signal import Signal

_EVERYTHING = (ReclaimStep.CONTAINERS, ReclaimStep.IMAGES)


def reclaim_steps(signal: Signal, layout: Layout) -> tuple[ReclaimStep, ...]:
    """What to try for this signal, in order: whatever lies on the file system that is short."""
    if not signal.file_system:
        return ()
    if not layout.dedicated_image_fs:
        return _EVERYTHING
    if layout.split_container_fs:
        return (ReclaimStep.IMAGES,) if signal.file_system == "imagefs" else (ReclaimStep.CONTAINERS,)
    return () if signal.file_system == "nodefs" else _EVERYTHING
