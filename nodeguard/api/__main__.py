"""``python -m nodeguard.api``: started by the agent, with descriptors in the environment.

NODEGUARD_LINK_FD is this end of the link, NODEGUARD_LISTEN_UNIX_FD a listening Unix socket, NODEGUARD_LISTEN_TLS_FD,
if there is one, a listening TCP socket. All else is in the agent's first word.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys

from nodeguard.errors import NodeguardError

log = logging.getLogger("nodeguard.api")


def main() -> int:
    """The exit code: 0 when the agent ended the link, or asked for the end."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    from nodeguard.api.server import serve

    try:
        link, unix = _inherited("NODEGUARD_LINK_FD"), _inherited("NODEGUARD_LISTEN_UNIX_FD")
        if link is None or unix is None:
            log.error("api not started: it is the agent that starts it, with NODEGUARD_LINK_FD and the others set")
            return 2
        asyncio.run(serve(link, unix, _inherited("NODEGUARD_LISTEN_TLS_FD")))
    except NodeguardError as e:
        log.error("api ends error=%s", e)
        return e.exit_code
    return 0


def _inherited(variable: str) -> socket.socket | None:
    text = os.environ.pop(variable, "")
    if not text.isdigit():
        return None
    inherited = socket.socket(fileno=int(text))
    inherited.set_inheritable(False)
    inherited.setblocking(False)
    return inherited


if __name__ == "__main__":
    sys.exit(main())
