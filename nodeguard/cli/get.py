"""``nodeguard get``: what there is, as kubectl lists it."""

from __future__ import annotations

import click

from nodeguard.cli.resource import ResourceGroup

_NODE = "nodeguard.cli.get_node:node"
_NODES = "nodeguard.cli.get_node:nodes"


@click.group(
    cls=ResourceGroup,
    lazy_commands={"node": (_NODE, "Show this host as a Kubernetes node.")},
    other_names={"nodes": _NODES, "no": _NODES},
    short_help="List resources: the node.",
)
def get() -> None:
    """List resources, as kubectl does."""
