"""``nodeguard describe``: one thing in detail, as kubectl describes it."""

from __future__ import annotations

from nodeguard.cli.answering import AnsweringCommand

describe = AnsweringCommand(
    "describe",
    api="nodeguard.cli.describe_objects:describe",
    records=dict.fromkeys(("node", "nodes", "no"), "nodeguard.cli.describe_node:node"),
    short_help="Describe resources in detail: pods, nodes, …",
)
