"""Who asks: the owner of a client certificate, or the process at the other end of the Unix socket.

Everybody who is let in may do everything: there is one kind of user, the node's administrator. Over TCP that is who has
a certificate of our CA; at the Unix socket root, the user that nodeguard runs as, and the group ``nodeguard``.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import socket
import struct
from dataclasses import dataclass
from typing import Any

GROUP = "nodeguard"
_ADMINISTRATORS = ("system:masters", "system:authenticated")
_SO_PEERGROUPS = 59
"""Source: Linux, include/uapi/asm-generic/socket.h (4.13)."""
_MAX_GROUPS = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A user; ``peer`` tells one client process, or one host, from another where limits are shared out."""

    username: str
    groups: tuple[str, ...]
    peer: str
    uid: int | None = None


def identify(transport: asyncio.BaseTransport) -> Identity | None:
    """Who is at the other end of a connection; None is for those who have no business here."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_UNIX:
        return _of_process(sock)
    certificate = transport.get_extra_info("peercert")
    address = transport.get_extra_info("peername")
    return of_certificate(certificate, str(address[0]) if address else "") if certificate else None


def of_certificate(certificate: dict[str, Any], address: str) -> Identity | None:
    """The subject's common name is the user, its organizations are the groups; None without a name.

    The certificate has been verified.

    Source: kubernetes, staging/src/k8s.io/apiserver/pkg/authentication/request/x509/x509.go (CommonNameUserConversion).
    """
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    names = [value for key, value in subject if key == "commonName"]
    groups = [value for key, value in subject if key == "organizationName"]
    if not names:
        return None
    return Identity(username=names[0], groups=(*groups, "system:authenticated"), peer=f"address {address}")


def _of_process(sock: Any) -> Identity | None:
    """Source: Linux, man 7 unix, SO_PEERCRED: as it was when the client connected."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, gid = struct.unpack("3i", raw)
    if uid not in (0, os.geteuid()) and not _is_member(sock, gid):
        return None
    return Identity(username=_user_name(uid), groups=_ADMINISTRATORS, peer=f"process {pid}", uid=uid)


def _is_member(sock: Any, gid: int) -> bool:
    try:
        wanted = grp.getgrnam(GROUP).gr_gid
        raw = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MAX_GROUPS * 4)
    except (KeyError, OSError):
        return False
    return wanted in (gid, *struct.unpack(f"{len(raw) // 4}I", raw))


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"
