"""``nodeguard taint``: what keeps pods off a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import DRY_RUN_WORDS, dry_run_option, list_query, selector_option
from nodeguard.cli.target import Target, find_objects
from nodeguard.client.kind import NODE, find
from nodeguard.errors import Conflict, NotFound, UsageError

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

Taint = dict[str, Any]


class Changes(NamedTuple):
    """Taints to set, and key and effect of those to take away; an empty effect means all."""

    added: list[Taint]
    removed: list[tuple[str, str]]


@click.command(short_help="Set taints of nodes, or take them away.")
@click.argument("arguments", nargs=-1, required=True, metavar="nodes NAME... KEY[=VALUE]:EFFECT... KEY[:EFFECT]-...")
@selector_option
@click.option("--all", "all_of_them", is_flag=True, help="All nodes.")
@click.option("--overwrite", is_flag=True, help="Also where the taint has another value.")
@dry_run_option()
def taint(arguments: tuple[str, ...], selector: str | None, all_of_them: bool, overwrite: bool, dry_run: str) -> None:
    """Set taints (KEY=VALUE:EFFECT) or take them away (KEY:EFFECT- or KEY-).

    EFFECT is NoSchedule, PreferNoSchedule or NoExecute.
    """
    names, changes = parse_arguments(arguments)
    if bool(names) == bool(selector or all_of_them):
        raise UsageError("either names of nodes, or -l, or --all")
    client = open_client()
    for _, node in list(find_objects(client, [Target(NODE, names)], None, list_query(selector, None))):
        name, before = node["metadata"]["name"], node.get("spec", {}).get("taints") or []
        after = changed_taints(name, before, changes, overwrite=overwrite)
        if dry_run != "client" and after != before:
            patch = {
                "metadata": {"resourceVersion": node["metadata"].get("resourceVersion")},
                "spec": {"taints": after or None},
            }
            client.patch(NODE, None, name, patch, dry_run=dry_run == "server")
        word = "modified" if changes.added and changes.removed else "tainted" if changes.added else "untainted"
        click.echo(f"node/{name} {word}{DRY_RUN_WORDS[dry_run]}")


def parse_arguments(arguments: Sequence[str]) -> tuple[tuple[str, ...], Changes]:
    """Names of nodes, and what is to change. Pure.

    Raises:
        UsageError: the type is not a node, or a taint is malformed.

    Source: kubectl, pkg/cmd/taint/utils.go, parseTaints.
    """
    word, *rest = arguments
    kind, slash, name = word.partition("/")
    if find(kind) is not NODE:
        raise UsageError(f"{kind!r}: only nodes have taints")
    names = [name] if slash else []
    changes = Changes([], [])
    for argument in rest:
        if not argument.endswith("-") and ":" not in argument and "=" not in argument:
            if changes.added or changes.removed:
                raise UsageError(f"{argument!r} is not KEY[=VALUE]:EFFECT or KEY[:EFFECT]-; names come first")
            names.append(argument)
        elif argument.endswith("-"):
            key, colon, effect = argument[:-1].partition(":")
            changes.removed.append((key.partition("=")[0], _effect(effect, argument) if colon else ""))
        else:
            pair, _, effect = argument.rpartition(":")
            key, _, value = pair.partition("=")
            if not key:
                raise UsageError(f"{argument!r} is not KEY[=VALUE]:EFFECT or KEY[:EFFECT]-")
            changes.added.append(
                {"key": key, **({"value": value} if value else {}), "effect": _effect(effect, argument)}
            )
    if not changes.added and not changes.removed:
        raise UsageError("at least one taint is needed: KEY[=VALUE]:EFFECT or KEY[:EFFECT]-")
    return tuple(names), changes


def changed_taints(node: str, before: Sequence[Taint], changes: Changes, *, overwrite: bool) -> list[Taint]:
    """The taints as they are to be. Pure.

    Raises:
        Conflict: one is there with another value, without ``overwrite``. NotFound: one that is to go is not there.
    """
    added = {(one["key"], one["effect"]): one for one in changes.added}
    there = {(one["key"], one["effect"]): one for one in before}
    clashes = sorted({key for key, effect in added if (key, effect) in there})
    if clashes and not overwrite:
        raise Conflict(
            f"node {node} already has {', '.join(clashes)} taint(s) with same effect(s) and --overwrite is false"
        )
    for key, effect in changes.removed:
        if not any(key == one["key"] and effect in ("", one["effect"]) for one in before):
            raise NotFound(f'taint "{key}{":" if effect else ""}{effect}" not found on node {node}')
    kept = [
        one
        for one in before
        if (one["key"], one["effect"]) not in added
        and not any(key == one["key"] and effect in ("", one["effect"]) for key, effect in changes.removed)
    ]
    return [*changes.added, *kept]


def _effect(effect: str, argument: str) -> str:
    if effect not in EFFECTS:
        raise UsageError(f"{argument!r}: the effect is one of {', '.join(EFFECTS)}")
    return effect
