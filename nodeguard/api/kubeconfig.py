"""``python -m nodeguard.api.kubeconfig --pki DIRECTORY --server URL``: a kubeconfig with everything in it."""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nodeguard.api.tls import ensure_certificates
from nodeguard.errors import HostLacks

NAME = "nodeguard"
_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n?", re.DOTALL)


def kubeconfig(server: str, pki: Path) -> dict[str, Any]:
    """A Config with certificates embedded; it names the administrator, so it is as secret as a key.

    Raises:
        OSError: there are no certificates.
    """
    blocks = {match[1]: match[0] for match in _BLOCK.finditer((pki / "admin.pem").read_bytes())}
    user = {
        "client-certificate-data": _encoded(blocks.get(b"CERTIFICATE", b"")),
        "client-key-data": _encoded(blocks.get(b"PRIVATE KEY", b"")),
    }
    cluster = {"server": server, "certificate-authority-data": _encoded((pki / "ca.crt").read_bytes())}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": user}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    }


def _encoded(text: bytes) -> str:
    return base64.b64encode(text).decode("ascii")


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="Print a kubeconfig.")
    parser.add_argument("--pki", type=Path, required=True)
    parser.add_argument("--server", required=True, help="such as https://127.0.0.1:6443")
    options = parser.parse_args(argv)
    try:
        if not (options.pki / "admin.pem").exists():
            ensure_certificates(options.pki)
        sys.stdout.write(json.dumps(kubeconfig(options.server, options.pki), indent=2) + "\n")
    except (OSError, HostLacks) as e:
        sys.stderr.write(f"no kubeconfig: {e}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
