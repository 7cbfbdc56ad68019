"""A container's log, one instance after the other, each line once: restarts and a cut connection make no difference."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from nodeguard.client.client import Client
from nodeguard.client.kind import POD
from nodeguard.errors import AgentUnreachable, NodeguardError

RETRY_SECONDS = 0.2

Sink = Callable[[bytes], None]


class LogFollower:
    """Follows one container in a thread of its own; ``sink`` gets each line without its end."""

    def __init__(
        self, client: Client, namespace: str, pod: str, container: str, sink: Sink, *, patience_seconds: float
    ) -> None:
        self._client, self._sink, self._patience_seconds = client, sink, patience_seconds
        self._target = POD.path(namespace, pod, "log")
        self._container = container
        self._seen: set[str] = set()
        self._status: Mapping[str, Any] = {}
        self._instances: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._last = b""
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"log {pod}/{container}")
        self._thread.start()

    def look(self, status: Mapping[str, Any]) -> None:
        """Take note of the container's status: instances that it tells of for the first time have a log to read."""
        self._status = status
        for instance in instances(status):
            if instance not in self._seen:
                self._seen.add(instance)
                self._instances.put(instance)

    def finish(self) -> None:
        """Return when everything that is there has been read, and not later than the patience lasts."""
        self._instances.put(None)
        self._thread.join(self._patience_seconds)

    def _work(self) -> None:
        while (instance := self._instances.get()) is not None:
            query = {"container": self._container, "follow": "true", "timestamps": "true"}
            if instance == ended_before(self._status):
                query["previous"] = "true"
            elif instance != current(self._status):
                continue  # its log is gone, or of an instance that will be read by itself
            self._read(query)

    def _read(self, query: Mapping[str, str]) -> None:
        until = time.monotonic() + self._patience_seconds
        while True:
            before = self._last
            try:
                with self._client.stream(self._target, query) as stream:
                    for line in stream.lines():
                        at, _, content = line.rstrip(b"\n").partition(b" ")
                        if at > before:
                            self._last = max(self._last, at)
                            self._sink(content)
                            until = time.monotonic() + self._patience_seconds
                return
            except AgentUnreachable:
                if time.monotonic() >= until:
                    return
                time.sleep(RETRY_SECONDS)
            except NodeguardError:  # no log of it, or no longer: it never started, or the pod was deleted
                return


def instances(status: Mapping[str, Any]) -> list[str]:
    """The ids of the instances that a container status tells of, the older one first. Pure."""
    return [found for found in (ended_before(status), current(status)) if found]


def current(status: Mapping[str, Any]) -> str:
    """The id of the instance that runs, or that has ended and is not followed by another. Pure."""
    state = status.get("state") or {}
    if state.get("running") is not None:
        return str(status.get("containerID", ""))
    return str((state.get("terminated") or {}).get("containerID", ""))


def ended_before(status: Mapping[str, Any]) -> str:
    """The id of the instance before the last restart. Pure."""
    return str(((status.get("lastState") or {}).get("terminated") or {}).get("containerID", ""))
