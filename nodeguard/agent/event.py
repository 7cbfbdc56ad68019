"""Events: told to every listener as they happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nodeguard.agent.clock import Clock
from nodeguard.model.meta import Event, ObjectMeta

Listener = Callable[[Event], None]


class EventSource:
    """Makes events of one agent and hands them to ``listener``."""

    def __init__(self, clock: Clock, listener: Listener) -> None:
        self._clock, self._listener = clock, listener

    def normal(self, meta: ObjectMeta, reason: str, message: str, container: str | None = None) -> None:
        """Something went as it should."""
        self._emit("Normal", meta, reason, message, container)

    def warning(
        self,
        meta: ObjectMeta,
        reason: str,
        message: str,
        container: str | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        """Something a user may have to look at."""
        self._emit("Warning", meta, reason, message, container, annotations)

    def of_node(self, type_: str, node: str, reason: str, message: str) -> None:
        """Something about the node itself."""
        self._listener(Event(at=self._clock.now(), type=type_, reason=reason, message=message, node=node))

    def _emit(
        self,
        type_: str,
        meta: ObjectMeta,
        reason: str,
        message: str,
        container: str | None,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        event = Event(
            at=self._clock.now(),
            type=type_,
            reason=reason,
            message=message,
            pod=meta.key,
            uid=meta.uid,
            container=container,
            annotations=annotations or {},
        )
        self._listener(event)
