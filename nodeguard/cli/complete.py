"""What could come next on a command line: types, and names as the agent has them now.

A person waits for it at every key, so an agent that is slow or away means no names, and never a message.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from nodeguard.cli.answering import first_argument
from nodeguard.errors import NodeguardError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from nodeguard.client.client import Client
    from nodeguard.client.kind import Kind

    Complete = Callable[[click.Context, click.Parameter, str], list[str] | list[CompletionItem]]

TIMEOUT_SECONDS = 0.5
_TAKE_VALUES = frozenset({"-n", "--namespace", "-c", "--container", "--tail", "--since"})
MANY = "500"
"""More names than this help nobody."""


def complete_targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Types, then names of the type; or ``TYPE/NAME``."""
    from nodeguard.client.kind import KINDS, find

    word, slash, beginning = incomplete.rpartition("/")
    if slash:
        kind = find(word)
        return [] if kind is None else [f"{word}/{name}" for name in _names(ctx, kind, beginning)]
    given = ctx.params.get(param.name or "") or ()
    if given and "/" not in given[0]:
        kind = find(given[0])
        return [] if kind is None else _others(_names(ctx, kind, incomplete), given[1:])
    return [kind.plural for kind in KINDS if kind.plural.startswith(incomplete)]


def complete_pods(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Names of pods."""
    from nodeguard.client.kind import POD

    return _names(ctx, POD, incomplete)


def complete_nodes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of nodes."""
    from nodeguard.client.kind import NODE

    return _others(_names(ctx, NODE, incomplete), ctx.params.get(param.name or "") or ())


def complete_namespaces(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Names of namespaces."""
    from nodeguard.client.kind import NAMESPACE

    return _names(ctx, NAMESPACE, incomplete)


def complete_containers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """The containers of the pod that is named already."""
    from nodeguard.client.kind import POD

    words = _words()  # click forgets what it has read once the value of the last option is missing
    place = first_argument(words, _TAKE_VALUES)
    found: dict[str, Any] = {}
    if place is not None:
        with suppress(NodeguardError, OSError), _client() as client:
            namespace = next((words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-n", "--namespace")), None)
            found = client.get(POD, namespace or _namespace(ctx), words[place].rpartition("/")[2])
    spec = found.get("spec") or {}
    names = [one["name"] for one in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))]
    return [name for name in names if name.startswith(incomplete)]


def complete_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """The shell knows files best."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def _words() -> list[str]:
    """What stands on the command line behind the verb."""
    from click.shell_completion import split_arg_string

    return split_arg_string(os.environ.get("COMP_WORDS", ""))[2:]


def _names(ctx: click.Context, kind: Kind, beginning: str) -> list[str]:
    """Names of this kind that begin so; none when nobody answers at once."""
    from nodeguard.client.client import TABLE

    table: dict[str, Any] = {}
    with suppress(NodeguardError, OSError), _client() as client:
        table = client.read(kind.path(_namespace(ctx)), {"limit": MANY}, accept=TABLE)
    names = [str(row["cells"][0]) for row in table.get("rows") or ()]
    return [name for name in names if name.startswith(beginning)]


def _others(names: Iterable[str], given: Iterable[str]) -> list[str]:
    """Those that are not on the line yet."""
    known = set(given)
    return [name for name in names if name not in known]


def _namespace(ctx: click.Context) -> str | None:
    if ctx.params.get("all_namespaces"):
        return None
    return str(ctx.params.get("namespace") or "default")


@contextmanager
def _client() -> Iterator[Client]:
    from nodeguard.cli.agent_socket import socket_path
    from nodeguard.client.client import Client

    client = Client(socket_path(), timeout_seconds=TIMEOUT_SECONDS)
    try:
        yield client
    finally:
        client.close()
