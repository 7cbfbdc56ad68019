"""The link between the agent and its API server: every message with its shape, and lines of JSON as their frame.

One JSON object per line, each with ``type``. Both sides may begin anew at any time: the agent says ``hello``, one
``pod`` for each that it has, and ``synced``; the API server answers with a ``pod`` for each that should be, and
``sync``; the agent acts on the difference. docs/decisions/0006-the-api-is-a-process-of-its-own.md says why there are
two processes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from nodeguard.errors import LinkFault
from nodeguard.model.wire import wire_name

PROTOCOL = 1
MAX_LINE_BYTES = 8 * 2**20
"""The longest line, its newline included: an object of the API (1.5 MiB), whatever its text becomes in ASCII."""

Object = dict[str, Any]
"""A Kubernetes object as JSON has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Agent, first of all: who it is and where its things lie. Paths are absolute."""

    node_name: str
    boot_id: str
    run_dir: str
    state_dir: str
    log_dir: str
    runtime: str
    runtime_root: str
    exit_dir: str
    cgroup_mode: str
    version: str
    protocol: int = PROTOCOL


@dataclass(frozen=True, slots=True, kw_only=True)
class PodMessage:
    """Agent: the v1 Pod as it has it. API server: one that was made or changed."""

    object: Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Agent: nothing of the pod is left on the host, logs included."""

    uid: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """Agent: every pod it has was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMessage:
    """Agent: a v1 Event; the API server counts repeats."""

    object: Object


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMessage:
    """Agent: the v1 Node with its status. API server: labels, taints, unschedulable as users changed them."""

    object: Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Agent: the answer to the query of this id: ``value``, or ``error`` with a Status' code, reason and message."""

    id: int
    value: Any = None
    error: Object | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """API server, after ``Synced`` and one ``pod`` for each: these are all that are to run, or to be deleted.

    The pods themselves would not fit: 110 of them may have 160 MiB.
    """

    uids: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """API server: the pod's final status is on disk, so the agent may let go of its record."""

    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """API server: the object is gone from the store (forced delete): stop at once, remove all, logs too."""

    uid: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMessage:
    """API server: a ConfigMap or Secret that a pod of this node refers to; None when there is none."""

    kind: str
    namespace: str
    name: str
    object: Object | None

    def __repr__(self) -> str:
        """Without the object: what a Secret holds gets into no log and no message."""
        return f"ConfigMessage({self.kind} {self.namespace}/{self.name})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """API server: a question to the agent, such as ``summary``; a ``Reply`` with the same id follows."""

    id: int
    what: str
    args: Object


Message = (
    Hello
    | PodMessage
    | Gone
    | Synced
    | EventMessage
    | NodeMessage
    | Reply
    | Sync
    | Settled
    | Forget
    | ConfigMessage
    | Query
)

TYPES: dict[str, type[Message]] = {
    "hello": Hello,
    "pod": PodMessage,
    "gone": Gone,
    "synced": Synced,
    "event": EventMessage,
    "node": NodeMessage,
    "reply": Reply,
    "sync": Sync,
    "settled": Settled,
    "forget": Forget,
    "config": ConfigMessage,
    "query": Query,
}

_NAMES = {kind: name for name, kind in TYPES.items()}
_FIELDS = {kind: tuple((f.name, wire_name(f.name), str(f.type)) for f in fields(kind)) for kind in TYPES.values()}
_CHECKS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "Object": (dict,),
    "Object | None": (dict, type(None)),
    "list[str]": (list,),
    "Any": (object,),
}


def encode(message: Message) -> bytes:
    """The message as one line of ASCII, with its newline.

    Raises:
        LinkFault: it is longer than the link carries, or holds what JSON cannot.
    """
    kind = type(message)
    plain: Object = {"type": _NAMES[kind]}
    plain.update({wire: getattr(message, name) for name, wire, _ in _FIELDS[kind]})
    try:
        line = json.dumps(plain, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as e:
        raise LinkFault(f"a message of type {plain['type']} is no JSON: {e}") from e
    if len(line) > MAX_LINE_BYTES:
        raise LinkFault(
            f"a message of type {plain['type']} is {len(line)} bytes long, the link carries {MAX_LINE_BYTES}"
        )
    return line


def decode(line: bytes) -> Message:
    """The message of one line. Fields it does not know are passed over, so that either side may be the newer one.

    Raises:
        LinkFault: it is no message; the text names the field, never what stood there: it may have been a Secret's.
    """
    try:
        plain = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as e:
        raise LinkFault(f"a line of {len(line)} bytes is no JSON ({type(e).__name__})") from None
    if not isinstance(plain, dict):
        raise LinkFault("a line is no JSON object")
    name = plain.get("type")
    kind = TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise LinkFault(f"a message of unknown type {str(name)[:40]!r}")
    values = {}
    for field, wire, hint in _FIELDS[kind]:
        if wire in plain:
            values[field] = _checked(plain[wire], hint, f"{name}.{wire}")
        elif not (kind is Reply and field in ("value", "error")):
            raise LinkFault(f"{name}.{wire} is missing")
    return kind(**values)


class Lines:
    """Lines out of a stream that comes in pieces. Holds one unfinished line at most, and that within the bound."""

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece; ``next_line`` has what became whole."""
        self._buffer += data

    def next_line(self) -> bytes | None:
        """The next whole line without its newline, or None until more has come.

        Raises:
            LinkFault: a line is longer than the bound.
        """
        end = self._buffer.find(b"\n", self._searched)
        length = len(self._buffer) if end < 0 else end + 1
        if length > self._max_bytes:
            raise LinkFault(f"a line is longer than {self._max_bytes} bytes")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line


def _checked(value: Any, hint: str, path: str) -> Any:
    fits: bool = isinstance(value, _CHECKS[hint]) and not (hint == "int" and isinstance(value, bool))
    if not fits:
        raise LinkFault(f"{path} is {type(value).__name__}, not {hint}")
    if hint == "list[str]" and not all(isinstance(item, str) for item in value):
        raise LinkFault(f"{path} holds something that is no text")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
