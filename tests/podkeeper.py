"""An agent without its command: ``Node(keeps=…)`` that does what is written to its stdin, one JSON object a line.

``{"do": "start", "pod": …}``, ``update`` (pod), ``stop`` (uid, grace), ``evict`` (uid, grace), ``settle`` (uid),
``forget`` (uid), ``leave``. It writes ``{"adopted": [objects]}`` first, then ``{"changed": object, "isGone": …}``,
``{"gone": uid}``, ``{"event": …}``, ``{"error": …}``.

With ``--kill-at PLACE NTH`` it kills itself right before it comes to that place for the nth time (Python's audit event
and a pattern of the path below the base directory, or of a command line): all is as a crash there leaves it. With
``--later`` it counts from ``{"do": "arm"}`` on. With ``--trace FILE`` it writes down every such place.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_OWN_PID = re.compile(rf"\b{os.getpid()}\b")


RUNTIMES = ("runc", "crun")
"""One of them is what this host has; its places are the same."""


def place_of(event: str, arguments: tuple[Any, ...], base: str) -> str | None:
    """What is about to be done, in words that are the same in every process; None when it is nothing of this test's."""
    if event in ("os.posix_spawn", "subprocess.Popen"):
        words = [str(word) for word in arguments[1]]
        names = [word for word in words[1:] if not word.startswith("-")]
        program = Path(words[0]).name
        return f"{event} {'runtime' if program in RUNTIMES else program} {names[0] if names else ''}".rstrip()
    if not arguments or not isinstance(arguments[0], str | os.PathLike | bytes):
        return None
    path = os.fsdecode(arguments[0])
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
        return None
    root = os.environ["NODEGUARD_CGROUP_ROOT"]
    if path.startswith("/sys/fs/cgroup/") and f"{root}/" in path:
        path = "cgroup/" + path.partition(f"{root}/")[2]
    elif path.startswith(f"{base}/"):
        path = path.removeprefix(f"{base}/")
    elif event not in ("os.remove", "os.rmdir") or path.startswith("/"):
        return None
    return f"{event} {_OWN_PID.sub('PID', _UID.sub('UID', path))}"


def watch_places(base: str, told: Callable[[str], None]) -> None:
    """Call ``told`` before each of them, in whatever thread it is. Source: Python, "Audit events table"."""
    events = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "open", "os.posix_spawn", "subprocess.Popen"}

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in events:
            place = place_of(event, arguments, base)
            if place is not None:
                told(place)

    sys.addaudithook(watch)


def main(arguments: list[str]) -> None:
    """Be the agent."""
    base = os.path.dirname(os.environ["NODEGUARD_RUN_DIR"])
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    from nodeguard.agent.config_load import load

    is_later = arguments[-1:] == ["--later"]
    _Agent(load({}), arm=lambda: _arm(arguments, base)).run(is_armed=not is_later)


def _arm(arguments: list[str], base: str) -> None:
    if arguments[:1] == ["--kill-at"]:
        pattern, left = arguments[1], [int(arguments[2])]

        def kill(place: str) -> None:
            if fnmatchcase(place, pattern):
                left[0] -= 1
                if left[0] == 0:
                    os.write(1, json.dumps({"killed": place}).encode() + b"\n")
                    os.kill(os.getpid(), signal.SIGKILL)

        watch_places(base, kill)
    elif arguments[:1] == ["--trace"]:
        file = os.open(arguments[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

        def write(place: str) -> None:
            os.write(file, place.encode() + b"\n")

        watch_places(base, write)


class _Agent:
    def __init__(self, config: Any, arm: Callable[[], None]) -> None:
        from nodeguard.agent.checkpoint import Keeper
        from nodeguard.agent.node import Node

        self._node = Node(
            config,
            on_event=lambda event: self._tell({"event": event.reason, "pod": event.pod, "message": event.message}),
            on_log=None,
            keeps=Keeper(
                on_change=lambda worker: self._tell({"changed": worker.object(), "isGone": worker.is_gone}),
                on_gone=lambda worker: self._tell({"gone": worker.pod.meta.uid}),
            ),
        )
        self._arm = arm
        self._rest = b""
        self._is_over = False

    def run(self, *, is_armed: bool) -> None:
        with self._node as node:
            if is_armed:
                self._arm()
            self._tell({"adopted": [{**worker.object(), "isGone": worker.is_gone} for worker in node.adopt()]})
            node.loop.watch(0, self._read)
            node.loop.run_until(lambda: self._is_over)

    def _tell(self, what: Json) -> None:
        os.write(1, json.dumps(what).encode() + b"\n")

    def _read(self) -> None:
        chunk = os.read(0, 65536)
        if not chunk:
            self._is_over = True
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            try:
                self._do(json.loads(line))
            except Exception as e:
                self._tell({"error": f"{type(e).__name__}: {e}"})

    def _do(self, wish: Json) -> None:
        node = self._node
        match wish["do"]:
            case "start":
                node.start(_decode(wish["pod"]))
            case "stop":
                node.stop(wish["uid"], wish["grace"])
            case "evict":
                self._evict(wish["uid"], wish["grace"])
            case "update":
                self._worker(wish["pod"]["metadata"]["uid"]).update(_decode(wish["pod"]))
            case "settle":
                node.settle(wish["uid"])
            case "forget":
                node.forget(wish["uid"], lambda: self._tell({"forgotten": wish["uid"]}))
            case "arm":
                self._arm()
            case "leave":
                self._is_over = True

    def _worker(self, uid: str) -> Any:
        return next(each for each in self._node._workers if each.pod.meta.uid == uid)

    def _evict(self, uid: str, grace: float) -> None:
        """As the evictor does it."""
        worker = self._worker(uid)
        if grace == 0:
            worker.strike()
        worker.stop(grace, reason="Evicted", message="The node was low on resource: memory.")


def _decode(manifest: Json) -> Any:
    from nodeguard.model.decode import decode_items
    from nodeguard.model.document import Document

    found = decode_items(Document(value={}, source="test", lines={}), (), [manifest], "Pod")
    (pod,) = found.pods
    return pod


if __name__ == "__main__":
    main(sys.argv[1:])
