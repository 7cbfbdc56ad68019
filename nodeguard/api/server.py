"""The process: opens the store, listens to the agent, serves on the sockets it was given."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from pathlib import Path

from nodeguard.api.app import make_app
from nodeguard.api.builtin import ensure_builtin
from nodeguard.api.context import Context
from nodeguard.api.events import EventLog
from nodeguard.api.link import Link
from nodeguard.api.link_node import NodeFeed
from nodeguard.api.link_pod import PodFeed
from nodeguard.api.listen import Listeners
from nodeguard.api.owner import Collector
from nodeguard.api.placement import Placement
from nodeguard.api.store.database import FILE_NAME, Database
from nodeguard.api.store.store import Store
from nodeguard.api.taint_eviction import TaintEviction
from nodeguard.model.link import EventMessage, Gone, Message, NodeMessage, PodMessage, Synced
from nodeguard.runtime.exec import end_leftovers

log = logging.getLogger(__name__)

_PRUNE_SECONDS = 60.0


class Feeds:
    """Everything that takes in what the agent tells."""

    def __init__(self, context: Context) -> None:
        self.pods, self.node, self.events = PodFeed(context), NodeFeed(context), EventLog(context)
        self.placement, self.taints = Placement(context, self.events), TaintEviction(context, self.events)

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
    end_leftovers(context.run_dir / "exec", context.run_dir)
    feeds, collector = Feeds(context), Collector(context)
    context.store.on_damage = feeds.events.damaged
    if database.damaged:
        feeds.events.damaged(database.damaged)
    await context.store.settle()
    listeners = Listeners(make_app(context), Path(hello.state_dir) / "pki")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listening = asyncio.ensure_future(link.listen(feeds.handle))
    listening.add_done_callback(lambda _: stop.set())
    chores = [asyncio.ensure_future(work) for work in (_prune(feeds.events), collector.work())]
    await listeners.start(unix_socket, tls_socket)
    log.info("api serving node=%s objects_in=%s", hello.node_name, database.path)
    await stop.wait()
    logging.getLogger("uvicorn.error").disabled = True  # watches that end with the process are no faults
    for chore in chores:
        chore.cancel()
    await listeners.stop()
    await context.store.close()
    link.close()
    if listening.done():
        listening.result()
    else:
        listening.cancel()


async def _prune(events: EventLog) -> None:
    while True:
        await asyncio.sleep(_PRUNE_SECONDS)
        events.prune()
