"""Which objects a command line means: ``TYPE``, ``TYPE NAME…``, ``TYPE/NAME…``, ``TYPE,TYPE``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nodeguard.client.client import Client
from nodeguard.client.kind import KINDS, Kind, in_category
from nodeguard.errors import NodeguardError, NotFound, UsageError


class Target(NamedTuple):
    """Objects of one kind; without names all of them are meant."""

    kind: Kind
    names: tuple[str, ...] = ()


def parse_targets(client: Client, arguments: Sequence[str]) -> list[Target]:
    """What the arguments name, each kind once.

    Raises:
        UsageError: nothing, or ``TYPE`` and ``TYPE/NAME`` mixed. NotFound: there is no such kind.
    """
    if not arguments:
        raise UsageError("a TYPE is needed, such as pods, or TYPE/NAME")
    if not any("/" in argument for argument in arguments):
        names = tuple(arguments[1:])
        kinds = [kind for word in arguments[0].split(",") if word for kind in _kinds(client, word)]
        return [Target(kind, names) for kind in dict.fromkeys(kinds)]
    found: dict[Kind, list[str]] = {}
    for argument in arguments:
        word, _, name = argument.partition("/")
        if not word or not name or "/" in name:
            raise UsageError(f"{argument!r} is not TYPE/NAME; with TYPE/NAME every argument has to be of this form")
        found.setdefault(client.kind(word), []).append(name)
    return [Target(kind, tuple(names)) for kind, names in found.items()]


def parse_target(client: Client, argument: str, default: Kind) -> tuple[Kind, str]:
    """Kind and name of one ``NAME`` or ``TYPE/NAME``. Raises as ``parse_targets``."""
    word, slash, name = argument.rpartition("/")
    return (client.kind(word) if slash else default), name


def find_objects(
    client: Client,
    targets: Sequence[Target],
    namespace: str | None,
    query: Mapping[str, str],
    *,
    missing: list[NodeguardError] | None = None,
) -> Iterator[tuple[Kind, dict[str, Any]]]:
    """The objects themselves. Those that are not there are collected in ``missing``, or raised."""
    for kind, names in targets:
        if not names:
            for item in client.list(kind, namespace, query)["items"]:
                yield kind, item
        for name in names:
            try:
                yield kind, client.get(kind, namespace, name)
            except NotFound as e:
                if missing is None:
                    raise
                missing.append(e)


def _kinds(client: Client, word: str) -> list[Kind]:
    if word == "all":
        return in_category("all", KINDS)
    return [client.kind(word)]
