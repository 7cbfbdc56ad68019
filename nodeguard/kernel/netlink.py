"""Network links of a namespace. The only door to pyroute2; costly to import, so import it where it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from nodeguard.errors import NotFound
from nodeguard.kernel.namespace import CLONE_NEWNET, in_namespace

_IFF_UP = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One network interface and what went through it since it was made."""

    index: int
    name: str
    is_up: bool
    mtu_bytes: int
    received_bytes: int
    received_packets: int
    sent_bytes: int
    sent_packets: int


def list_links(namespace: Path) -> list[Link]:
    """The links of a pinned namespace, by index.

    Raises:
        NotFound: there is no such namespace file.
    """
    if not namespace.exists():
        raise NotFound(f"no network namespace {namespace}")
    messages: list[Any] = in_namespace(namespace, CLONE_NEWNET, _messages)
    return sorted((_link(message) for message in messages), key=lambda link: link.index)


def is_loopback_up(namespace: Path) -> bool:
    """Whether ``lo`` is up there."""
    return any(link.name == "lo" and link.is_up for link in list_links(namespace))


def _messages() -> list[Any]:
    with IPRoute() as route:
        return list(route.get_links())


def _link(message: Any) -> Link:
    stats = message.get("stats64") or {}
    return Link(
        index=message["index"],
        name=message.get("ifname"),
        is_up=bool(message["flags"] & _IFF_UP),
        mtu_bytes=message.get("mtu") or 0,
        received_bytes=stats.get("rx_bytes", 0),
        received_packets=stats.get("rx_packets", 0),
        sent_bytes=stats.get("tx_bytes", 0),
        sent_packets=stats.get("tx_packets", 0),
    )
