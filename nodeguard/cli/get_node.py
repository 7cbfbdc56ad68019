"""``nodeguard get node``: the node as kubectl lists it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from nodeguard.agent.node_view import view_node
from nodeguard.agent.text import format_age, format_table
from nodeguard.cli.option import config_file_option, load_and_warn
from nodeguard.cli.printer import output_option, print_object
from nodeguard.errors import NotFound
from nodeguard.model.instant import parse_rfc3339

_HEADER = ("NAME", "STATUS", "ROLES", "AGE", "VERSION")
_WIDE = ("INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME")
_ROLE = "node-role.kubernetes.io/"


@click.command(short_help="Show this host as a Kubernetes node.")
@click.argument("name", required=False)
@output_option("text", "wide", "json", "yaml", "name")
@config_file_option
def node(name: str | None, output: str, **options: Any) -> None:
    """Show this host as a Kubernetes node: capacity, conditions, taints.

    With -o json or yaml a v1 Node. It is told by the nodeguard processes that run pods; without one nobody knows
    whether the node is ready.
    """
    _print(name, output, options)


@click.command(short_help="List the nodes: this host.")
@click.argument("name", required=False)
@output_option("text", "wide", "json", "yaml", "name")
@config_file_option
def nodes(name: str | None, output: str, **options: Any) -> None:
    """List the nodes: this host. With -o json or yaml a v1 List, or the v1 Node when its name is given."""
    _print(name, output, options, as_list=name is None)


def _print(name: str | None, output: str, options: dict[str, Any], *, as_list: bool = False) -> None:
    found = dict(view_node(load_and_warn(options), asks_runtime=output not in ("text", "name")).node)
    check_name(found, name)
    if output in ("text", "wide"):
        click.echo(node_table([found], wide=output == "wide", now=time.time()), nl=False)
    elif output == "name":
        click.echo(f"node/{found['metadata']['name']}")
    elif as_list:
        print_object(
            {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": [found]}, output
        )
    else:
        print_object(found, output)


def check_name(found: Mapping[str, Any], name: str | None) -> None:
    """Raises NotFound if the node has another name."""
    if name not in (None, found["metadata"]["name"]):
        raise NotFound(f'nodes "{name}" not found; this host is {found["metadata"]["name"]}')


def node_table(items: list[dict[str, Any]], *, wide: bool, now: float) -> str:
    """The nodes, a line each. Pure.

    Source: kubernetes, pkg/printers/internalversion/printers.go, printNode.
    """
    rows = [_cells(item, now) + (_wide_cells(item) if wide else ()) for item in items]
    return format_table((*_HEADER, *_WIDE) if wide else _HEADER, rows)


def node_roles(item: Mapping[str, Any]) -> str:
    """The roles that labels tell."""
    labels: Mapping[str, str] = item["metadata"].get("labels", {})
    roles = sorted(label.removeprefix(_ROLE) for label in labels if label.startswith(_ROLE))
    return ",".join(roles) or "<none>"


def _cells(item: Mapping[str, Any], now: float) -> tuple[str, ...]:
    metadata, status = item["metadata"], item["status"]
    created_at = parse_rfc3339(metadata["creationTimestamp"])
    return (
        metadata["name"],
        _status(item),
        node_roles(item),
        "<unknown>" if created_at is None else format_age(now - created_at),
        status["nodeInfo"]["kubeletVersion"],
    )


def _status(item: Mapping[str, Any]) -> str:
    ready = next((one for one in item["status"]["conditions"] if one["type"] == "Ready"), None)
    word = "Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if item["spec"].get("unschedulable") else word


def _wide_cells(item: Mapping[str, Any]) -> tuple[str, ...]:
    info = item["status"]["nodeInfo"]
    return (
        _address(item, "InternalIP"),
        _address(item, "ExternalIP"),
        info["osImage"] or "<unknown>",
        info["kernelVersion"] or "<unknown>",
        info["containerRuntimeVersion"] or "<unknown>",
    )


def _address(item: Mapping[str, Any], type_: str) -> str:
    return next((one["address"] for one in item["status"]["addresses"] if one["type"] == type_), "<none>")
