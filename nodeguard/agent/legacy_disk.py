"""The disk space manager of Kubernetes 1.3 at work: asks, caches, and lets pods in when it cannot find out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from nodeguard.policy.legacy_disk import (
    DiskSpacePolicy,
    FsInfo,
    SpaceVerdict,
    is_recent,
    is_space_available,
    validate_policy,
)

log = logging.getLogger(__name__)

FsInfoProvider = Callable[[], FsInfo]
"""Looks at one file system; OSError when it cannot. The time stamp is the manager's to set."""


class DiskSpaceManager:
    """Whether the file system of images (``runtime``) and the root file system have space enough.

    ``now`` gives seconds of a clock that never jumps.

    Raises:
        ValueError: the policy is negative.
    """

    def __init__(
        self, runtime: FsInfoProvider, root: FsInfoProvider, policy: DiskSpacePolicy, now: Callable[[], float]
    ) -> None:
        validate_policy(policy)
        self._runtime, self._root, self._policy, self._now = runtime, root, policy, now
        self._cached: dict[str, FsInfo] = {}
        self._lock = threading.Lock()

    def is_runtime_disk_space_available(self) -> SpaceVerdict:
        """Whether images find space."""
        return self._is_available("runtime", self._policy.docker_free_disk_mb, self._runtime)

    def is_root_disk_space_available(self) -> SpaceVerdict:
        """Whether volumes and logs find space."""
        return self._is_available("root", self._policy.root_free_disk_mb, self._root)

    def is_out_of_disk(self) -> bool:
        """Whether no new pod may come in: one of the two is short, the one with the images asked first."""
        for what, ask in (
            ("runtime", self.is_runtime_disk_space_available),
            ("root", self.is_root_disk_space_available),
        ):
            verdict = ask()
            if verdict.error:
                log.error("cannot tell the free disk space, assuming enough what=%s error=%s", what, verdict.error)
            if not verdict.is_available:
                return True
        return False

    def _is_available(self, kind: str, threshold_mb: int, ask: FsInfoProvider) -> SpaceVerdict:
        try:
            info = self._info(kind, ask)
        except OSError as e:
            return SpaceVerdict(is_available=True, error=str(e))
        return is_space_available(info, threshold_mb)

    def _info(self, kind: str, ask: FsInfoProvider) -> FsInfo:
        with self._lock:
            now, cached = self._now(), self._cached.get(kind)
            if cached is None or not is_recent(cached, now):
                cached = self._cached[kind] = replace(ask(), timestamp=now)
            return cached
