"""Small file systems of a test's own, on loop devices and in memory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nodeguard.kernel import mount

MIB = 1 << 20


@contextmanager
def ext4(at: Path, *, size_bytes: int = 32 * MIB, inodes: int | None = None, kept_percent: int = 0) -> Iterator[Path]:
    """An ext4 of this size mounted at ``at``; ``kept_percent`` of it are for root alone."""
    image = at.with_name(f"{at.name}.img")
    with image.open("wb") as file:
        file.truncate(size_bytes)
    words = ["mkfs.ext4", "-q", "-F", "-m", str(kept_percent), *(["-N", str(inodes)] if inodes else []), str(image)]
    subprocess.run(words, check=True, capture_output=True)
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(at)], check=True, capture_output=True)
    try:
        yield at
    finally:
        for point in mount.mounts_below(at):
            mount.unmount(point)
        image.unlink()


@contextmanager
def tmpfs(at: Path, options: str = "size=1m") -> Iterator[Path]:
    """A tmpfs mounted at ``at``."""
    at.mkdir(exist_ok=True)
    mount.mount("ngtest", at, "tmpfs", mount.MS_NOSUID | mount.MS_NODEV, options)
    try:
        yield at
    finally:
        for point in mount.mounts_below(at):
            mount.unmount(point)
