from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeguard.kernel import mount

pytestmark = pytest.mark.root


@pytest.fixture
def place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="ngtest-", dir="/var/tmp"))
    yield directory
    for point in mount.mounts_below(directory):
        mount.unmount(point)
    for path, directories, files in os.walk(directory, topdown=False):
        for name in files:
            (Path(path) / name).unlink()
        for name in directories:
            below = Path(path) / name
            below.unlink() if below.is_symlink() else below.rmdir()
    directory.rmdir()


def test_mounted_listed_and_unmounted(place: Path) -> None:
    name = place / "odd name\\with #"
    name.mkdir()
    mount.mount("ngtest", name, "tmpfs", mount.MS_NOSUID | mount.MS_NODEV, "size=64k,mode=700")
    assert mount.mounts_below(place) == [str(name)]
    assert name.stat().st_mode & 0o777 == 0o700
    mount.unmount(name)
    assert mount.mounts_below(place) == []


def test_deepest_first_and_stacked_ones_twice(place: Path) -> None:
    for _ in range(2):
        mount.mount("ngtest", place, "tmpfs", 0, "size=64k")
    (place / "a").mkdir()
    mount.mount("ngtest", place / "a", "tmpfs", 0, "size=64k")
    assert mount.mounts_below(place) == [str(place / "a"), str(place), str(place)]
    for point in mount.mounts_below(place):
        mount.unmount(point)
    assert mount.mounts_below(place) == []


def test_a_neighbour_with_a_longer_name_is_not_below(place: Path) -> None:
    for name in ("a", "ab"):
        (place / name).mkdir()
    mount.mount("ngtest", place / "ab", "tmpfs", 0, "size=64k")
    assert mount.mounts_below(place / "a") == []


def test_a_read_only_bind(place: Path) -> None:
    source, target = place / "source", place / "target"
    source.mkdir()
    target.mkdir()
    (source / "file").write_text("text")
    mount.bind(source, target, read_only=True)
    assert (target / "file").read_text() == "text"
    with pytest.raises(OSError, match="Read-only"):
        (target / "new").touch()


def test_unmounting_what_is_not_mounted_is_fine(place: Path) -> None:
    mount.unmount(place)
    mount.unmount(place / "nothing")


def test_a_symlink_is_not_followed(place: Path) -> None:
    (place / "real").mkdir()
    mount.mount("ngtest", place / "real", "tmpfs", 0, "size=64k")
    (place / "link").symlink_to(place / "real")
    mount.unmount(place / "link")
    assert mount.mounts_below(place) == [str(place / "real")]


def test_a_refusal_tells_what_was_tried(place: Path) -> None:
    with pytest.raises(OSError, match=r"cannot mount tmpfs \(size=nonsense\)") as caught:
        mount.mount("ngtest", place, "tmpfs", 0, "size=nonsense")
    assert caught.value.filename == str(place)
