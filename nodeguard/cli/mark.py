"""What ``label`` and ``annotate`` have in common: maps of text in an object's metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import DRY_RUN_WORDS, list_query
from nodeguard.cli.get_objects import print_items
from nodeguard.cli.target import find_objects, parse_targets
from nodeguard.client.client import Client
from nodeguard.client.kind import Kind
from nodeguard.errors import Conflict, UsageError


def change_marks(
    arguments: Sequence[str],
    *,
    field: str,
    words: tuple[str, str, str],
    namespace: str | None,
    selector: str | None,
    field_selector: str | None,
    all_of_them: bool,
    overwrite: bool,
    listing: bool,
    dry_run: str,
    output: str | None,
) -> None:
    """``metadata.FIELD`` of the objects that the arguments name, as their ``KEY=VALUE`` and ``KEY-`` say.

    ``words`` are those for set, taken away, and unchanged.

    Raises:
        UsageError: no change is asked for, or no object. Conflict: a key has another value, without ``overwrite``.
    """
    targets, changes = split_arguments(arguments)
    if not changes and not listing:
        raise UsageError(f"at least one KEY=VALUE or KEY- is needed to change {field}")
    client = open_client()
    found = parse_targets(client, targets)
    query = list_query(selector, field_selector)
    if not query and not all_of_them and not all(target.names for target in found):
        raise UsageError("name the objects, or choose them with -l, --field-selector or --all")
    changed: list[tuple[Kind, dict[str, Any]]] = []
    for kind, item in list(find_objects(client, found, namespace, query)):
        word, result = _change(client, kind, item, field, changes, words, overwrite=overwrite, dry_run=dry_run)
        changed.append((kind, result))
        if listing:
            marks = result["metadata"].get(field) or {}
            click.echo("".join(f"{key}={marks[key]}\n" for key in sorted(marks)), nl=False)
        elif output is None:
            click.echo(f"{kind.title(item['metadata']['name'])} {word}{DRY_RUN_WORDS[dry_run]}")
    if output is not None:
        print_items(changed, output, alone=len(changed) == 1)


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], dict[str, str | None]]:
    """What names objects, and what changes them: value by key, None to take it away. Pure.

    Raises:
        UsageError: a key is both set and taken away, or names come after changes.
    """
    targets: list[str] = []
    changes: dict[str, str | None] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        taken_away = not equals and argument.endswith("-")
        if not equals and not taken_away:
            if changes:
                raise UsageError(f"{argument!r} is not KEY=VALUE or KEY-; names come first")
            targets.append(argument)
            continue
        key = key.removesuffix("-") if taken_away else key
        if key in changes and (changes[key] is None) != taken_away:
            raise UsageError(f"{key!r} can not be both set and taken away")
        changes[key] = None if taken_away else value
    return targets, changes


def _change(
    client: Client,
    kind: Kind,
    item: dict[str, Any],
    field: str,
    changes: dict[str, str | None],
    words: tuple[str, str, str],
    *,
    overwrite: bool,
    dry_run: str,
) -> tuple[str, dict[str, Any]]:
    metadata = item["metadata"]
    before = metadata.get(field) or {}
    if not overwrite:
        clashes = [key for key, value in changes.items() if value is not None and before.get(key, value) != value]
        if clashes:
            held = ", ".join(f"{key!r} already has a value ({before[key]})" for key in clashes)
            raise Conflict(f"{kind.title(metadata['name'])}: {held}, and --overwrite is false")
    after = {key: value for key, value in {**before, **changes}.items() if value is not None}
    if after == before:
        return words[2], item
    set_, taken_away, _ = words
    word = set_ if any(value is not None for value in changes.values()) else taken_away
    if dry_run == "client":
        return word, {**item, "metadata": {**metadata, field: after}}
    patch = {"metadata": {field: changes}}
    result = client.patch(kind, metadata.get("namespace"), metadata["name"], patch, dry_run=dry_run == "server")
    return word, result
