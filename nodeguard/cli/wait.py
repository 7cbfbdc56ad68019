"""``nodeguard wait``: return when objects are as they should be."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import (
    all_namespaces_option,
    field_selector_option,
    list_query,
    namespace_option,
    selector_option,
    timeout_option,
)
from nodeguard.cli.complete import complete_targets
from nodeguard.cli.target import Target, find_objects, parse_targets
from nodeguard.client.client import Client
from nodeguard.client.kind import Kind
from nodeguard.client.wait import Condition, wait_for, wait_until_gone
from nodeguard.errors import NodeguardError, NotFound, TimedOut, UsageError


@click.command(short_help="Wait for a condition: Ready, deleted, a value.")
@click.argument(
    "targets", nargs=-1, required=True, metavar="TYPE NAME... | TYPE/NAME...", shell_complete=complete_targets
)
@click.option(
    "--for",
    "wanted",
    required=True,
    metavar="WHAT",
    help="condition=NAME[=VALUE], jsonpath={.path}[=VALUE], create, delete.",
)
@namespace_option
@all_namespaces_option
@selector_option
@field_selector_option
@click.option("--all", "all_of_them", is_flag=True, help="All objects of the TYPE in the namespace.")
@timeout_option("30s", "How long to wait; 0 is without end.")
def wait(
    targets: tuple[str, ...],
    wanted: str,
    namespace: str,
    all_namespaces: bool,
    selector: str | None,
    field_selector: str | None,
    all_of_them: bool,
    timeout: float | None,
) -> int:
    """Wait until every one of these objects is as --for says; exit code 8 when the time is over.

    \b
    nodeguard wait pod/web --for=condition=Ready
    nodeguard wait pod/web --for=jsonpath='{.status.phase}'=Succeeded --timeout=5m
    nodeguard wait pods -l app=web --for=delete
    """
    condition = None if wanted in ("delete", "create") else parse_condition(wanted)
    client = open_client()
    found = parse_targets(client, targets)
    query = list_query(selector, field_selector)
    if not query and not all_of_them and not all(target.names for target in found):
        raise UsageError("name the objects, or choose them with -l, --field-selector or --all")
    where = None if all_namespaces else namespace
    until = None if timeout is None else time.monotonic() + timeout
    if wanted == "create":
        _wait_for_creation(client, found, namespace, until)
        return 0
    errors: list[NodeguardError] = []
    chosen = list(find_objects(client, found, where, query, missing=errors))
    if wanted != "delete" and (errors or not chosen):
        raise errors[0] if errors else NotFound("no matching resources found")
    late: list[TimedOut] = []
    for kind, item in chosen:
        try:
            _wait(client, kind, item, condition, until)
        except TimedOut as e:
            late.append(e)
            click.echo(f"Error: {e}", err=True)
        else:
            click.echo(f"{kind.title(item['metadata']['name'])} condition met")
    return late[0].exit_code if late else 0


def parse_condition(text: str) -> Condition:
    """What ``condition=…`` or ``jsonpath=…`` asks of an object. Pure.

    Raises:
        UsageError: it is neither.

    Source: kubectl, pkg/cmd/wait/wait.go, conditionFuncFor (values are compared without regard to case).
    """
    kind, _, rest = text.partition("=")
    if kind == "condition" and rest:
        name, _, value = rest.partition("=")
        return lambda item: item is not None and _has_condition(item, name, value or "true")
    if kind == "jsonpath" and rest:
        return _json_path_condition(rest)
    raise UsageError(f"--for={text}: not one of condition=NAME[=VALUE], jsonpath={{.path}}[=VALUE], create, delete")


def _has_condition(item: Mapping[str, Any], name: str, value: str) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(
        one.get("type", "").lower() == name.lower() and one.get("status", "").lower() == value.lower()
        for one in conditions
    )


def _json_path_condition(text: str) -> Condition:
    from nodeguard.client.jsonpath import evaluate, text_of

    if text.startswith("{"):
        path, brace, rest = text.rpartition("}")
        path = path + brace if brace else text
        value = rest.removeprefix("=") if rest.startswith("=") else None
    else:
        path, equals, rest = text.partition("=")
        value = rest if equals else None
    evaluate(path, {})  # a wrong path is told before anything is asked

    def holds(item: Mapping[str, Any] | None) -> bool:
        if item is None:
            return False
        found = evaluate(path, item)
        exists = any(part != [] for part in found)
        return exists if value is None else exists and text_of(found) == value.strip("'\"")

    return holds


def _wait_for_creation(client: Client, targets: list[Target], namespace: str, until: float | None) -> None:
    for kind, names in targets:
        if not names:
            raise UsageError("--for=create needs names")
        for name in names:
            wait_for(client, kind, namespace, name, lambda item: item is not None, _left(until))
            click.echo(f"{kind.title(name)} condition met")


def _wait(client: Client, kind: Kind, item: dict[str, Any], condition: Condition | None, until: float | None) -> None:
    metadata = item["metadata"]
    if condition is None:
        wait_until_gone(client, kind, metadata.get("namespace"), metadata["name"], metadata["uid"], _left(until))
        return

    def holds(now: Mapping[str, Any] | None) -> bool:
        if now is None:
            raise NotFound(f'{kind.plural} "{metadata["name"]}" was deleted meanwhile')
        return condition(now)

    wait_for(client, kind, metadata.get("namespace"), metadata["name"], holds, _left(until))


def _left(until: float | None) -> float | None:
    """A last look is always taken."""
    return None if until is None else max(0.001, until - time.monotonic())
