"""The agent's part of what it and the API server tell each other: see nodeguard/model/link.py.

Messages are turned into pods in the link's reading thread; the loop gets one finished thing at a time.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nodeguard.agent.loop import Loop
from nodeguard.agent.object_map import ObjectMap
from nodeguard.agent.pod_object import identity_of, read_pod
from nodeguard.agent.pod_sync import PodSync
from nodeguard.agent.query import Answer, Unanswerable
from nodeguard.errors import InvalidInput
from nodeguard.model.link import (
    ConfigMessage,
    EventMessage,
    Forget,
    Hello,
    Message,
    NodeMessage,
    PodMessage,
    Query,
    Reply,
    Settled,
    Sync,
    Synced,
)
from nodeguard.model.meta import Event
from nodeguard.model.objectref import CONFIG_MAP, SECRET, ObjectRef, object_refs
from nodeguard.policy.event_object import event_object

log = logging.getLogger(__name__)

UNTOLD_EVENTS = 256
"""So many events are kept for the next API server while there is none."""

MAX_QUERIES = 16
"""Questions under way at a time."""

Send = Callable[[Message, object], None]
Call = Callable[[], None]


class ApiSync:
    """All methods but ``translate`` are called in the loop's thread."""

    def __init__(
        self,
        loop: Loop,
        hello: Callable[[], Hello],
        *,
        objects: ObjectMap,
        node: Callable[[], Mapping[str, Any]],
        on_node: Callable[[Mapping[str, Any]], None],
        answers: Mapping[str, Answer],
    ) -> None:
        """``node()`` is the v1 Node; ``on_node`` gets what users changed of it; ``answers`` by what is asked."""
        self._loop, self._hello, self._objects = loop, hello, objects
        self._node, self._on_node, self._answers = node, on_node, answers
        self._pods: PodSync | None = None
        self._send: Send | None = None
        self._untold: deque[Event] = deque(maxlen=UNTOLD_EVENTS)
        self._queries = 0

    def tell(self, message: Message, key: object = None) -> None:
        """Tell the API server, if there is one: the next one is told everything."""
        if self._send is not None:
            self._send(message, key)

    def connected(self, pods: PodSync, send: Send) -> None:
        """There is a new API server, which knows nothing."""
        self._pods, self._send = pods, send
        self.tell(self._hello())
        pods.tell_all()
        self.tell(Synced())
        self.tell_node()
        while self._untold:
            self.tell(EventMessage(object=event_object(self._untold.popleft())))

    def disconnected(self) -> None:
        """There is none for now."""
        self._send = None

    def tell_node(self) -> None:
        """The node's status, which also is the sign of life."""
        self.tell(NodeMessage(object=dict(self._node())), "node")

    def tell_event(self, event: Event) -> None:
        """Something has happened."""
        if self._send is None:
            self._untold.append(event)
        else:
            self.tell(EventMessage(object=event_object(event)))

    # what the API server says

    def translate(self, message: Message) -> Iterator[Call]:
        """A message as calls for the loop; made in another thread."""
        match message:
            case PodMessage(object=value):
                yield self._wanted(value)
            case Sync(uids=uids):
                known = frozenset(uids)
                yield lambda: self._wanting.synced(known)
            case Settled(uid=uid):
                yield lambda: self._wanting.settled(uid)
            case Forget(uid=uid, namespace=namespace, name=name):
                yield lambda: self._wanting.forget(uid, namespace, name)
            case ConfigMessage(kind=kind) if kind in (CONFIG_MAP, SECRET):
                told = message
                yield lambda: self._objects.put(told.namespace, ObjectRef(kind=told.kind, name=told.name), told.object)
            case NodeMessage(object=value):
                node = value
                yield lambda: self._on_node(node)
            case Query():
                query = message
                yield lambda: self._ask(query)
            case _:
                log.warning("the API server said what only an agent says type=%s", type(message).__name__)

    def _wanted(self, value: dict[str, Any]) -> Call:
        uid, _, _ = identity_of(value)
        try:
            pod = read_pod(value)
        except InvalidInput as e:
            why = str(e)
            return lambda: self._wanting.refuse(value, uid, why)
        return lambda: self._wanting.want(pod)

    def forget_objects(self) -> None:
        """ConfigMaps and Secrets of pods that are gone need no memory."""
        wanted = {
            (pod.meta.namespace, ref) for pod in self._wanting.pods for ref in object_refs(pod.raw.get("spec", {}))
        }
        self._objects.keep_only(wanted)

    @property
    def _wanting(self) -> PodSync:
        assert self._pods is not None  # nothing is heard before somebody is connected
        return self._pods

    # questions

    def _ask(self, query: Query) -> None:
        answer = self._answers.get(query.what)
        if answer is None:
            self.tell(Reply(id=query.id, error=_error(404, "NotFound", f"no such question: {query.what}")))
        elif self._queries >= MAX_QUERIES:
            self.tell(Reply(id=query.id, error=_error(429, "TooManyRequests", "too many questions at a time")))
        else:
            self._queries += 1
            self._loop.in_thread(
                lambda: answer(query.args), lambda value, error: self._answered(query.id, value, error)
            )

    def _answered(self, id_: int, value: Any, error: BaseException | None) -> None:
        self._queries -= 1
        if error is None:
            self.tell(Reply(id=id_, value=value))
        elif isinstance(error, Unanswerable):
            self.tell(Reply(id=id_, error=_error(error.code, error.reason, str(error))))
        else:
            log.error("question not answered error=%s", error)
            self.tell(Reply(id=id_, error=_error(500, "InternalError", str(error))))


def _error(code: int, reason: str, message: str) -> dict[str, Any]:
    return {"code": code, "reason": reason, "message": message}
