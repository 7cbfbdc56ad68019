"""``nodeguard describe`` as the agent's API answers it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import all_namespaces_option, files_option, list_query, namespace_option, selector_option
from nodeguard.cli.complete import complete_targets
from nodeguard.cli.describe_text import NONE, event_lines, metadata_lines
from nodeguard.cli.tabstop import align
from nodeguard.cli.target import Target, find_objects, parse_targets
from nodeguard.client.client import Client
from nodeguard.client.kind import EVENT, NODE, POD, Kind
from nodeguard.errors import NodeguardError, NotFound, UsageError

_DONE = ("apiVersion", "kind", "metadata")


@click.command("describe")
@click.argument("targets", nargs=-1, metavar="TYPE [NAME...] | TYPE/NAME...", shell_complete=complete_targets)
@files_option("The objects that this file names.")
@namespace_option
@all_namespaces_option
@selector_option
@click.option("--show-events/--no-events", default=True, help="With their events (the default).")
@click.option("--config", metavar="FILE", help="Read this configuration file in place of those in /etc and /usr/lib.")
def describe(
    targets: tuple[str, ...],
    files: tuple[str, ...],
    namespace: str,
    all_namespaces: bool,
    selector: str | None,
    show_events: bool,
    config: str | None,
) -> int:
    """Describe objects in detail, with their events, as kubectl does. A NAME may be the beginning of names.

    Without an agent on this host there is the node, from what pods' processes wrote down.
    """
    client = open_client(config)
    where = None if all_namespaces else namespace
    errors: list[NodeguardError] = []
    if files:
        from nodeguard.cli.manifest_object import named_objects

        chosen = [
            (kind, client.get(kind, space, name)) for kind, space, name in named_objects(client, files, namespace)
        ]
    else:
        found = parse_targets(client, targets)
        if all_namespaces and any(target.names for target in found):
            raise UsageError("a resource cannot be retrieved by name across all namespaces")
        chosen = _choose(client, found, where, list_query(selector, None), errors)
    for number, (kind, item) in enumerate(chosen):
        events = _events(client, item) if show_events else None
        click.echo("\n\n" if number else "", nl=False)
        click.echo("\n".join(_lines(client, kind, item, events, config)))
    for error in errors:
        click.echo(f"Error: {error}", err=True)
    if not chosen and not errors:
        click.echo("No resources found" + (f" in {where} namespace." if where else ""), err=True)
    return errors[0].exit_code if errors else 0


def _choose(
    client: Client,
    targets: Sequence[Target],
    namespace: str | None,
    query: dict[str, str],
    errors: list[NodeguardError],
) -> list[tuple[Kind, dict[str, Any]]]:
    """The objects, in the order in which they were named; where there is none of a name, those that begin with it."""
    chosen: list[tuple[Kind, dict[str, Any]]] = []
    for target in targets:
        if not target.names:
            chosen += find_objects(client, [target], namespace, query)
        for name in target.names:
            try:
                chosen.append((target.kind, client.get(target.kind, namespace, name)))
            except NotFound as e:
                items = client.list(target.kind, namespace)["items"]
                close = [item for item in items if item["metadata"]["name"].startswith(name)]
                chosen += [(target.kind, item) for item in close]
                errors += [] if close else [e]
    return chosen


def _events(client: Client, item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was told of the object. A node's uid in events is its name, as a kubelet has it."""
    metadata = item["metadata"]
    of = {"involvedObject.name": metadata["name"], "involvedObject.kind": item["kind"]}
    if metadata.get("namespace"):
        of["involvedObject.namespace"] = metadata["namespace"]
    query = {"fieldSelector": ",".join(f"{key}={value}" for key, value in of.items())}
    found = client.list(EVENT, metadata.get("namespace"), query)["items"]
    uids = ("", metadata["name"], metadata.get("uid"))
    return [event for event in found if (event.get("involvedObject") or {}).get("uid", "") in uids]


def _lines(
    client: Client, kind: Kind, item: dict[str, Any], events: list[dict[str, Any]] | None, config: str | None
) -> list[str]:
    now = time.time()
    if kind is POD:
        from nodeguard.cli.describe_pod import pod_lines

        return align(pod_lines(item, events, now))
    if kind is NODE:
        from nodeguard.cli.describe_api_node import api_node_lines

        return [*api_node_lines(client, item, now, config), *align(event_lines(events, now))]
    return align([*_generic(kind, item), *event_lines(events, now)])


def _generic(kind: Kind, item: Mapping[str, Any]) -> Iterator[str]:
    """Any object; of a Secret only how long its values are."""
    metadata = item["metadata"]
    yield f"Name:\t{metadata['name']}"
    if kind.namespaced:
        yield f"Namespace:\t{metadata.get('namespace', '')}"
    yield from metadata_lines(metadata)
    yield f"API Version:\t{kind.api_version}"
    yield f"Kind:\t{kind.kind}"
    for key, value in item.items():
        if key in _DONE:
            continue
        title = key[:1].upper() + key[1:]
        if kind.kind == "Secret" and key in ("data", "stringData"):
            yield f"{title}:"
            yield from (f"  {name}:\t{_decoded_length(text)} bytes" for name, text in sorted((value or {}).items()))
        elif isinstance(value, dict | list):
            import yaml

            text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120) if value else ""
            yield f"{title}:" if text else f"{title}:\t{NONE}"
            yield from (f"  {line}" for line in text.splitlines())
        else:
            yield f"{title}:\t{value}"


def _decoded_length(text: str) -> int:
    return len(text) // 4 * 3 - text[-2:].count("=")
