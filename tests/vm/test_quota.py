"""Project quotas, which the kernels of most containers and CI machines are built without."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeguard.agent.pod_disk import PodDisk, PodPlaces, VolumePlace
from nodeguard.agent.scan import Tree
from nodeguard.kernel import mount, quota
from nodeguard.runtime.rootfs import mount_rootfs, unmount_rootfs

pytestmark = pytest.mark.root

MIB = 1 << 20


def command(*words: str | Path) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)


@pytest.fixture(params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    image, at = tmp_path / "image", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(400 * MIB)
    make = {"ext4": ("mkfs.ext4", "-q", "-F", "-O", "project,quota"), "xfs": ("mkfs.xfs", "-q")}[request.param]
    command(*make, image)
    at.mkdir()
    command("mount", "-o", "loop,prjquota", image, at)
    yield at
    for point in mount.mounts_below(at):
        mount.unmount(point)


def test_a_claimed_directory_is_counted_by_the_file_system(disk: Path) -> None:
    claimed, other = disk / "claimed", disk / "other"
    for directory in (claimed, other):
        directory.mkdir()
    number = quota.claim(claimed)
    assert number is not None
    assert quota.claim(claimed) == number
    assert quota.is_on(disk)
    assert quota.read(other) is None
    (claimed / "a" / "b").mkdir(parents=True)
    for count in range(20):
        (claimed / "a" / "b" / f"f{count}").write_bytes(b"x" * 100_000)
    walked = Tree(claimed).measure()
    assert quota.read(claimed) == (walked.used_bytes, walked.inodes)
    file = (claimed / "open").open("wb")
    file.write(b"x" * 5 * MIB)
    file.flush()
    (claimed / "open").unlink()
    used, inodes = quota.read(claimed) or (0, 0)
    assert used >= walked.used_bytes + 5 * MIB
    assert inodes == walked.inodes + 1
    file.close()
    assert quota.claim(other) != number


def test_a_disk_that_counts_nothing_is_walked(tmp_path: Path) -> None:
    assert quota.claim(tmp_path) is None
    assert not quota.is_on(tmp_path)
    assert quota.read(tmp_path) is None


def places(disk: Path) -> PodPlaces:
    volume = VolumePlace(name="data", path=disk / "volumes" / "data")
    return PodPlaces(layers=disk / "layers", logs=disk / "logs", containers=("main",), volumes=(volume,))


def test_a_pod_is_measured_without_looking_at_its_files(disk: Path) -> None:
    layer = disk / "layers" / "uid_main_0"
    lower = disk / "lower"
    (lower / "etc").mkdir(parents=True)
    (lower / "etc" / "file").write_bytes(b"x" * MIB)
    root = mount_rootfs(lower, layer)
    volume = disk / "volumes" / "data"
    volume.mkdir(parents=True)
    quota.claim(volume)
    pod = PodDisk(places(disk))
    for number in range(500):
        (volume / f"f{number}").write_bytes(b"x" * 10_000)
    with (root / "etc" / "file").open("ab") as file:
        file.write(b"x" * MIB)  # copied up by way of the work directory
    (root / "etc" / "file").rename(root / "moved")
    usage = pod.measure(0.0)
    rootfs, _ = usage.containers["main"]
    assert 2 * MIB <= (rootfs.used_bytes or 0) < 3 * MIB
    assert usage.volumes[0].inodes_used == 501
    assert pod.looked_at < 10
    assert pod.measure(0.0, thorough=True) == usage
    assert pod.looked_at > 500
    unmount_rootfs(layer)


def test_files_taken_out_of_the_project_are_found_by_the_next_thorough_count(disk: Path) -> None:
    volume = disk / "volumes" / "data"
    volume.mkdir(parents=True)
    assert quota.claim(volume) is not None
    pod = PodDisk(places(disk))
    (volume / "hidden").write_bytes(b"x" * 5 * MIB)
    os.sync()
    fd = os.open(volume / "hidden", os.O_RDONLY)
    fields = quota._get_attributes(fd)
    fields[0], fields[3] = 0, 0
    quota.fcntl.ioctl(fd, quota._FS_IOC_FSSETXATTR, quota._FSXATTR.pack(*fields))
    os.close(fd)
    assert (pod.measure(0.0).volumes[0].used_bytes or 0) < MIB
    for thorough in (True, False):
        assert (pod.measure(0.0, thorough=thorough).volumes[0].used_bytes or 0) >= 5 * MIB
