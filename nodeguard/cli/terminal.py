"""What a person, or a pipe, sees of a run.

Writing happens in a thread of its own: a reader that is slow, or stopped (``nodeguard run … | less``), must not keep
the agent from stopping and killing in time.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import click

from nodeguard.agent.log import LogLine
from nodeguard.cli import color
from nodeguard.model.instant import rfc3339_micro
from nodeguard.model.meta import Event
from nodeguard.model.pod import Pod

BEHIND_BYTES = 1 << 20
"""With this much unwritten, containers' logs are left in their files until the reader has caught up."""


class Terminal:
    """Prints logs, events and final objects. With ``output`` set stdout has the objects alone, logs go to stderr."""

    def __init__(self, output: str | None, events: str, pods: Sequence[Pod]) -> None:
        self._output, self._events = output, events
        stream = sys.stdout if output is None else sys.stderr
        self._log_file, self._event_file = stream.buffer, sys.stderr.buffer
        self._writer = _Writer()
        names = [f"{pod.meta.name}/{c.name}" for pod in pods for c in pod.all_containers]
        painted = color.enabled(stream)
        self._prefix = {name: color.prefix(f"[pod/{name}] ", i, painted).encode() for i, name in enumerate(names)}

    def when_reader_is_gone(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, from another thread, when nobody reads any more (``nodeguard run … | head``)."""
        self._writer.on_broken = callback

    def keeps_up(self) -> bool:
        """Whether more log lines are welcome."""
        return self._writer.pending_bytes < BEHIND_BYTES

    def log(self, pod: Pod, container: str, line: LogLine) -> None:
        """One line of a container, with its prefix."""
        name = f"{pod.meta.name}/{container}"
        prefix = self._prefix.get(name) or f"[pod/{name}] ".encode()
        self._writer.write(self._log_file, prefix + line.content + b"\n")

    def event(self, event: Event) -> None:
        """One event, on stderr."""
        if self._events == "json":
            self.note(json.dumps(_event_json(event)) + "\n")
        elif self._events == "text":
            where = f"pod/{event.pod.split('/', 1)[1]}" if event.pod else f"node/{event.node}"
            where += f"/{event.container}" if event.container else ""
            self.note(f"{event.type:<7} {event.reason:<16} {where}: {event.message}\n")

    def note(self, text: str) -> None:
        """Words for the person, on stderr."""
        self._writer.write(self._event_file, text.encode(errors="replace"))

    def show(self, text: str) -> None:
        """Words among the logs."""
        self._writer.write(self._log_file, text.encode(errors="replace"))

    def finish(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Wait until everything is written, then print the final objects, if they were asked for."""
        self._writer.close()
        if self._output == "json":
            click.echo(json.dumps(_list(objects), indent=2))
        elif self._output == "yaml":
            import yaml

            click.echo(yaml.safe_dump(_list(objects), sort_keys=False), nl=False)
        elif self._output == "name":
            for item in objects:
                click.echo(f"pod/{item['metadata']['name']}")


class _Writer:
    """A thread that writes, in the order in which it was asked to."""

    def __init__(self) -> None:
        self.on_broken: Callable[[], None] | None = None
        self.pending_bytes = 0
        self._queue: queue.SimpleQueue[tuple[BinaryIO, bytes] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def write(self, file: BinaryIO, data: bytes) -> None:
        """Have ``data`` written soon."""
        with self._lock:
            self.pending_bytes += len(data)
        self._queue.put((file, data))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name="terminal")
            self._thread.start()

    def close(self) -> None:
        """Return when everything has been written."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            file, data = item
            try:
                file.write(data)
                file.flush()
            except OSError:  # the reader is gone, or the disk behind a redirection is full
                self._drop(file)
            with self._lock:
                self.pending_bytes -= len(data)

    def _drop(self, file: BinaryIO) -> None:
        """What comes from now on goes nowhere; the pods are to be stopped and cleaned up all the same."""
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(nowhere, file.fileno())
        os.close(nowhere)
        callback, self.on_broken = self.on_broken, None
        if callback is not None:
            callback()


def _list(objects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": list(objects)}


def _event_json(event: Event) -> dict[str, Any]:
    return {
        "at": rfc3339_micro(event.at),
        "type": event.type,
        "reason": event.reason,
        "message": event.message,
        "pod": event.pod,
        "uid": event.uid,
        "container": event.container,
        **({"node": event.node} if event.node else {}),
        **({"annotations": dict(event.annotations)} if event.annotations else {}),
    }
