"""The same race on a file system: a hog writes, or makes files, on a small ext4 of its own."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import hog
from bench.arena import Arena
from bench.process import CommandFailed
from bench.product import Product
from bench.race import ARENA_BYTES, MIB, REPOSITORY, Place, evicted, name_of, pod, running
from bench.watch import NotDecided, Race, watch

SIZE_BYTES = 768 * MIB
INODES = 98304


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What runs short, how fast, and when it counts."""

    name: str
    rate: float
    most: int
    signal: str

    @property
    def is_inodes(self) -> bool:
        return self.name == "inodes"

    @property
    def threshold(self) -> int:
        """Half of the file system."""
        return INODES // 2 if self.is_inodes else SIZE_BYTES // 2

    def available(self, fd: int) -> int:
        """What the file system has left."""
        stat = os.fstatvfs(fd)
        return stat.f_favail if self.is_inodes else stat.f_bavail * stat.f_frsize


BYTES = Kind(name="bytes", rate=256.0 * MIB, most=SIZE_BYTES, signal="nodefs.available")
FILES = Kind(name="inodes", rate=20000.0, most=INODES, signal="nodefs.inodesFree")


class FileSystem:
    """An ext4 in a file, mounted."""

    def __init__(self, base: Path) -> None:
        self.path = base / "nodefs"
        self._image = base / "nodefs.img"
        self.path.mkdir()
        with open(self._image, "wb") as f:
            f.truncate(SIZE_BYTES + 64 * MIB)
        options = ("-q", "-m", "0", "-N", str(INODES), "-E", "lazy_itable_init=0,lazy_journal_init=0")
        for argv in (
            ["mkfs.ext4", *options, str(self._image)],
            ["mount", "-o", "loop", str(self._image), str(self.path)],
        ):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise CommandFailed(f"{argv[0]}: {done.stderr.strip()}")

    def close(self) -> None:
        """Take it away."""
        subprocess.run(["umount", "--lazy", str(self.path)], check=False)
        self._image.unlink()

    @contextlib.contextmanager
    def opened(self, kind: Kind) -> Iterator[tuple[Callable[[], int], Callable[[], int]]]:
        """How much is left, and how much is taken, on a scale that begins anywhere."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield (lambda: kind.available(fd)), (lambda: -kind.available(fd))
        finally:
            os.close(fd)


def with_nodeguard(
    product: Product, cgroup: str, place: Place, filesystem: FileSystem, kind: Kind, extra: tuple[str, ...] = ()
) -> Race:
    """One race against ``nodeguard run --nodefs``; what comes back is the volume of the evicted pod."""
    pods = [pod("hog", place.hog_command(kind.name, kind.rate, kind.most, "/data"), place.base, cpu="1")]
    options = ["--nodefs", str(filesystem.path), "--eviction-hard", f"{kind.signal}<{kind.threshold}", *extra]
    with (
        filesystem.opened(kind) as (available, taken),
        running(product, cgroup, place, pods, options) as (_, pid, events),
    ):
        place.settle()
        race = watch(pid, available=available, threshold=kind.threshold, go=place.go, taken=taken, timeout_seconds=15)
    if not evicted(events):
        raise NotDecided(f"killed, but not by an eviction: {events.read_text()[-2000:]}")
    return race


def with_poller(place: Place, filesystem: FileSystem, kind: Kind, interval_seconds: float) -> Race:
    """One race against a poller, which removes nothing."""
    directory = filesystem.path / "hog"
    directory.mkdir()
    arena = Arena(f"{place.name}-arena", ARENA_BYTES)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        stack.callback(arena.close)
        available, taken = stack.enter_context(filesystem.opened(kind))
        command = arena.command(place.hog_command(kind.name, kind.rate, kind.most, str(directory)))
        process = subprocess.Popen(command, cwd=place.base, stdin=subprocess.DEVNULL)
        stack.callback(process.wait)
        stack.callback(process.kill)
        stack.callback(place.clear)
        while name_of(process.pid) != hog.NAME:
            time.sleep(0.01)
        place.settle()
        argv = [
            *(sys.executable, "-m", "bench.poller", "--arena", str(arena.path), "--filesystem", str(filesystem.path)),
            *("--interval", str(interval_seconds), "--first", str(random.uniform(0, interval_seconds))),
            *("--threshold", str(kind.threshold), *(["--inodes"] if kind.is_inodes else [])),
        ]
        poller = subprocess.Popen(argv, cwd=REPOSITORY, stdin=subprocess.DEVNULL)
        stack.callback(poller.wait)
        stack.callback(poller.kill)
        time.sleep(0.2)
        return watch(
            process.pid,
            available=available,
            threshold=kind.threshold,
            go=place.go,
            taken=taken,
            comes_back=False,
            timeout_seconds=3 * interval_seconds + 10,
        )
