"""File systems of known size, filled, hidden and taken away."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest
from loopdisk import MIB, ext4, tmpfs

from nodeguard.kernel import filesystem, mount

pytestmark = pytest.mark.root


def stat_of(path: Path) -> list[int]:
    """Block size, blocks, available, free, inodes, free inodes, as coreutils tell them."""
    words = ["stat", "-f", "-c", "%S %b %a %f %c %d", str(path)]
    return [int(word) for word in subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()]


def test_numbers_are_those_of_stat(tmp_path: Path) -> None:
    with ext4(tmp_path / "disk", inodes=1000) as disk:
        before = filesystem.read(disk)
        (disk / "file").write_bytes(b"x" * 5 * MIB)
        unit, blocks, available, free, inodes, inodes_free = stat_of(disk)
        seen = filesystem.read(disk)
        assert (seen.capacity_bytes, seen.available_bytes) == (unit * blocks, unit * available)
        assert (seen.used_bytes, seen.inodes, seen.inodes_free) == (unit * (blocks - free), inodes, inodes_free)
        assert seen.used_bytes - before.used_bytes >= 5 * MIB  # also while nothing is on the disk yet
        assert before.inodes_free - seen.inodes_free == 1
        assert (seen.mount_point, seen.type, seen.device) == (str(disk), "ext4", disk.stat().st_dev)
        assert seen.source.startswith("/dev/loop")


def test_fs_1_what_is_kept_for_root_is_not_available(tmp_path: Path) -> None:
    with ext4(tmp_path / "disk", kept_percent=20) as disk:
        seen = filesystem.read(disk)
        assert seen.capacity_bytes - seen.used_bytes - seen.available_bytes > 5 * MIB


def test_a_directory_deep_inside_tells_the_same_mount(tmp_path: Path) -> None:
    with ext4(tmp_path / "a disk") as disk:
        below = disk / "some" / "where"
        below.mkdir(parents=True)
        assert filesystem.read(below).mount_point == str(disk)


def test_an_open_one_follows_what_happens_and_is_stale_once_it_is_gone(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk") as disk:
        opened = filesystem.OpenFileSystem(disk)
        assert opened.read().used_bytes == 0
        (disk / "file").write_bytes(b"x" * 8192)
        assert opened.read().used_bytes == 8192
        mount.unmount(disk)
        with pytest.raises(OSError, match="not mounted there any more") as caught:
            opened.read()
        assert caught.value.errno == errno.ESTALE
        opened.close()
        opened.close()


def test_another_one_mounted_above_makes_it_stale_too(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk") as disk:
        opened = filesystem.OpenFileSystem(disk)
        mount.mount("ngtest", disk, "tmpfs")
        with pytest.raises(OSError, match="not mounted there any more"):
            opened.read()
        opened.close()


def test_one_without_a_size_is_told_as_such() -> None:
    seen = filesystem.read("/proc")
    assert (seen.capacity_bytes, seen.available_bytes, seen.inodes) == (0, 0, 0)
    assert seen.type == "proc"


def test_what_is_not_there_or_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(OSError, match=path.name):
            filesystem.read(path)
    before = len(os.listdir("/proc/self/fd"))
    filesystem.read(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before
