"""Where TCP listens."""

from __future__ import annotations

from dataclasses import dataclass

from nodeguard.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An IP address and a port; port 0 is any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        """``127.0.0.1:6443``, ``[::1]:6443``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Only this host can reach it."""
        import ipaddress  # few commands meet an address, all of them the settings

        return ipaddress.ip_address(self.host).is_loopback


def parse_address(text: str) -> Address:
    """``HOST:PORT``; ``localhost`` is 127.0.0.1.

    Raises:
        UsageError: it is no such address.
    """
    import ipaddress

    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{text!r} is not of the form HOST:PORT, such as 127.0.0.1:6443")
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise UsageError(f"{text!r}: {host or 'nothing'} is no IP address") from None
    return Address(host=str(address), port=int(port))
