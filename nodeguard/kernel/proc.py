"""Facts about the machine, from /proc and /sys. Unknown is None, never zero."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from nodeguard.errors import HostLacks
from nodeguard.model.node import NodeCapacity

PROC, SYS = Path("/proc"), Path("/sys")

_CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
"""By number. Source: Linux, include/uapi/linux/capability.h."""

_MEMINFO_LINE = re.compile(r"^([A-Za-z0-9_()]+):\s+([0-9]+)(?: kB)?$", re.MULTILINE)
_HUGEPAGES_NAME = re.compile(r"hugepages-([0-9]+)kB")


def read_capacity(proc: Path = PROC, sys: Path = SYS) -> NodeCapacity:
    """What the machine has.

    Source: kubelet, pkg/kubelet/cadvisor (MachineInfo); cpus are those this process may use.

    Raises:
        HostLacks: /proc does not tell the memory.
    """
    memory = read_meminfo(proc)
    if "MemTotal" not in memory:
        raise HostLacks(f"{proc}/meminfo does not tell MemTotal")
    pids = pid_limit(proc)
    return NodeCapacity(
        cpu_millicpu=1000 * len(os.sched_getaffinity(0)),
        memory_bytes=memory["MemTotal"],
        swap_bytes=memory.get("SwapTotal", 0),
        **({} if pids is None else {"pids": pids}),
        page_size_bytes=os.sysconf("SC_PAGE_SIZE"),
        hugepages_bytes=read_hugepages(sys),
    )


def pid_limit(proc: Path = PROC) -> int | None:
    """How many tasks there can be; None when neither limit can be read.

    Source: kubernetes, pkg/kubelet/stats/pidlimit/pidlimit_linux.go.
    """
    limits = [_read_int(proc / "sys/kernel" / name) for name in ("pid_max", "threads-max")]
    return min((limit for limit in limits if limit is not None), default=None)


def parse_tasks(loadavg: bytes) -> int:
    """How many tasks there are, threads included, from the text of /proc/loadavg.

    Raises:
        ValueError: it does not tell.
    """
    _, separator, count = loadavg.split(b" ")[3].partition(b"/") if loadavg.count(b" ") >= 3 else (b"", b"", b"")
    if not separator:
        raise ValueError(f"/proc/loadavg reads {loadavg!r}")
    return int(count)


def read_meminfo(proc: Path = PROC) -> dict[str, int]:
    """The lines of /proc/meminfo, in bytes (the few that count pages: as they are)."""
    text = (proc / "meminfo").read_text()
    return {
        match[1]: int(match[2]) * (1024 if match[0].endswith("kB") else 1) for match in _MEMINFO_LINE.finditer(text)
    }


def read_hugepages(sys: Path = SYS) -> dict[str, int]:
    """Total bytes for every size of huge pages the kernel knows, by a name such as ``2Mi``; smallest first."""
    found = []
    with suppress(FileNotFoundError):
        for directory in (sys / "kernel/mm/hugepages").iterdir():
            match = _HUGEPAGES_NAME.fullmatch(directory.name)
            pages = _read_int(directory / "nr_hugepages")
            if match is not None and pages is not None:
                found.append((int(match[1]), pages))
    return {_size_name(kib): kib * 1024 * pages for kib, pages in sorted(found)}


def boot_id(proc: Path = PROC) -> str:
    """Another one after each boot."""
    return (proc / "sys/kernel/random/boot_id").read_text().strip()


def uptime_seconds(proc: Path = PROC) -> float:
    """Since boot, time asleep included."""
    return float((proc / "uptime").read_text().split()[0])


def kernel_release() -> str:
    """As ``uname -r`` says it."""
    return os.uname().release


def effective_capabilities(proc: Path = PROC) -> frozenset[str]:
    """The capabilities in force, such as ``CAP_SYS_ADMIN``. A granted one may still be of no use in a guarded VM."""
    match = re.search(r"^CapEff:\s*([0-9a-f]+)$", (proc / "self/status").read_text(), re.MULTILINE)
    bits = int(match[1], 16) if match is not None else 0
    return frozenset(f"CAP_{name}" for number, name in enumerate(_CAPABILITIES) if bits >> number & 1)


def can_lower_oom_score(proc: Path = PROC) -> bool:
    """Whether a negative oom_score_adj is accepted; tried on this process, whose score is put back."""
    path = proc / "self/oom_score_adj"
    try:
        before = path.read_text().strip()
        path.write_text(str(max(-1000, min(int(before), 0) - 1)))
    except (OSError, ValueError):
        return False
    with suppress(OSError):
        path.write_text(before)
    return True


def has_pressure(proc: Path = PROC) -> bool:
    """Whether the kernel measures pressure (PSI): the files stay but cannot be read when it was switched off."""
    try:
        return bool((proc / "pressure/memory").read_text())
    except OSError:
        return False


def _size_name(kib: int) -> str:
    for unit in ("Ki", "Mi"):
        if kib % 1024:
            return f"{kib}{unit}"
        kib //= 1024
    return f"{kib}Gi"


def _read_int(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
