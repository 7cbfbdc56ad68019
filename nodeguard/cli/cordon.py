"""``nodeguard cordon`` and ``uncordon``: whether new pods may come."""

from __future__ import annotations

from typing import Any

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import DRY_RUN_WORDS, dry_run_option, list_query, selector_option
from nodeguard.cli.complete import complete_nodes
from nodeguard.cli.target import Target, find_objects
from nodeguard.client.client import Client
from nodeguard.client.kind import NODE
from nodeguard.errors import UsageError


@click.command(short_help="Mark nodes as unschedulable.")
@click.argument("names", nargs=-1, metavar="[NODE]...", shell_complete=complete_nodes)
@selector_option
@dry_run_option()
def cordon(names: tuple[str, ...], selector: str | None, dry_run: str) -> None:
    """Mark nodes as unschedulable: no new pods, those that run stay."""
    _set(names, selector, dry_run, unschedulable=True)


@click.command(short_help="Mark nodes as schedulable again.")
@click.argument("names", nargs=-1, metavar="[NODE]...", shell_complete=complete_nodes)
@selector_option
@dry_run_option()
def uncordon(names: tuple[str, ...], selector: str | None, dry_run: str) -> None:
    """Mark nodes as schedulable again."""
    _set(names, selector, dry_run, unschedulable=False)


def _set(names: tuple[str, ...], selector: str | None, dry_run: str, *, unschedulable: bool) -> None:
    client = open_client()
    for node in chosen_nodes(client, names, selector):
        set_unschedulable(client, node, dry_run, unschedulable=unschedulable)


def chosen_nodes(client: Client, names: tuple[str, ...], selector: str | None) -> list[dict[str, Any]]:
    """The nodes of these names, or with these labels; ``node/NAME`` is NAME.

    Raises:
        UsageError: neither, or both. NotFound: there is none of a name.
    """
    if bool(names) == bool(selector):
        raise UsageError("either names of nodes or a selector (-l)")
    plain = tuple(name.partition("/")[2] if name.partition("/")[1] else name for name in names)
    found = find_objects(client, [Target(NODE, plain)], None, list_query(selector, None))
    return [item for _, item in found]


def set_unschedulable(client: Client, node: dict[str, Any], dry_run: str, *, unschedulable: bool) -> None:
    """The node as it should be, told in kubectl's words."""
    name, word = node["metadata"]["name"], "cordoned" if unschedulable else "uncordoned"
    if bool(node.get("spec", {}).get("unschedulable")) == unschedulable:
        click.echo(f"node/{name} already {word}{DRY_RUN_WORDS[dry_run]}")
        return
    if dry_run != "client":
        patch = {"spec": {"unschedulable": True if unschedulable else None}}
        client.patch(NODE, None, name, patch, dry_run=dry_run == "server")
    click.echo(f"node/{name} {word}{DRY_RUN_WORDS[dry_run]}")
