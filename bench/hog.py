"""The hog: the same in C (hog.c, compiled where there is a compiler) and in Python.

``python3 hog.py GO (memory|bytes|inodes) RATE MOST [DIRECTORY]``; needs nothing but the standard library.
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

CHUNK = 256 * 1024
FILES = 16
FORGIVEN_SECONDS = 0.005
"""How far behind its rate it may be and catch up; what it loses on a busy machine beyond that is lost."""
NAME = "nghog"
"""What a hog's process is called, so that an observer finds it."""


def build(directory: Path) -> list[str]:
    """Put the hog into the directory; return how it is started from there, with relative paths."""
    source, program = Path(__file__).with_name("hog.c"), directory / NAME
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler:
        done = subprocess.run([compiler, "-O2", "-o", program, source], capture_output=True, check=False)
        if done.returncode == 0:
            return [f"./{NAME}"]
    shutil.copyfile(__file__, program)
    return ["python3", f"./{NAME}"]


def take(kind: str, rate: float, most: int, directory: str) -> None:
    """Take at that rate, per second, up to that many bytes or inodes."""
    block = b"\1" * CHUNK
    memory = mmap.mmap(-1, most + CHUNK, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) if kind == "memory" else None
    if memory is not None:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    fd = os.open(f"{directory}/hog", os.O_CREAT | os.O_WRONLY) if kind == "bytes" else -1
    started = time.monotonic()
    for taken in range(0, most, FILES if kind == "inodes" else CHUNK):
        ahead = started + taken / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        elif ahead < -FORGIVEN_SECONDS:
            started -= ahead
        try:
            if memory is not None:
                memory[taken : taken + CHUNK] = block
            elif kind == "bytes":
                os.write(fd, block)
            else:
                for number in range(taken, taken + FILES):
                    os.close(os.open(f"{directory}/{number}", os.O_CREAT | os.O_WRONLY))
        except OSError:
            break  # full: nothing more to take
    while True:
        signal.pause()


if __name__ == "__main__":
    Path("/proc/self/comm").write_text(NAME)
    with open(sys.argv[1], "rb", buffering=0) as go:
        go.read(1)
    take(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), sys.argv[5] if len(sys.argv) > 5 else "")
