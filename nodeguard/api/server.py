"""The process: opens the store, listens to the agent, serves on the sockets it was given."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from nodeguard.api.app import make_app
from nodeguard.api.builtin import ensure_builtin
from nodeguard.api.context import Context
from nodeguard.api.events import EventLog
from nodeguard.api.link import Link
from nodeguard.api.link_node import NodeFeed
from nodeguard.api.link_pod import PodFeed
from nodeguard.api.store.database import FILE_NAME, Database
from nodeguard.api.store.store import Store
from nodeguard.model.link import EventMessage, Gone, Message, NodeMessage, PodMessage, Synced

log = logging.getLogger(__name__)

_PRUNE_SECONDS = 60.0


class Feeds:
    """Everything that takes in what the agent tells."""

    def __init__(self, context: Context) -> None:
        self.pods, self.node, self.events = PodFeed(context), NodeFeed(context), EventLog(context)

    def handle(self, message: Message) -> None:
        """Act on one message."""
        match message:
            case PodMessage():
                self.pods.pod(message.object)
            case Gone():
                self.pods.gone(message.uid, message.namespace, message.name)
            case Synced():
                self.pods.synced()
            case EventMessage():
                self.events.event(message.object)
            case NodeMessage():
                self.node.node(message.object)
            case _:
                log.warning("link message not expected type=%s", type(message).__name__)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: two of them run in one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    link_socket: socket.socket, unix_socket: socket.socket, tls_socket: socket.socket | None = None
) -> None:
    """Serve until the agent closes the link, or SIGTERM comes.

    Raises:
        LinkFault, StoreRefused, StoreFailed: the API cannot be served.
    """
    link = Link()
    hello = await link.open(link_socket)
    database = Database(Path(hello.state_dir) / FILE_NAME)
    context = Context(store=Store(database), link=link, hello=hello)
    ensure_builtin(context.store, context.now())
    feeds = Feeds(context)
    if database.damaged:
        feeds.events.about_node("Warning", "StoreDamaged", database.damaged)
    await context.store.settle()
    servers = _servers(make_app(context), unix_socket, tls_socket)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listening = asyncio.ensure_future(link.listen(feeds.handle))
    listening.add_done_callback(lambda _: stop.set())
    pruning = asyncio.ensure_future(_prune(feeds.events))
    serving = [asyncio.ensure_future(server.serve(sockets=[sock])) for server, sock in servers]
    log.info("api serving node=%s objects_in=%s", hello.node_name, database.path)
    await stop.wait()
    for server, _ in servers:
        server.should_exit = server.force_exit = True
    pruning.cancel()
    await asyncio.wait(serving, timeout=2.0)
    await context.store.close()
    link.close()
    if listening.done():
        listening.result()
    else:
        listening.cancel()


def _servers(
    app: Starlette, unix_socket: socket.socket, tls_socket: socket.socket | None
) -> list[tuple[_Server, socket.socket]]:
    sockets = [one for one in (unix_socket, tls_socket) if one is not None]
    return [
        (
            _Server(
                uvicorn.Config(app, http="h11", lifespan="off", log_config=None, access_log=False, server_header=False)
            ),
            one,
        )
        for one in sockets
    ]


async def _prune(events: EventLog) -> None:
    while True:
        await asyncio.sleep(_PRUNE_SECONDS)
        events.prune()
