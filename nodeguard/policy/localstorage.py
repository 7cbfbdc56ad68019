"""Pods that exceed their own limits of local storage.

Source: kubernetes, pkg/kubelet/eviction/eviction_manager.go, localStorageEviction.
"""

from __future__ import annotations

from dataclasses import dataclass

from nodeguard.model.eviction import Layout, LocalLimit, PodFacts
from nodeguard.model.quantity import BINARY_SI, Quantity
from nodeguard.model.stats import FsUsage, PodUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """The first limit found exceeded; ``message`` is the kubelet's, ``where`` names the volume or container."""

    kind: LocalLimit
    where: str
    usage: int
    limit: Quantity
    message: str


def find_violation(facts: PodFacts, usage: PodUsage, layout: Layout) -> Violation | None:
    """Look at emptyDir volumes, then the pod as a whole, then its containers; a limit may be reached, not exceeded."""
    return _volume(facts, usage) or _whole(facts, usage) or _container(facts, usage, layout)


def _volume(facts: PodFacts, usage: PodUsage) -> Violation | None:
    """Memory-backed volumes have limits too; a volume of unknown size is not judged."""
    if not facts.volume_limits:
        return None
    used = {volume.name: volume.used_bytes for volume in usage.volumes if volume.used_bytes is not None}
    for name, limit in facts.volume_limits.items():
        if name in used and _bytes(used[name]) > limit:
            return Violation(
                kind=LocalLimit.EMPTY_DIR,
                where=name,
                usage=used[name],
                limit=limit,
                message=f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". ',
            )
    return None


def _whole(facts: PodFacts, usage: PodUsage) -> Violation | None:
    """One container with a limit is enough for the pod to have one: the sum of those there are."""
    limit, used = facts.storage_limit, _used(usage.ephemeral_storage)
    if limit is None or _bytes(used) <= limit:
        return None
    return Violation(
        kind=LocalLimit.POD,
        where=facts.pod.meta.name,
        usage=used,
        limit=limit,
        message=f"Pod ephemeral local storage usage exceeds the total limit of containers {limit}. ",
    )


def _container(facts: PodFacts, usage: PodUsage, layout: Layout) -> Violation | None:
    """With a dedicated imagefs, upstream does not see the writable layer here."""
    for container in usage.containers if facts.container_limits else ():
        limit = facts.container_limits.get(container.name)
        used = _used(container.logs) + (0 if layout.dedicated_image_fs else _used(container.rootfs))
        if limit is not None and _bytes(used) > limit:
            return Violation(
                kind=LocalLimit.CONTAINER,
                where=container.name,
                usage=used,
                limit=limit,
                message=f'Container {container.name} exceeded its local ephemeral storage limit "{limit}". ',
            )
    return None


def _used(usage: FsUsage | None) -> int:
    return (usage.used_bytes if usage is not None else None) or 0


def _bytes(count: int) -> Quantity:
    return Quantity.from_int(count, BINARY_SI)
