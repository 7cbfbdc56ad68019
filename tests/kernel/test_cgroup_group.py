"""What it means that a file of a cgroup could not be opened."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nodeguard.errors import CgroupGone, HostLacks
from nodeguard.kernel.cgroup.group import file_error, open_file


def test_a_group_without_the_file_is_what_the_host_lacks(tmp_path: Path) -> None:
    with pytest.raises(HostLacks, match="memory has no"):
        open_file(str(tmp_path), "memory", "memory.stat", os.O_RDONLY)


def test_no_group_no_file(tmp_path: Path) -> None:
    with pytest.raises(CgroupGone):
        open_file(str(tmp_path / "gone"), "memory", "memory.stat", os.O_RDONLY)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENODEV])
def test_a_group_that_was_made_meanwhile_was_not_there(tmp_path: Path, number: int) -> None:
    (tmp_path / "memory.stat").write_text("")
    error = OSError(number, os.strerror(number))
    assert isinstance(file_error(str(tmp_path), "memory", "memory.stat", error), CgroupGone)


def test_a_group_that_is_removed_between_two_looks_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = tmp_path / "group"
    group.mkdir()

    def exists(path: str) -> bool:
        group.rmdir()
        return False

    monkeypatch.setattr(os.path, "exists", exists)
    error = OSError(errno.ENOENT, "gone")
    assert isinstance(file_error(str(group), "memory", "memory.stat", error), CgroupGone)


def test_a_refusal_is_told_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("")
    error = file_error(str(tmp_path), "memory", "memory.max", OSError(errno.EPERM, "not permitted"))
    assert isinstance(error, OSError)
    assert error.filename == str(tmp_path / "memory.max")
