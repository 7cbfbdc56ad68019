"""Volumes whose files change all at once."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from nodeguard.runtime.projected import ensure_directory, write


@dataclass(frozen=True)
class File:
    path: str
    content: bytes = b""
    mode: int = 0o644


def seen(directory: Path) -> dict[str, bytes]:
    """What a container sees."""
    found = {}
    for base, _, names in os.walk(directory, followlinks=True):
        for name in names:
            path = Path(base) / name
            if not str(path.relative_to(directory)).startswith(".."):
                found[str(path.relative_to(directory))] = path.read_bytes()
    return found


def test_files_are_there_through_one_link(tmp_path: Path) -> None:
    assert write(tmp_path, [File("a", b"1", 0o400), File("deep/er/b", b"2")], gid=None)
    assert seen(tmp_path) == {"a": b"1", "deep/er/b": b"2"}
    assert (tmp_path / "a").readlink() == Path("..data/a")
    assert (tmp_path / "deep").readlink() == Path("..data/deep")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o755


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, [File("a", b"1")], gid=None)
    before = (tmp_path / "..data").readlink()
    assert not write(tmp_path, [File("a", b"1")], gid=None)
    assert (tmp_path / "..data").readlink() == before
    assert write(tmp_path, [File("a", b"1", 0o600)], gid=None), "another mode is a change"


def test_files_come_change_and_go_and_nothing_else_stays(tmp_path: Path) -> None:
    write(tmp_path, [File("a", b"1"), File("b/c", b"2")], gid=None)
    write(tmp_path, [File("a", b"3"), File("d", b"4")], gid=None)
    assert seen(tmp_path) == {"a": b"3", "d": b"4"}
    version = str((tmp_path / "..data").readlink())
    assert set(os.listdir(tmp_path)) == {"..data", version, "a", "d"}
    write(tmp_path, [], gid=None)
    assert seen(tmp_path) == {}


def test_what_a_crash_left_goes(tmp_path: Path) -> None:
    write(tmp_path, [File("a", b"1")], gid=None)
    (tmp_path / "..half").mkdir()
    (tmp_path / "..half" / "a").write_text("half")
    (tmp_path / "..data_tmp").symlink_to("..half")
    write(tmp_path, [File("a", b"2")], gid=None)
    assert seen(tmp_path) == {"a": b"2"}
    assert "..half" not in os.listdir(tmp_path)


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    write(tmp_path, [File("a", b"1")], gid=None)
    with pytest.raises(OSError):
        write(tmp_path, [File("a", b"2"), File("x" * 300, b"")], gid=None)
    assert seen(tmp_path) == {"a": b"1"}
    assert len(os.listdir(tmp_path)) == 3


def test_a_reader_sees_all_old_or_all_new(tmp_path: Path) -> None:
    def files(number: int) -> list[File]:
        return [File(name, b"%d" % number) for name in ("a", "b", "c")]

    write(tmp_path, files(0), gid=None)
    mixed: list[set[bytes]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            fd = os.open(tmp_path / "..data", os.O_RDONLY | os.O_DIRECTORY)
            try:
                found = {Path(f"/proc/self/fd/{fd}/{name}").read_bytes() for name in ("a", "b", "c")}
            except FileNotFoundError:  # this version has gone; what it held was of one piece
                continue
            finally:
                os.close(fd)
            if len(found) != 1:
                mixed.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 100):
        write(tmp_path, files(number), gid=None)
    done.set()
    reader.join()
    assert not mixed


@pytest.mark.root
@pytest.mark.anywhere
def test_the_group_may_read(tmp_path: Path) -> None:
    write(tmp_path, [File("a", b"1", 0o400)], gid=1234)
    found = (tmp_path / "a").stat()
    assert (found.st_gid, found.st_mode & 0o777) == (1234, 0o440)


@pytest.mark.root
@pytest.mark.anywhere
def test_what_may_hold_a_secret_is_in_memory(tmp_path: Path) -> None:
    from nodeguard.kernel import mount

    directory = tmp_path / "v"
    ensure_directory(directory, in_memory=True)
    ensure_directory(directory, in_memory=True)
    try:
        kinds = [entry.file_system for entry in mount.list_mounts() if entry.mount_point == str(directory)]
        assert kinds == ["tmpfs"]
    finally:
        mount.unmount(directory)
