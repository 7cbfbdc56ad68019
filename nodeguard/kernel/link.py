"""What went through the network interfaces of a namespace, from /proc/net/dev: much cheaper than asking by netlink.

Source: Linux, net/core/net-procfs.c.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nodeguard.kernel.namespace import CLONE_NEWNET, in_each_namespace

_COLUMNS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCounters:
    """One interface, since it was made."""

    name: str
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


def parse_links(text: str) -> tuple[LinkCounters, ...]:
    """Every interface of a /proc/net/dev, in its order; lines that make no sense are left out."""
    found = []
    for line in text.splitlines():
        name, colon, rest = line.rpartition(":")
        words = rest.split()[:_COLUMNS]
        if colon and name.strip() and len(words) == _COLUMNS and all(map(_is_count, words)):
            numbers = [int(word) for word in words]
            received, sent = numbers[:8], numbers[8:]
            found.append(
                LinkCounters(
                    name=name.strip(),
                    rx_bytes=received[0],
                    rx_packets=received[1],
                    rx_errors=received[2],
                    rx_dropped=received[3],
                    tx_bytes=sent[0],
                    tx_packets=sent[1],
                    tx_errors=sent[2],
                    tx_dropped=sent[3],
                )
            )
    return tuple(found)


def parse_default_link(text: str) -> str | None:
    """The interface of the default route with the lowest metric, of a /proc/net/route; None without one."""
    routes = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) >= 8 and words[1] == words[7] == "00000000" and _is_count(words[6]):
            routes.append((int(words[6]), words[0]))
    return min(routes)[1] if routes else None


def read_links(proc: Path = Path("/proc/thread-self")) -> tuple[LinkCounters, ...]:
    """The interfaces of the namespace the calling thread is in; none when the kernel does not tell."""
    try:
        return parse_links((proc / "net/dev").read_text())
    except OSError:
        return ()


def read_default_link(proc: Path = Path("/proc/thread-self")) -> str | None:
    """The interface to the rest of the world, of the namespace the calling thread is in."""
    try:
        return parse_default_link((proc / "net/route").read_text())
    except OSError:
        return None


def read_pinned_links(namespaces: Iterable[Path]) -> dict[Path, tuple[LinkCounters, ...]]:
    """The interfaces of each pinned namespace; those that are gone are not in the answer."""
    return in_each_namespace(namespaces, CLONE_NEWNET, read_links)


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdigit()
