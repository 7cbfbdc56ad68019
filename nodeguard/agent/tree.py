"""The root and the three tiers, shared by all nodeguard processes of the host.

Whoever comes first makes them, whoever goes last removes them; in between each writes its own share of CPU requests
and the tier weights become the sums. Everything here happens under one short-held lock.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nodeguard.agent.record import Owner, Share, pod_dirs, shares
from nodeguard.agent.root import Root
from nodeguard.errors import Conflict
from nodeguard.kernel.cgroup.driver import Driver
from nodeguard.model.node import CgroupLimits, NodeCapacity
from nodeguard.model.pod import QOSClass
from nodeguard.policy import limits
from nodeguard.policy.capacity import Reservations
from nodeguard.policy.control import control_files
from nodeguard.policy.setting import ResourceSettings
from nodeguard.runtime import rootfs

log = logging.getLogger(__name__)

OWNER_MARK = "root"
"""The mark on the root and tier cgroups; a pod's cgroup carries its uid."""


class Tree:
    """The cgroups above the pods, as seen by this process."""

    def __init__(
        self,
        root: Root,
        run_dir: Path,
        *,
        owner: Owner,
        capacity: NodeCapacity,
        settings: ResourceSettings,
        reserved: Reservations,
    ) -> None:
        """``reserved`` is kept from all pods together: it is not part of the root's limits."""
        self._driver, self._root, self._run_dir = root.driver, root.path, run_dir
        self._release = root.release
        self._owner, self._capacity, self._settings = owner, capacity, settings
        self._reserved = reserved
        self._millicpu: Counter[str] = Counter()
        self._pods = 0
        self._written: dict[str, CgroupLimits] = {}

    @property
    def root(self) -> str:
        """The root's cgroup."""
        return self._root

    def tier(self, qos: QOSClass) -> str:
        """The cgroup of a tier."""
        return f"{self._root}/{qos.tier}"

    def pod(self, qos: QOSClass, uid: str) -> str:
        """The cgroup of a pod."""
        return f"{self.tier(qos)}/pod{uid}"

    def open(self) -> None:
        """Make root and tiers, and write what the node may give to pods.

        Raises:
            Conflict: another process uses the root with another capacity, or the cgroup is not nodeguard's.
        """
        with self.locked():
            for other in shares(self._run_dir, self._owner.boot_id):
                if other.capacity != self._capacity_key():
                    raise Conflict(
                        f"process {other.owner.pid} uses {self._root} with another capacity "
                        f"({other.capacity}, here {self._capacity_key()})"
                    )
            self._driver.create(self._root, OWNER_MARK)
            self._write(self._root, limits.root_limits(self._capacity, self._settings, self._reserved))
            for qos in QOSClass:
                self._driver.create(self.tier(qos), OWNER_MARK)
            self._share_and_weigh()

    def add(self, qos: QOSClass, millicpu: int) -> None:
        """Count a pod that has been admitted; ``weigh`` makes it felt."""
        self._millicpu[qos.tier] += millicpu
        self._pods += 1

    def discount(self, qos: QOSClass, millicpu: int) -> None:
        """A counted pod is gone."""
        self._millicpu[qos.tier] -= millicpu
        self._pods -= 1

    def weigh(self) -> None:
        """Write this process's share, and the tiers' weights as the sums over all processes."""
        with self.locked():
            self._share_and_weigh()

    def close(self) -> None:
        """Take this process's share back; the last one removes the root."""
        with self.locked():
            (self._run_dir / "owners" / f"{self._owner.pid}.json").unlink(missing_ok=True)
            remaining = shares(self._run_dir, self._owner.boot_id)
            if not remaining and not any(pod_dirs(self._run_dir)):
                try:
                    remove_root(self._driver, self._root)
                    self._release()
                except Conflict as e:
                    log.warning("cgroup not removed: %s", e)
                rootfs.unmount_host(self._run_dir)
            elif not self._pods:  # else they stay, with what they are entitled to
                self._weigh(remaining)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the host-wide lock on the tree."""
        with locked(self._run_dir):
            yield

    def _capacity_key(self) -> dict[str, int]:
        return {"cpu_millicpu": self._capacity.cpu_millicpu, "memory_bytes": self._capacity.memory_bytes}

    def _share_and_weigh(self) -> None:
        Share(
            owner=self._owner, capacity=self._capacity_key(), tier_millicpu=dict(self._millicpu), pods=self._pods
        ).write(self._run_dir)
        self._weigh(shares(self._run_dir, self._owner.boot_id))

    def _weigh(self, all_shares: list[Share]) -> None:
        total: Counter[str] = Counter()
        for share in all_shares:
            total.update(share.tier_millicpu)
        self._write_tiers(total)

    def _write_tiers(self, millicpu: Mapping[str, int]) -> None:
        for qos in QOSClass:
            values = limits.tier_limits(qos, millicpu.get(qos.tier, 0), self._capacity, self._settings)
            if self._written.get(qos.tier) != values:
                self._write(self.tier(qos), values)
                self._written[qos.tier] = values

    def _write(self, path: str, values: CgroupLimits) -> None:
        files = control_files(values, self._driver.version)
        self._driver.write(path, [file for file in files if self._driver.has(file.controller, file.file)])


def remove_root(driver: Driver, root: str) -> None:
    """Root and tiers are gone, if the root is ours. Whatever else is in them is not, and nothing of it is killed.

    Raises:
        Conflict: somebody has groups or processes there, which stay, and the groups above them.
    """
    if driver.owner(root) != OWNER_MARK:
        return
    kept = []
    for path in (*(f"{root}/{qos.tier}" for qos in QOSClass), root):
        if driver.children(path) or driver.processes(path):
            kept.append(path)
        else:
            driver.remove(path)
    if kept:
        raise Conflict(f"{kept[0]} holds groups or processes that are not nodeguard's")


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Hold the lock that guards the tree and the records of all nodeguard processes; held for milliseconds."""
    (run_dir / "owners").mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(run_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
