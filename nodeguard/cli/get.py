"""``nodeguard get``: what there is, as kubectl lists it."""

from __future__ import annotations

from nodeguard.cli.answering import AnsweringCommand

_NODE = "nodeguard.cli.get_node:node"
_NODES = "nodeguard.cli.get_node:nodes"
_DECISIONS = "nodeguard.cli.get_decisions:decisions"
_EVICTIONS = "nodeguard.cli.get_decisions:evictions"
_EVENTS = "nodeguard.cli.events:events"

_ALWAYS = {
    **dict.fromkeys(("decisions", "decision"), _DECISIONS),
    **dict.fromkeys(("evictions", "eviction"), _EVICTIONS),
}

get = AnsweringCommand(
    "get",
    api="nodeguard.cli.get_objects:get",
    records={
        **_ALWAYS,
        "node": _NODE,
        **dict.fromkeys(("nodes", "no"), _NODES),
        **dict.fromkeys(("events", "event", "ev"), _EVENTS),
    },
    always=frozenset(_ALWAYS),
    short_help="List resources: pods, nodes, events, …; decisions.",
)
