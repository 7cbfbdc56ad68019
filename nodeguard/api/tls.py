"""TLS for clients that come over TCP: always, and only with a certificate of our CA."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from nodeguard.errors import HostLacks
from nodeguard.kernel import process


def ensure_certificates(pki: Path, names: Sequence[str] = ()) -> None:
    """Certificates are there and good for a month at least. A process is started for it: not for an event loop.

    Raises:
        HostLacks: they cannot be made.
    """
    more = [word for name in names for word in ("--name", name)]
    exit_code, stderr = process.run((sys.executable, "-m", "nodeguard.api.certificate", *more, str(pki)))
    if exit_code:
        raise HostLacks(stderr.strip() or f"certificates cannot be made in {pki} (exit code {exit_code})")


def server_context(pki: Path) -> ssl.SSLContext:
    """What the server speaks; `refresh` may be called on it while it is in use.

    Raises:
        OSError: there are no certificates (ssl.SSLError is one).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pki / "ca.crt")
    refresh(context, pki)
    return context


def refresh(context: ssl.SSLContext, pki: Path) -> None:
    """New connections get the certificate as it is on the disk now.

    Raises:
        OSError: there is none.
    """
    context.load_cert_chain(pki / "server.pem")
