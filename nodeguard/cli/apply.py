"""``nodeguard apply``: what the files say becomes so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import DRY_RUN_WORDS, dry_run_option, files_option, namespace_option
from nodeguard.cli.get_objects import print_items
from nodeguard.client.client import Client
from nodeguard.client.kind import Kind
from nodeguard.errors import AgentUnreachable, InvalidInput, NodeguardError, NotFound, UsageError


@click.command(short_help="Create what files describe, or change it to that.")
@files_option("A file, a directory, or - for standard input.")
@click.argument("more", nargs=-1, metavar="[FILE]...")
@namespace_option
@dry_run_option()
@click.option("-o", "--output", type=click.Choice(["json", "yaml", "name"]), help="Print the objects.")
def apply(files: tuple[str, ...], more: tuple[str, ...], namespace: str, dry_run: str, output: str | None) -> int:
    """Create the objects in FILE..., or change them to what is written there. Applied twice, nothing changes.

    All faults are reported before anything is sent. This is server-side apply, in which the file wins: fields that
    nodeguard apply set before and that are no longer in the file go; what others set stays unless the file says
    otherwise.
    """
    paths = (*files, *more)
    if not paths:
        raise UsageError("a file is needed: nodeguard apply -f FILE")
    from nodeguard.cli.manifest_object import checked_objects

    told: set[str] = set()
    client = open_client(told=told)
    objects = checked_objects(client, paths, namespace, told)
    errors: list[NodeguardError] = []
    applied: list[tuple[Kind, dict[str, Any]]] = []
    for kind, item in objects:
        try:
            word, result = _apply(client, kind, item, dry_run)
        except AgentUnreachable:
            raise
        except NodeguardError as e:
            errors.append(e)
            _tell(e)
            continue
        applied.append((kind, result))
        if output is None:
            click.echo(f"{kind.title(item['metadata']['name'])} {word}{DRY_RUN_WORDS[dry_run]}")
    if output is not None:
        print_items(applied, output, alone=len(objects) == 1)
    return errors[0].exit_code if errors else 0


def _apply(client: Client, kind: Kind, item: dict[str, Any], dry_run: str) -> tuple[str, dict[str, Any]]:
    """``created``, ``configured`` or ``unchanged``, and the object."""
    metadata = item["metadata"]
    namespace = metadata.get("namespace") if kind.namespaced else None
    try:
        before: dict[str, Any] | None = client.get(kind, namespace, metadata["name"])
    except NotFound:
        before = None
    if dry_run == "client":
        return ("created" if before is None else "configured"), item
    created, after = client.apply(kind, namespace, item, dry_run=dry_run == "server")
    if created or before is None:
        return "created", after
    return ("unchanged" if _same(before, after) else "configured"), after


def _same(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether nothing was changed. A dry run keeps the resourceVersion, so the objects themselves are compared."""
    return _without_bookkeeping(before) == _without_bookkeeping(after)


def _without_bookkeeping(item: Mapping[str, Any]) -> dict[str, Any]:
    volatile = ("managedFields", "resourceVersion", "generation")
    metadata = {key: value for key, value in item["metadata"].items() if key not in volatile}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}


def _tell(error: NodeguardError) -> None:
    for line in error.findings if isinstance(error, InvalidInput) else (error,):
        click.echo(f"Error: {line}", err=True)
