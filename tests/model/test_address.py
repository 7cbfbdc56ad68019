"""Where TCP listens."""

from __future__ import annotations

import pytest

from nodeguard.errors import UsageError
from nodeguard.model.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "address", "is_loopback"),
    [
        ("127.0.0.1:6443", Address(host="127.0.0.1", port=6443), True),
        ("127.8.0.1:0", Address(host="127.8.0.1", port=0), True),
        ("localhost:1", Address(host="127.0.0.1", port=1), True),
        ("[::1]:6443", Address(host="::1", port=6443), True),
        ("0.0.0.0:6443", Address(host="0.0.0.0", port=6443), False),
        ("[::]:6443", Address(host="::", port=6443), False),
        ("192.0.2.7:6443", Address(host="192.0.2.7", port=6443), False),
    ],
)
def test_addresses(text: str, address: Address, is_loopback: bool) -> None:
    assert parse_address(text) == parse_address(str(address)) == address
    assert address.is_loopback is is_loopback


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6443",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "example.com:6443",
        ":6443",
        "127.0.0.1:٣",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError):
        parse_address(text)
