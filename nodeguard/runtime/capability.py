"""Linux capabilities of a container.

Source: containerd, pkg/cap, pkg/oci (WithAddedCapabilities …) and internal/cri/server; capabilities(7).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nodeguard.errors import RuntimeFailed

_DEFAULT_NAMES = """
    AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID
    SYS_CHROOT
"""
_NAMES_BY_NUMBER = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
    NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
    SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
    MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
_BY_NUMBER = tuple(f"CAP_{name}" for name in _NAMES_BY_NUMBER.split())

DEFAULT = frozenset(f"CAP_{name}" for name in _DEFAULT_NAMES.split())
ALL = frozenset(_BY_NUMBER)


def compute_capabilities(
    add: Iterable[str], drop: Iterable[str], *, privileged: bool, available: frozenset[str]
) -> frozenset[str]:
    """The capability set of a container; ``available`` is what this host's root has.

    ``ALL`` and privileged mean all that are available; a default that is not available is left out.

    Raises:
        RuntimeFailed: an added capability does not exist, or root does not have it here.
    """
    if privileged:
        return ALL & available
    added, dropped = [_full_name(name) for name in add], [_full_name(name) for name in drop]
    chosen = DEFAULT & available
    if "CAP_ALL" in added:
        chosen = ALL & available
    if "CAP_ALL" in dropped:
        chosen = frozenset()
    extra = frozenset(added) - {"CAP_ALL"}
    if unknown := extra - ALL:
        raise RuntimeFailed(f"unknown capability: {', '.join(sorted(unknown))}", reason="CreateContainerConfigError")
    if missing := extra - available:
        raise RuntimeFailed(f"root does not have {', '.join(sorted(missing))} on this host")
    return (chosen | extra) - frozenset(dropped)


def read_available(status: Path = Path("/proc/self/status")) -> frozenset[str]:
    """The capabilities this process may pass on: permitted and in the bounding set."""
    masks = {}
    for line in status.read_text(encoding="ascii", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key in ("CapPrm", "CapBnd"):
            masks[key] = int(value, 16)
    mask = masks.get("CapPrm", 0) & masks.get("CapBnd", 0)
    return frozenset(name for number, name in enumerate(_BY_NUMBER) if mask >> number & 1)


def _full_name(name: str) -> str:
    """``net_admin``, ``NET_ADMIN`` and ``CAP_NET_ADMIN`` are one."""
    upper = name.upper()
    return upper if upper.startswith("CAP_") else f"CAP_{upper}"
