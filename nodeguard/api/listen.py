"""The servers on the sockets that the agent has bound: one for local users, one with TLS where it is wanted."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from pathlib import Path
from typing import Any

from nodeguard.api.guard import GuardedServer
from nodeguard.api.impersonation import NoImpersonation
from nodeguard.api.limits import Limits
from nodeguard.api.tls import ensure_certificates, refresh, server_context
from nodeguard.errors import HostLacks
from nodeguard.kernel import process

log = logging.getLogger(__name__)

REFRESH_SECONDS = 12 * 3600.0


class Listeners:
    """All the servers of this process."""

    def __init__(self, app: Any, pki: Path) -> None:
        self._app, self._pki = Limits(NoImpersonation(app)), pki
        self._servers: list[GuardedServer] = []
        self._tasks: list[asyncio.Future[None]] = []
        process.raise_open_files()
        # what it says of each WebSocket has the whole address, and so the command of an exec
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)

    async def start(self, unix_socket: socket.socket, tls_socket: socket.socket | None) -> None:
        """Serve; what cannot be had for TLS is logged, and local users are served all the same."""
        self._begin(unix_socket, None)
        if tls_socket is None:
            return
        names = [str(tls_socket.getsockname()[0])]
        try:
            await asyncio.to_thread(ensure_certificates, self._pki, names)
            context = server_context(self._pki)
        except (HostLacks, OSError) as e:
            log.error("no TLS error=%s", e)
            tls_socket.close()
            return
        self._begin(tls_socket, context)
        self._tasks.append(asyncio.ensure_future(self._keep_fresh(context, names)))

    async def stop(self) -> None:
        """No connection is left."""
        for server in self._servers:
            server.end()
        serving, others = self._tasks[: len(self._servers)], self._tasks[len(self._servers) :]
        for task in others:
            task.cancel()
        if serving:
            await asyncio.wait(serving, timeout=2.0)

    def _begin(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        server = GuardedServer(self._app, context)
        self._servers.append(server)
        self._tasks.append(asyncio.ensure_future(server.serve(sockets=[sock])))

    async def _keep_fresh(self, context: ssl.SSLContext, names: list[str]) -> None:
        """An agent may run for longer than a certificate is good."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await asyncio.to_thread(ensure_certificates, self._pki, names)
                refresh(context, self._pki)
            except (HostLacks, OSError) as e:
                log.error("certificates not renewed error=%s", e)
