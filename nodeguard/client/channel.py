"""A container's streams over one WebSocket: exec and attach.

Each message begins with a byte that says which stream it belongs to. Version 5 can also say that stdin has ended;
version 4 is what older servers speak.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go, websocket.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodeguard.client.connection import CONNECT_SECONDS, connect
from nodeguard.client.status import error_of
from nodeguard.errors import AgentUnreachable, NodeguardError, UsageError

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
_CLOSE = 255
_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
MAX_MESSAGE_BYTES = 16 << 20


class Channel:
    """An open session. Sending and receiving may happen in different threads."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._can_close_stdin = connection.subprotocol == _PROTOCOLS[0]
        self.status: Mapping[str, Any] = {}

    def send(self, data: bytes) -> None:
        """Have ``data`` written to the container's stdin."""
        self._send(bytes([STDIN]) + data)

    def close_stdin(self) -> None:
        """The container reads end of file, where the server can tell it."""
        if self._can_close_stdin:
            self._send(bytes([_CLOSE, STDIN]))

    def resize(self, columns: int, lines: int) -> None:
        """The container's terminal gets this size."""
        self._send(bytes([RESIZE]) + json.dumps({"Width": columns, "Height": lines}).encode())

    def close(self) -> None:
        """The session ended from this side."""
        self._connection.close()

    def receive(self) -> Iterator[tuple[int, bytes]]:
        """Pieces of ``STDOUT`` and ``STDERR`` until the session is over; ``status`` then says how it ended.

        Raises:
            AgentUnreachable: the connection was cut.
        """
        from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

        try:
            for message in self._connection:
                data = message.encode() if isinstance(message, str) else message
                if data[:1] == bytes([ERROR]):
                    self.status = _status(data[1:])
                elif data[:1] in (b"\1", b"\2") and len(data) > 1:
                    yield data[0], data[1:]
        except ConnectionClosedOK:
            pass
        except (ConnectionClosed, OSError) as e:
            if not self.status:
                raise AgentUnreachable(f"the session was cut: {e}") from e

    def exit_code(self) -> int:
        """How the command ended.

        Raises:
            NodeguardError: it could not be run, or nobody said how it ended.

        Source: client-go, tools/remotecommand/v4.go, errorDecoderV4.
        """
        if not self.status:
            raise NodeguardError("the session ended without saying how the command did")
        if self.status.get("status") == "Success":
            return 0
        if self.status.get("reason") == "NonZeroExitCode":
            for cause in (self.status.get("details") or {}).get("causes") or ():
                if cause.get("reason") == "ExitCode" and str(cause.get("message", "")).isdecimal():
                    return int(cause["message"])
        raise NodeguardError(str(self.status.get("message") or "the command could not be run"))

    def _send(self, message: bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            self._connection.send(message)
        except (ConnectionClosed, OSError):  # the receiving side tells why
            pass


def open_channel(socket_path: Path, target: str) -> Channel:
    """The session that ``target`` (path and query) asks for.

    Raises:
        NodeguardError: what the API answered (``status.error_of``), or that it did not.
    """
    from websockets.exceptions import InvalidHandshake, InvalidStatus
    from websockets.sync.client import connect as websocket
    from websockets.typing import Subprotocol

    opened = connect(socket_path)
    opened.settimeout(None)
    try:
        connection = websocket(
            f"ws://localhost{target}",
            sock=opened,
            subprotocols=[Subprotocol(name) for name in _PROTOCOLS],
            compression=None,
            max_size=MAX_MESSAGE_BYTES,
            open_timeout=CONNECT_SECONDS * 6,  # a container's process is started meanwhile
            ping_interval=None,
            close_timeout=1,
            user_agent_header="nodeguard",
            proxy=None,
            legacy=True,
        )
    except InvalidStatus as e:
        opened.close()
        error = error_of(e.response.status_code, bytes(e.response.body or b""))
        if isinstance(error, UsageError):  # "is not running" is a bad request, but not a wrong command line
            error = NodeguardError(str(error))
        raise error from e
    except (InvalidHandshake, OSError, EOFError) as e:
        opened.close()
        raise AgentUnreachable(f"{socket_path}: no session: {e}") from e
    return Channel(connection)


def _status(data: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        value = {"status": "Failure", "message": data.decode(errors="replace").strip()}
    return value
