"""``nodeguard describe``: one thing in detail, as kubectl describes it."""

from __future__ import annotations

import click

from nodeguard.cli.resource import ResourceGroup

_NODE = "nodeguard.cli.describe_node:node"


@click.group(
    cls=ResourceGroup,
    lazy_commands={"node": (_NODE, "Describe this host: conditions, eviction signals, pods, resources.")},
    other_names={"nodes": _NODE, "no": _NODE},
    short_help="Describe a resource in detail: the node.",
)
def describe() -> None:
    """Describe a resource in detail, as kubectl does."""
