"""The sockets on which the API is asked. The agent binds them, so a new API server finds the connections that waited.

The Unix socket belongs to root and the group ``nodeguard``, where there is one. TCP is always TLS.
"""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from nodeguard.errors import Conflict, HostLacks, UsageError
from nodeguard.model.address import Address

GROUP = "nodeguard"
BACKLOG = 128
MAX_PATH_BYTES = 107
"""What fits into a sockaddr_un beside its final zero."""


class Listener:
    """The bound sockets. Opened after the instance lock is held: a socket file that is there is a dead agent's."""

    def __init__(self, path: Path, address: Address | None = None) -> None:
        self._path, self._address = path, address
        self.unix: socket.socket | None = None
        self.tcp: socket.socket | None = None

    @property
    def tcp_address(self) -> Address | None:
        """Where TCP really listens."""
        if self.tcp is None:
            return None
        host, port = self.tcp.getsockname()[:2]
        return Address(host=host, port=port)

    def open(self) -> None:
        """Bind and listen.

        Raises:
            Conflict: the TCP port is taken, or the path is there and no socket.
            HostLacks: the address is not this host's.
            UsageError: the path is too long for a socket.
        """
        try:
            self.unix = _bind_unix(self._path)
            if self._address is not None:
                self.tcp = _bind_tcp(self._address)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Nobody can ask any more."""
        if self.unix is not None:
            self.unix.close()
            with suppress(OSError):
                self._path.unlink()
        if self.tcp is not None:
            self.tcp.close()
        self.unix = self.tcp = None


def _bind_unix(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise UsageError(f"{path}: a socket's path has at most {MAX_PATH_BYTES} bytes")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Conflict(f"{path} is there and no socket")
        path.unlink()
    gid = _group_id()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o777)  # nobody gets in before owner and mode are right; no other thread makes files yet
    try:
        bound.bind(str(path))
    except BaseException:
        bound.close()
        raise
    finally:
        os.umask(before)
    try:
        os.chown(path, 0, gid)
        path.chmod(0o660)
        if gid:
            _let_group_reach(path.parent, gid)
        bound.listen(BACKLOG)
    except BaseException:
        bound.close()
        raise
    return bound


def _group_id() -> int:
    with suppress(KeyError):
        return grp.getgrnam(GROUP).gr_gid
    return 0


def _let_group_reach(directory: Path, gid: int) -> None:
    """The run directory is root's alone; the group may pass through it, and see nothing of what it holds."""
    found = directory.stat()
    if found.st_uid == 0 and stat.S_IMODE(found.st_mode) == 0o700:
        os.chown(directory, 0, gid)
        directory.chmod(0o710)


def _bind_tcp(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # an agent that starts again need not wait
        bound.bind((address.host, address.port))
        bound.listen(BACKLOG)
    except OSError as e:
        bound.close()
        if e.errno == errno.EADDRINUSE:
            raise Conflict(f"listen {address}: the port is taken by another program") from e
        raise HostLacks(f"listen {address}: {e.strerror}") from e
    return bound
