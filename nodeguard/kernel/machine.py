"""Who this machine is, and how busy it is: what a node says about itself. What cannot be read is empty or None."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from nodeguard.kernel import proc
from nodeguard.kernel.link import LinkCounters, parse_links
from nodeguard.model.contention import ContentionSample, CpuTime, LinkLoss
from nodeguard.model.node import NodeAddress, NodeSystemInfo

_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "386",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
"""The kernel's words and Go's."""

_DOCUMENTATION_ADDRESSES = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Nobody has them; source: RFC 5737, RFC 3849."""


def read_system_info(runtime: str = "", agent: str = "", root: Path = Path("/")) -> NodeSystemInfo:
    """What tells this machine and its system from others; ``runtime`` and ``agent`` are versions to be told along."""
    return NodeSystemInfo(
        machine_id=_text(root / "etc/machine-id") or _text(root / "var/lib/dbus/machine-id"),
        system_uuid=_text(root / "sys/class/dmi/id/product_uuid"),
        boot_id=_text(root / "proc/sys/kernel/random/boot_id"),
        kernel_version=proc.kernel_release(),
        os_image=_os_image(root),
        architecture=_ARCHITECTURES.get(os.uname().machine, os.uname().machine),
        container_runtime_version=runtime,
        kubelet_version=agent,
    )


def read_addresses(name: str) -> tuple[NodeAddress, ...]:
    """The address that leads out of this machine, of each family that does, and its name."""
    found = []
    for family, far in _DOCUMENTATION_ADDRESSES:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))  # looks up the route; nothing is sent
            found.append(NodeAddress(type="InternalIP", address=probe.getsockname()[0]))
    return (*found, NodeAddress(type="Hostname", address=name))


def read_boot_time(root: Path = Path("/proc")) -> float | None:
    """When the kernel started, UNIX seconds."""
    for line in _text(root / "stat").splitlines():
        key, _, value = line.partition(" ")
        if key == "btime" and value.isdigit():
            return float(value)
    return None


def read_contention(root: Path = Path("/proc")) -> ContentionSample:
    """How long tasks wait, how busy the CPUs are, what the links lose."""
    from nodeguard.kernel.cgroup.stat import parse_pressure  # nobody asks before pods have started

    links = _text(root / "net/dev")
    return ContentionSample(
        cpu=parse_pressure(_text(root / "pressure/cpu")),
        io=parse_pressure(_text(root / "pressure/io")),
        cpu_time=_cpu_time(_text(root / "stat")),
        links=_losses(parse_links(links)) if links else None,
    )


def _cpu_time(text: str) -> CpuTime | None:
    """From ``cpu  user nice system idle iowait irq softirq steal …``; guests are among users.

    Source: Linux, Documentation/filesystems/proc.rst.
    """
    words = text.partition("\n")[0].split()
    if len(words) < 6 or words[0] != "cpu" or not all(word.isdigit() for word in words[1:]):
        return None
    ticks = [int(word) for word in words[1:9]]
    idle = ticks[3] + ticks[4]
    return CpuTime(busy=sum(ticks) - idle, total=sum(ticks))


def _losses(links: Iterable[LinkCounters]) -> dict[str, LinkLoss]:
    return {
        link.name: LinkLoss(
            packets=link.rx_packets + link.tx_packets,
            lost=link.rx_errors + link.rx_dropped + link.tx_errors + link.tx_dropped,
        )
        for link in links
        if link.name != "lo"
    }


def _os_image(root: Path) -> str:
    """``PRETTY_NAME``; source: os-release(5)."""
    for path in (root / "etc/os-release", root / "usr/lib/os-release"):
        for line in _text(path).splitlines():
            key, _, value = line.partition("=")
            if key == "PRETTY_NAME":
                return value.strip("\"'")
    return "Linux"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
