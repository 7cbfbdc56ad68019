"""Facts about this host, read from /proc and /sys.

Source: proc(5), capabilities(7), Linux Documentation/admin-guide/mm/hugetlbpage.rst.
"""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from functools import cache
from pathlib import Path

from nodeguard.model.node import NodeCapacity

CAP_SYS_RESOURCE = 24
CAP_SYS_ADMIN = 21
_HUGEPAGES = Path("/sys/kernel/mm/hugepages")
_PRESSURE = Path("/proc/pressure")


@cache
def boot_id() -> str:
    """A word that is another one after every start of the kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def kernel_release() -> str:
    """Such as ``6.1.0-18-amd64``."""
    return platform.release()


def read_meminfo(text: str | None = None) -> dict[str, int]:
    """/proc/meminfo in bytes; the counts of huge pages as they are."""
    found = {}
    for line in (Path("/proc/meminfo").read_text() if text is None else text).splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            found[name] = int(words[0]) * (1024 if words[-1] == "kB" else 1)
    return found


def read_capacity() -> NodeCapacity:
    """What the whole machine has; ``ephemeral_storage_bytes`` is the size of the root file system."""
    meminfo = read_meminfo()
    root = os.statvfs("/")
    return NodeCapacity(
        cpu_millicpu=(os.cpu_count() or 1) * 1000,
        memory_bytes=meminfo["MemTotal"],
        swap_bytes=meminfo.get("SwapTotal", 0),
        pids=min(_read_int("/proc/sys/kernel/pid_max", 32768), _read_int("/proc/sys/kernel/threads-max", 32768)),
        ephemeral_storage_bytes=root.f_blocks * root.f_frsize,
        page_size_bytes=os.sysconf("SC_PAGE_SIZE"),
        hugepages_bytes=read_hugepages(),
    )


def read_hugepages(directory: Path = _HUGEPAGES) -> dict[str, int]:
    """Every huge page size the host has, such as ``2Mi``, with the bytes reserved for it (0 too)."""
    found = {}
    with suppress(FileNotFoundError):
        for entry in sorted(directory.iterdir()):
            size_kib = int(entry.name.removeprefix("hugepages-").removesuffix("kB"))
            found[page_size_name(size_kib)] = size_kib * 1024 * _read_int(str(entry / "nr_hugepages"), 0)
    return found


def page_size_name(size_kib: int) -> str:
    """Kubernetes' word for a page size: 2048 → ``2Mi``."""
    for unit in ("Ki", "Mi"):
        if size_kib < 1024 or size_kib % 1024:
            return f"{size_kib}{unit}"
        size_kib //= 1024
    return f"{size_kib}Gi"


def effective_capabilities(status: str | None = None) -> int:
    """The capability bits this process may use now."""
    for line in (Path("/proc/self/status").read_text() if status is None else status).splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def has_capability(bit: int) -> bool:
    """Whether this process has the capability with this number."""
    return bool(effective_capabilities() >> bit & 1)


def can_lower_oom_score() -> bool:
    """Whether a negative oom_score_adj can be set: it takes CAP_SYS_RESOURCE."""
    return has_capability(CAP_SYS_RESOURCE)


def has_pressure() -> bool:
    """Whether the kernel measures pressure stalls (PSI); the files may exist and still refuse when it is off."""
    try:
        return bool((_PRESSURE / "memory").read_text())
    except OSError:
        return False


def _read_int(path: str, otherwise: int) -> int:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return otherwise
