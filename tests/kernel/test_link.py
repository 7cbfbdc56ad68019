"""Counters of network interfaces."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nodeguard.kernel.link import parse_default_link, parse_links, read_default_link, read_links

NET_DEV = """Inter-|   Receive                              |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo: 18094121   18303    0    0    0     0    0     0 18094121   18303    0    0    0     0    0     0
  eth0:1747973141   46501    1    2    0     0    0     0  2517820   24805    3    4    0     0    0     0
eth0:1: 5 6 7 8 0 0 0 0 9 10 11 12 0 0 0 0
 broken: 1 2 3
 wrong: 1 2 3 x 0 0 0 0 9 10 11 12 0 0 0 0
"""
ROUTE = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth1	00000000	0100A8C0	0003	0	0	600	00000000	0	0	0
enp1s0	00000000	0100A8C0	0003	0	0	100	00000000	0	0	0
eth2	0000A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""


def test_bytes_packets_errors_and_losses() -> None:
    lo, eth0, alias = parse_links(NET_DEV)
    assert (lo.name, eth0.name, alias.name) == ("lo", "eth0", "eth0:1")
    assert (eth0.rx_bytes, eth0.rx_packets, eth0.rx_errors, eth0.rx_dropped) == (1747973141, 46501, 1, 2)
    assert (eth0.tx_bytes, eth0.tx_packets, eth0.tx_errors, eth0.tx_dropped) == (2517820, 24805, 3, 4)
    assert (alias.rx_bytes, alias.tx_dropped) == (5, 12)


def test_the_default_route_with_the_lowest_metric_names_the_interface() -> None:
    assert parse_default_link(ROUTE) == "enp1s0"
    assert parse_default_link(ROUTE.splitlines()[0]) is None
    assert parse_default_link("") is None


def test_this_host_has_a_loopback() -> None:
    assert "lo" in {link.name for link in read_links()}


def test_without_proc_nothing_is_known(tmp_path: Path) -> None:
    assert read_links(tmp_path) == ()
    assert read_default_link(tmp_path) is None


@given(st.text(), st.text())
def test_any_text_is_taken(lines: str, route: str) -> None:
    assert all(link.rx_bytes >= 0 for link in parse_links(lines))
    assert parse_default_link(route) is None or parse_default_link(route) in route
