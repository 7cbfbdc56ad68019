"""What pods take, on real file systems: mounts inside, a disk of their own, one in memory, and one that goes away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopdisk import MIB, ext4, tmpfs
from sandbox import patient

from nodeguard.agent.clock import Clock
from nodeguard.agent.disk import DiskMeter, DiskUsage, read_layout
from nodeguard.agent.host import Paths
from nodeguard.agent.loop import Loop
from nodeguard.agent.scan import Tree
from nodeguard.kernel import filesystem, mount
from nodeguard.model.decode import decode
from nodeguard.model.document import parse
from nodeguard.model.eviction import Layout, PodFacts
from nodeguard.model.stats import VolumeUsage
from nodeguard.policy.eviction_facts import facts_of

pytestmark = pytest.mark.root

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: p, uid: uid-p}
spec:
  containers: [{name: main, image: host, resources: {limits: {ephemeral-storage: 1Gi}}}]
  volumes: [{name: data, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory}}]
"""


def facts() -> PodFacts:
    (pod,) = decode(parse(MANIFEST, "pod.yaml")).pods
    return facts_of(pod)


@pytest.mark.parametrize("kind", ["tmpfs", "bind of the same disk"])
def test_what_is_mounted_inside_is_not_counted(tmp_path: Path, kind: str) -> None:
    root, inside, outside = tmp_path / "tree", tmp_path / "tree" / "below" / "inside", tmp_path / "outside"
    for directory in (inside, outside):
        directory.mkdir(parents=True)
    (root / "file").write_bytes(b"x" * 4096)
    (outside / "large").write_bytes(b"x" * MIB)
    tree = Tree(root)
    before = tree.measure()
    if kind == "tmpfs":
        mount.mount("ngtest", inside, "tmpfs")
        (inside / "large").write_bytes(b"x" * MIB)
    else:
        mount.bind(outside, inside)
    try:
        seen = tree.measure()
        assert (seen.inodes, seen.used_bytes) == (before.inodes - 1, before.used_bytes - 4096)
    finally:
        mount.unmount(inside)
    assert tree.measure() == before


class Lab:
    """A loop, a meter and the directories of one pod on a disk of their own."""

    def __init__(self, base: Path, nodefs: Path, imagefs: Path | None = None) -> None:
        self.paths = Paths(
            run_dir=base / "run", state_dir=base / "state", log_dir=nodefs / "logs", nodefs=nodefs, imagefs=imagefs
        )
        for directory in (self.paths.run_dir, self.paths.state_dir, self.paths.log_dir):
            directory.mkdir()
        self.loop = Loop(Clock())
        self.changes = 0
        self.meter = DiskMeter(self.loop, self.paths, read_layout(self.paths), on_change=self._changed)
        self.layer = self.paths.pod_layers_dir("uid-p") / "uid-p_main_0" / "upper"
        self.volume = self.paths.pod_state_dir("uid-p") / "volumes" / "data"
        self.memory = self.volume.with_name("memory")
        for directory in (self.layer, self.volume, self.memory):
            directory.mkdir(parents=True)
        mount.mount("ngtest", self.memory, "tmpfs", 0, "size=2m")

    def close(self) -> None:
        self.meter.close()
        self.loop.close()

    def refresh(self) -> DiskUsage:
        done: list[bool] = []
        self.meter.refresh(lambda: done.append(True))
        self.loop.run_until(lambda: bool(done))
        usage = self.meter.usage("uid-p")
        assert usage is not None
        return usage

    def wait_for(self, used_bytes: int) -> DiskUsage:
        """Until the meter finds at least that much by itself."""
        end = self.loop.clock.now() + patient(20)
        self.loop.call_at(end, lambda: None)
        self.loop.run_until(lambda: self._used() >= used_bytes or self.loop.clock.now() >= end)
        usage = self.meter.usage("uid-p")
        assert usage is not None
        assert self._used() >= used_bytes
        return usage

    def _used(self) -> int:
        usage = self.meter.usage("uid-p")
        return (usage.ephemeral_storage.used_bytes if usage is not None else None) or 0

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with ext4(tmp_path / "disk", size_bytes=64 * MIB) as made:
        yield made


@pytest.fixture
def lab(tmp_path: Path, disk: Path) -> Iterator[Lab]:
    made = Lab(tmp_path, disk)
    yield made
    made.close()


def volume(usage: DiskUsage, name: str) -> VolumeUsage:
    return next(each for each in usage.volumes if each.name == name)


def test_bytes_and_inodes_are_found_without_asking(lab: Lab) -> None:
    lab.meter.add(facts())
    lab.wait_for(1)
    changes = lab.changes
    (lab.volume / "file").write_bytes(b"x" * 5 * MIB)
    lab.wait_for(5 * MIB)
    assert lab.changes > changes
    with (lab.layer / "file").open("wb") as file:
        for _ in range(7):
            file.write(b"x" * MIB)
    usage = lab.wait_for(12 * MIB)
    rootfs, logs = usage.containers["main"]
    assert (rootfs.used_bytes or 0) >= 7 * MIB
    assert (rootfs.inodes_used, logs.used_bytes) == (2, 0)
    assert volume(usage, "data").inodes_used == 2
    (lab.volume / "file").unlink()
    for number in range(500):
        (lab.volume / f"f{number}").touch()
    usage = lab.refresh()
    assert volume(usage, "data").inodes_used == 501
    assert (usage.ephemeral_storage.used_bytes or 0) < 8 * MIB


def test_what_pods_take_is_what_the_disk_lacks(lab: Lab) -> None:
    lab.meter.add(facts())
    before, pod_before = filesystem.read(lab.paths.nodefs_dir), lab.refresh().ephemeral_storage
    for number in range(200):
        (lab.volume / f"f{number}").write_bytes(b"x" * 10_000)
    after, pod_after = filesystem.read(lab.paths.nodefs_dir), lab.refresh().ephemeral_storage
    taken = after.used_bytes - before.used_bytes
    assert abs((pod_after.used_bytes or 0) - (pod_before.used_bytes or 0) - taken) <= 65536
    assert (pod_after.inodes_used or 0) - (pod_before.inodes_used or 0) == before.inodes_free - after.inodes_free


def test_a_volume_in_memory_tells_itself_and_counts_for_nothing_else(lab: Lab) -> None:
    lab.meter.add(facts())
    before = lab.refresh()
    (lab.memory / "file").write_bytes(b"x" * MIB)
    usage = lab.refresh()
    assert volume(usage, "memory").used_bytes == MIB
    assert usage.ephemeral_storage == before.ephemeral_storage
    mount.unmount(lab.memory)
    assert volume(lab.refresh(), "memory").used_bytes is None


def test_a_disk_that_is_full_is_measured(lab: Lab) -> None:
    lab.meter.add(facts())
    with pytest.raises(OSError, match="No space left"):
        (lab.volume / "file").write_bytes(b"x" * 80 * MIB)
    used = lab.refresh().ephemeral_storage.used_bytes or 0
    assert used > 40 * MIB
    assert filesystem.read(lab.paths.nodefs_dir).available_bytes < 2 * MIB


def test_files_beyond_the_reach_of_names_are_not_seen(lab: Lab) -> None:
    """As with du: deleted but open. The disk's own figures have them."""
    lab.meter.add(facts())
    lab.refresh()
    file = (lab.volume / "file").open("wb")
    file.write(b"x" * 5 * MIB)
    file.flush()
    before = filesystem.read(lab.paths.nodefs_dir)
    (lab.volume / "file").unlink()
    assert (lab.refresh().ephemeral_storage.used_bytes or 0) < MIB
    assert filesystem.read(lab.paths.nodefs_dir).used_bytes >= before.used_bytes - MIB
    file.close()


def test_an_unmounted_disk_leaves_the_figures_of_what_is_there(lab: Lab) -> None:
    lab.meter.add(facts())
    (lab.volume / "file").write_bytes(b"x" * MIB)
    assert (lab.refresh().ephemeral_storage.used_bytes or 0) >= MIB
    mount.unmount(lab.memory)
    mount.unmount(lab.paths.nodefs_dir)
    assert lab.refresh().ephemeral_storage.used_bytes == 0


def test_fs_3_and_fs_4_layouts(tmp_path: Path, disk: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()

    def layout(nodefs: Path | None = None, imagefs: Path | None = None) -> Layout:
        return read_layout(Paths(run_dir=tmp_path, state_dir=state, log_dir=tmp_path, nodefs=nodefs, imagefs=imagefs))

    assert layout() == Layout()
    assert layout(imagefs=disk) == Layout(dedicated_image_fs=True)
    assert layout(nodefs=disk) == Layout(dedicated_image_fs=True, split_container_fs=True)
    assert layout(nodefs=disk, imagefs=disk) == Layout()
    (disk / "sub").mkdir()
    assert layout(nodefs=disk / "sub", imagefs=disk) == Layout()
    (state / "images").mkdir()
    with tmpfs(state / "images"):
        assert layout() == Layout(dedicated_image_fs=True, split_container_fs=True)
    with pytest.raises(OSError, match="none"):
        layout(nodefs=tmp_path / "none")
    assert os.listdir(state / "images") == []
