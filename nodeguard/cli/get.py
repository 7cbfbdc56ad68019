"""``nodeguard get``: what there is, as kubectl lists it."""

from __future__ import annotations

import click

from nodeguard.cli.resource import ResourceGroup

_NODE = "nodeguard.cli.get_node:node"
_NODES = "nodeguard.cli.get_node:nodes"
_DECISIONS = "nodeguard.cli.get_decisions:decisions"
_EVICTIONS = "nodeguard.cli.get_decisions:evictions"
_EVENTS = "nodeguard.cli.events:events"


@click.group(
    cls=ResourceGroup,
    lazy_commands={
        "node": (_NODE, "Show this host as a Kubernetes node."),
        "decisions": (_DECISIONS, "List decisions: evictions, OOM kills, limits hit, pods refused."),
        "events": (_EVENTS, "List events, also of pods that are gone."),
    },
    other_names={
        **dict.fromkeys(("nodes", "no"), _NODES),
        "decision": _DECISIONS,
        **dict.fromkeys(("evictions", "eviction"), _EVICTIONS),
        **dict.fromkeys(("event", "ev"), _EVENTS),
    },
    short_help="List resources: the node, decisions, events.",
)
def get() -> None:
    """List resources, as kubectl does."""
