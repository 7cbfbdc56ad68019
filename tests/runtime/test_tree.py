from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodeguard.errors import Conflict
from nodeguard.runtime import tree
from nodeguard.runtime.tree import remove_tree


def test_nothing_there_is_fine(tmp_path: Path) -> None:
    remove_tree(tmp_path / "none")
    remove_tree(tmp_path / "none" / "below")


def test_everything_goes_and_symlinks_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    top = tmp_path / "top"
    for name in ("a/b/c", "a/d", "e"):
        (top / name).mkdir(parents=True)
    (top / "a/b/file").write_text("x")
    (top / "link").symlink_to(outside)
    (top / "a/link").symlink_to(outside)
    (top / "dangling").symlink_to("/nope")
    os.mkfifo(top / "fifo")
    (top / "shut").mkdir(mode=0)
    remove_tree(top)
    assert not top.exists()
    assert (outside / "kept").read_text() == "x"


def test_a_symlink_itself_is_removed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    remove_tree(tmp_path / "link")
    assert os.listdir(tmp_path) == ["outside"]


def test_a_file_is_removed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    remove_tree(tmp_path / "file")
    assert not os.listdir(tmp_path)


def test_any_depth(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(3000):  # deeper than the recursion limit, more than open files, longer than PATH_MAX
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    before = os.listdir("/proc/self/fd")
    remove_tree(top)
    assert not top.exists()
    assert os.listdir("/proc/self/fd") == before


def test_what_stays_mounted_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "top").mkdir()
    monkeypatch.setattr(tree, "mounts_below", lambda path: [f"{path}/volume"])
    monkeypatch.setattr(tree, "unmount", lambda path: None)
    with pytest.raises(Conflict, match="top/volume cannot be unmounted"):
        remove_tree(tmp_path / "top")
    assert (tmp_path / "top").is_dir()


def test_a_mount_that_appears_meanwhile_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "top" / "below").mkdir(parents=True)
    (tmp_path / "top" / "below" / "kept").touch()
    ids = iter(["1", "2"])
    monkeypatch.setattr(tree, "mount_id", lambda fd: next(ids))
    with pytest.raises(Conflict, match="a file system is mounted at top/below"):
        remove_tree(tmp_path / "top")
    assert (tmp_path / "top" / "below" / "kept").exists()
