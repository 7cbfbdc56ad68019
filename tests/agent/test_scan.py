"""Counting a tree: what du counts, again and again, while somebody plays tricks."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nodeguard.agent import scan
from nodeguard.agent.scan import Tree, TreeSize
from nodeguard.kernel import path as path_module

KIB = 1024


def du(root: Path) -> TreeSize:
    """What coreutils count, each inode once."""

    def count(*words: str) -> int:
        text = subprocess.run(["du", "-sx", *words, str(root)], check=True, capture_output=True, text=True).stdout
        return int(text.split()[0])

    return TreeSize(count("-B1"), count("--inodes"))


def fill(directory: Path, count: int, size: int = KIB) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (directory / f"f{number}").write_bytes(b"x" * size)
    return directory


def age(root: Path) -> None:
    """Let all of it have been there for a while: the kernel alone sets the time that counts."""
    time.sleep(scan.GRANULARITY_NS / 1e9 * 1.2)
    assert root.is_dir()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    made.mkdir()
    return made


def _plain(root: Path) -> None:
    fill(root / "a" / "b", 5)
    fill(root / "c", 3, 100 * KIB)


def _large(root: Path) -> None:
    fill(root / "large", 3 * scan.SMALL_FILES)


def _sparse(root: Path) -> None:
    with (root / "sparse").open("wb") as file:
        file.truncate(1 << 30)


def _hard_links(root: Path) -> None:
    fill(root / "a", 2, 50 * KIB)
    (root / "b").mkdir()
    (root / "b" / "same").hardlink_to(root / "a" / "f0")
    (root / "a" / "again").hardlink_to(root / "a" / "f0")


def _symlinks(root: Path) -> None:
    (root / "out").symlink_to("/usr")
    (root / "up").symlink_to("..")
    (root / "self").symlink_to("self")
    (root / "dangling").symlink_to("/none/of/it")
    (root / "long").symlink_to("x" * 3000)


def _special(root: Path) -> None:
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "socket"))


def _odd_names(root: Path) -> None:
    for name in ("line\nfeed", "blank ", "-rf", "ünï", "x" * 255):
        fill(root / name, 1)
    (root / "\udcff not UTF-8").mkdir()


def _deep(root: Path) -> None:
    here = os.open(root, os.O_RDONLY)
    for _ in range(3 * scan.DEEPEST_OPEN):
        os.mkdir("d" * 20, dir_fd=here)
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=here)
        os.close(here)
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=below))
        here = below
    os.close(here)


def _unreadable(root: Path) -> None:
    fill(root / "closed", 2).chmod(0)


TREES = [
    *(_plain, _large, _sparse, _hard_links, _symlinks, _special, _odd_names, _deep, _unreadable),
    pytest.param(lambda root: None, id="empty"),
]


@pytest.mark.parametrize("build", TREES)
def test_counted_is_what_du_counts_however_often(root: Path, build: Callable[[Path], None]) -> None:
    if build is _unreadable and os.geteuid() != 0:
        return
    build(root)
    tree = Tree(root)
    wanted = du(root)
    assert tree.measure() == wanted
    assert tree.measure() == wanted
    age(root)
    tree.measure()
    assert tree.measure() == wanted
    assert tree.measure(thorough=True) == wanted


def _add(root: Path) -> None:
    (root / "large" / "new").write_bytes(b"x" * 10 * KIB)


def _remove(root: Path) -> None:
    (root / "large" / "f7").unlink()


def _grow_recent(root: Path) -> None:
    (root / "large" / "recent").write_bytes(b"x" * 90 * KIB)


def _shrink_recent(root: Path) -> None:
    os.truncate(root / "large" / "recent", 0)


def _replace_recent(root: Path) -> None:
    fill(root / "other", 1, 40 * KIB)
    (root / "other" / "f0").replace(root / "large" / "recent")


def _add_and_turn_back_the_clock(root: Path) -> None:
    before = (root / "large").stat()
    (root / "large" / "hidden").write_bytes(b"x" * 70 * KIB)
    os.utime(root / "large", ns=(before.st_atime_ns, before.st_mtime_ns))


def _second_name_for_an_old_file(root: Path) -> None:
    (root / "link").hardlink_to(root / "large" / "f3")


def _rename_directory(root: Path) -> None:
    (root / "large").rename(root / "moved")


def _exchange_for_a_symlink(root: Path) -> None:
    (root / "large").rename(root / "moved")
    (root / "large").symlink_to("/usr")


def _exchange_for_a_file(root: Path) -> None:
    (root / "large").rename(root / "moved")
    (root / "large").write_bytes(b"x" * 5 * KIB)


@pytest.mark.parametrize(
    "change",
    [
        *(_add, _remove, _grow_recent, _shrink_recent, _replace_recent, _add_and_turn_back_the_clock),
        *(_second_name_for_an_old_file, _rename_directory, _exchange_for_a_symlink, _exchange_for_a_file),
    ],
)
@pytest.mark.parametrize("many", [0, 10**6], ids=["one of many", "one of few"])
def test_a_change_is_seen_at_once(
    root: Path, change: Callable[[Path], None], many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "RECENT_NS", 40 * 10**6)
    monkeypatch.setattr(scan, "MANY_DIRECTORIES", many)
    fill(root / "large", 3 * scan.SMALL_FILES)
    age(root)
    (root / "large" / "recent").write_bytes(b"x")
    tree = Tree(root)
    tree.measure()
    age(root)
    (root / "large" / "recent").write_bytes(b"xy")
    tree.measure()
    assert tree.measure() == du(root)
    change(root)
    assert tree.measure() == du(root)


def test_a_quiet_large_directory_costs_one_look(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "RECENT_NS", 0)
    fill(root / "large", 10 * scan.SMALL_FILES)
    age(root)
    tree = Tree(root)
    tree.measure()
    assert tree.looked_at > 10 * scan.SMALL_FILES
    tree.measure()
    assert tree.looked_at == 2


def test_a_tree_of_many_small_directories_costs_a_look_at_each(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "RECENT_NS", 0)
    monkeypatch.setattr(scan, "MANY_DIRECTORIES", 20)
    for number in range(40):
        fill(root / f"d{number % 8}" / f"d{number}", 10)
    age(root)
    tree = Tree(root)
    tree.measure()
    tree.measure()
    assert (tree.looked_at, tree.measure()) == (49, du(root))
    (root / "d3" / "d11" / "new").write_bytes(b"x" * 20 * KIB)
    (root / "d4" / "d12" / "f3").unlink()
    (root / "d5" / "link").hardlink_to(root / "d6" / "d14" / "f1")
    assert tree.measure() == du(root)


def test_an_old_file_that_grows_is_seen_by_a_thorough_count(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "RECENT_NS", 0)
    fill(root / "large", 3 * scan.SMALL_FILES)
    age(root)
    tree = Tree(root)
    before = tree.measure()
    with (root / "large" / "f9").open("ab") as file:
        file.write(b"x" * 500 * KIB)
    assert tree.measure() == before
    assert tree.measure(thorough=True) == du(root)


def test_many_files_written_to_at_once_are_all_looked_at(root: Path) -> None:
    fill(root / "busy", 3 * scan.SMALL_FILES)
    tree = Tree(root)
    tree.measure()
    age(root)
    tree.measure()
    for number in range(3 * scan.SMALL_FILES):
        (root / "busy" / f"f{number}").write_bytes(b"x" * 9 * KIB)
    assert tree.measure() == du(root)


def test_more_directories_than_are_remembered(root: Path) -> None:
    for number in range(12):
        fill(root / f"d{number}" / "below", scan.SMALL_FILES + 2)
    tree = Tree(root)
    assert tree.measure(remember=5) == du(root)
    age(root)
    fill(root / "d3" / "below", scan.SMALL_FILES + 9)
    (root / "d11" / "below" / "f1").unlink()
    assert tree.measure(remember=5) == du(root)
    age(root)
    assert tree.measure(remember=5) == du(root)
    assert tree.measure(remember=1000) == du(root)


def test_a_root_that_is_missing_a_symlink_or_a_file(root: Path) -> None:
    for name in ("none", "link", "file"):
        (root / "link").is_symlink() or (root / "link").symlink_to("/usr")
        (root / "file").touch()
        with pytest.raises(OSError, match=name):
            Tree(root / name).measure()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        Tree(root / "none").measure()
    assert len(os.listdir("/proc/self/fd")) == before


def test_directories_that_come_and_go_while_they_are_counted(root: Path) -> None:
    fill(root / "stays", 10)
    is_over = threading.Event()

    def churn() -> None:
        while not is_over.is_set():
            fill(root / "goes" / "deep" / "er", 20)
            subprocess.run(["rm", "-rf", str(root / "goes")], check=True)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        tree = Tree(root)
        for _ in range(200):
            assert tree.measure().inodes >= 12
    finally:
        is_over.set()
        thread.join()
    assert tree.measure() == du(root)


def test_nobody_leads_the_count_out_of_the_tree(root: Path, tmp_path: Path) -> None:
    """A directory is exchanged for a symlink to a large one, and back, as fast as possible."""
    fill(tmp_path / "outside" / "below", 500)
    fill(root / "trap" / "below", 1)
    link = root / "link"
    link.symlink_to(tmp_path / "outside")
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            (root / "trap").rename(root / "aside")
            link.rename(root / "trap")
            (root / "trap").rename(link)
            (root / "aside").rename(root / "trap")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        tree = Tree(root)
        assert max(tree.measure().inodes for _ in range(500)) < 20
    finally:
        is_over.set()
        thread.join()


def test_directories_moved_about_deep_down_do_not_break_the_count(root: Path) -> None:
    _deep(root)
    is_over = threading.Event()

    def move() -> None:
        place = os.open(root, os.O_RDONLY)
        for _ in range(scan.DEEPEST_OPEN + 20):
            below = os.open("d" * 20, os.O_RDONLY, dir_fd=place)
            os.close(place)
            place = below
        while not is_over.is_set():
            os.rename("d" * 20, root / "elsewhere", src_dir_fd=place)
            os.rename(root / "elsewhere", "d" * 20, dst_dir_fd=place)
        os.close(place)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        tree = Tree(root)
        for _ in range(50):
            tree.measure()
    finally:
        is_over.set()
        thread.join()
    before = len(os.listdir("/proc/self/fd"))
    assert tree.measure() == du(root)
    assert len(os.listdir("/proc/self/fd")) == before


def test_kernels_without_openat2(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path_module, "_SYS_OPENAT2", 100_000)
    monkeypatch.setattr(scan, "_open_subdirectory", path_module.subdirectory_opener())
    _plain(root)
    _symlinks(root)
    assert Tree(root).measure() == du(root)


def test_a_disk_that_does_not_answer(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _plain(root)

    def fail(parent: int, name: str) -> int:
        raise OSError(5, "Input/output error", name)

    monkeypatch.setattr(scan, "_open_subdirectory", fail)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="Input/output"):
        Tree(root).measure()
    assert len(os.listdir("/proc/self/fd")) == before
    assert stat.S_ISDIR(root.stat().st_mode)
