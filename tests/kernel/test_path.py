from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nodeguard.kernel import path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("secret")
    top = tmp_path / "root"
    (top / "dir").mkdir(parents=True)
    (top / "dir/file").write_text("inside")
    (top / "absolute").symlink_to("/dir/file")
    (top / "up").symlink_to("../../../../secret")
    (top / "out").symlink_to(tmp_path)
    return top


@pytest.fixture(params=["openat2", "walk"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "walk":

        def refuse(*_: object) -> int:
            raise OSError(errno.ENOSYS, "Function not implemented")

        monkeypatch.setattr(path, "_openat2", refuse)
    return str(request.param)


def read(opened: int) -> str:
    with os.fdopen(opened) as file:
        return file.read()


@pytest.mark.parametrize("open_file", [path.open_in_root, path.open_beneath])
def test_plain_paths(root: Path, kernel: str, open_file: Callable[..., int]) -> None:
    assert read(open_file(root, "dir/file")) == "inside"
    with pytest.raises(FileNotFoundError):
        open_file(root, "dir/nothing")


@pytest.mark.parametrize("open_file", [path.open_in_root, path.open_beneath])
@pytest.mark.parametrize("name", ["up", "out/secret", "../secret", "dir/../../secret"])
def test_nothing_outside_is_opened(root: Path, kernel: str, open_file: Callable[..., int], name: str) -> None:
    with pytest.raises(OSError):
        open_file(root, name)


def test_an_absolute_symlink_starts_at_the_root(root: Path) -> None:
    assert read(path.open_in_root(root, "absolute")) == "inside"
    assert read(path.open_in_root(root, "/dir/file")) == "inside"


def test_no_symlink_at_all_beneath(root: Path, kernel: str) -> None:
    with pytest.raises(OSError) as caught:
        path.open_beneath(root, "absolute")
    assert caught.value.errno == errno.ELOOP
    with pytest.raises(OSError) as caught:
        path.open_beneath(root, "/dir/file")
    assert caught.value.errno == errno.EXDEV


def test_files_are_made_with_their_mode(root: Path, kernel: str) -> None:
    os.close(path.open_beneath(root, "dir/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    assert (root / "dir/new").stat().st_mode & 0o777 == 0o600


def test_no_descriptor_is_left_open(root: Path, kernel: str) -> None:
    before = os.listdir("/proc/self/fd")
    for name in ("dir/file", "up", "dir/nothing/x"):
        try:
            os.close(path.open_beneath(root, name))
        except OSError:
            continue
    assert os.listdir("/proc/self/fd") == before
