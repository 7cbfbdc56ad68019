"""earlyoom, alone with the hog in a PID namespace: it can see, and kill, nobody else.

Its signal stays the whole machine's MemAvailable, so its threshold is set a little below what is there at the start.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.process import CommandFailed

DOWNLOADED = Path(__file__).resolve().parent / "out" / "earlyoom"


def find() -> Path | None:
    """The program: installed, or unpacked from Debian's package without installing it, which would start the daemon."""
    installed = shutil.which("earlyoom")
    if installed:
        return Path(installed)
    program = DOWNLOADED / "usr" / "bin" / "earlyoom"
    if not program.exists() and shutil.which("apt-get"):
        DOWNLOADED.mkdir(parents=True, exist_ok=True)
        for argv in (["apt-get", "download", "earlyoom"], ["sh", "-c", "dpkg-deb -x earlyoom_*.deb ."]):
            if subprocess.run(argv, cwd=DOWNLOADED, capture_output=True, check=False).returncode != 0:
                return None
    return program if program.exists() else None


class MemAvailable:
    """MemAvailable of the machine, read from a file that is kept open."""

    def __init__(self) -> None:
        self._fd = os.open("/proc/meminfo", os.O_RDONLY)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def read(self) -> int:
        """Bytes."""
        text = os.pread(self._fd, 256, 0)
        start = text.index(b"MemAvailable:") + len(b"MemAvailable:")
        return int(text[start : text.index(b"kB", start)]) * 1024


@contextlib.contextmanager
def alone(program: Path, threshold_bytes: int, command: list[str], directory: Path, name: str) -> Iterator[int]:
    """Run earlyoom and the command in a PID namespace of their own; yields the command's process id outside of it.

    Both of earlyoom's limits are the threshold: it sends SIGKILL at once.
    """
    kib = threshold_bytes // 1024
    script = '"$0" -M "$1,$1" -r 0 & shift; "$@" & wait'
    argv = [
        *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *("sh", "-c", script, str(program), str(kib), *command),
    ]
    log = directory / "earlyoom.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield _find(process, name, log)
    finally:
        process.kill()
        process.wait()


def _find(process: subprocess.Popen[bytes], name: str, log: Path) -> int:
    """The process of that name below the namespace's first one, once earlyoom is ready."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        found = [pid for pid in _descendants(process.pid) if _name(pid) == name]
        if found and b"mem avail" in log.read_bytes() + b"mem avail":
            time.sleep(0.3)
            return found[0]
        time.sleep(0.01)
    raise CommandFailed(f"earlyoom did not start: {log.read_text()[-1000:]}")


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [below for child in children for below in _descendants(child)]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
