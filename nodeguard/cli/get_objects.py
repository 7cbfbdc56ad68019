"""``nodeguard get`` as the agent's API answers it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import (
    all_namespaces_option,
    field_selector_option,
    files_option,
    list_query,
    namespace_option,
    selector_option,
)
from nodeguard.cli.complete import complete_targets
from nodeguard.cli.printer import print_object
from nodeguard.cli.table import TablePrinter
from nodeguard.cli.target import Target, find_objects, parse_targets
from nodeguard.client.client import TABLE, Client
from nodeguard.client.connection import JSON
from nodeguard.client.follow import LISTED, Change, follow
from nodeguard.client.kind import Kind
from nodeguard.errors import NodeguardError, NotFound, UsageError

JSONPATH = "jsonpath="


@click.command("get")
@click.argument("targets", nargs=-1, metavar="TYPE [NAME...] | TYPE/NAME...", shell_complete=complete_targets)
@files_option("The objects that this file names.")
@click.option("-o", "--output", default="", metavar="wide|json|yaml|name|jsonpath=", help="Output format.")
@namespace_option
@all_namespaces_option
@selector_option
@field_selector_option
@click.option("-w", "--watch", is_flag=True, help="List, then print every change as it comes.")
@click.option("--watch-only", is_flag=True, help="Print changes alone.")
@click.option("--no-headers", is_flag=True, help="Leave the line of headers out.")
@click.option("--show-labels", is_flag=True, help="Labels as a last column.")
@click.option("--show-managed-fields", is_flag=True, help="metadata.managedFields too, with -o json or yaml.")
@click.option("--ignore-not-found", is_flag=True, help="An object that is not there is no error.")
@click.option("--config", metavar="FILE", help="Read this configuration file in place of those in /etc and /usr/lib.")
def get(
    targets: tuple[str, ...],
    files: tuple[str, ...],
    output: str,
    namespace: str,
    all_namespaces: bool,
    selector: str | None,
    field_selector: str | None,
    watch: bool,
    watch_only: bool,
    no_headers: bool,
    show_labels: bool,
    show_managed_fields: bool,
    ignore_not_found: bool,
    config: str | None,
) -> int:
    """List what there is, as kubectl does: pods, nodes, events, … (nodeguard api-resources lists the types).

    Without an agent on this host there are node and events, from what pods' processes wrote down. Always from the
    records: decisions, evictions.
    """
    check_output(output)
    client = open_client(config)
    where = None if all_namespaces else namespace
    query = list_query(selector, field_selector)
    found = _of_files(client, files, namespace) if files else parse_targets(client, targets)
    if all_namespaces and any(target.names for target in found):
        raise UsageError("a resource cannot be retrieved by name across all namespaces")
    if any(target.names for target in found) and query:
        raise UsageError("selectors go with a TYPE, not with names")
    errors: list[NodeguardError] = []
    if output in ("", "wide"):
        tables = _Tables(client, where, query, found)
        tables.style = {"wide": output == "wide", "headers": not no_headers, "labels": show_labels}
        if watch or watch_only:
            return tables.watch(first=not watch_only)
        tables.show(errors)
    elif watch or watch_only:
        changes = _followed(client, _one(found), where, query, JSON)
        kind = found[0].kind
        return _watch_objects(changes, kind, output, first=not watch_only, managed_fields=show_managed_fields)
    else:
        items = list(find_objects(client, found, where, query, missing=errors))
        alone = len(found) == 1 and len(found[0].names) == 1
        print_items(items, output, alone=alone, managed_fields=show_managed_fields)
    return _ended(errors, ignore_not_found)


def check_output(output: str) -> None:
    """Raises UsageError unless ``output`` is a format of ``-o``."""
    if output not in ("", "wide", "json", "yaml", "name") and not output.startswith(JSONPATH):
        raise UsageError(f"-o {output}: not one of wide, json, yaml, name, jsonpath={{.path}}")


def print_items(
    items: Sequence[tuple[Kind, dict[str, Any]]], output: str, *, alone: bool, managed_fields: bool = False
) -> None:
    """Objects as JSON, YAML, names or what a JSONPath finds in them; one that was asked for ``alone`` as itself."""
    if output == "name":
        for kind, item in items:
            click.echo(kind.title(item["metadata"]["name"]))
        return
    plain = [item if managed_fields else without_managed_fields(item) for _, item in items]
    if alone and not plain:
        return
    whole = (
        plain[0] if alone else {"apiVersion": "v1", "items": plain, "kind": "List", "metadata": {"resourceVersion": ""}}
    )
    if output.startswith(JSONPATH):
        from nodeguard.client.jsonpath import evaluate, text_of

        click.echo(text_of(evaluate(output.removeprefix(JSONPATH), whole)), nl=False)
    else:
        print_object(whole, output)


def without_managed_fields(item: Mapping[str, Any]) -> dict[str, Any]:
    """The object without what only server-side apply wants to know."""
    metadata = {key: value for key, value in item.get("metadata", {}).items() if key != "managedFields"}
    return {**item, "metadata": metadata}


class _Tables:
    """Tables of one or several kinds."""

    def __init__(self, client: Client, namespace: str | None, query: dict[str, str], targets: Sequence[Target]) -> None:
        self._client, self._namespace, self._query, self._targets = client, namespace, query, targets
        self.style: dict[str, bool] = {}

    def show(self, errors: list[NodeguardError]) -> None:
        shown = 0
        for target in self._targets:
            printer = self._printer(target)
            text = "".join(printer.render(table) for table in self._read(target, errors) if table.get("rows"))
            if text:
                click.echo(("\n" if shown else "") + text, nl=False)
                shown += 1
        if not shown and not errors:
            self._say_nothing_found()

    def watch(self, *, first: bool) -> int:
        target = _one(self._targets)
        printer = self._printer(target)
        for type_, table in _followed(self._client, target, self._namespace, self._query, TABLE):
            if type_ != LISTED or first:
                sys.stdout.write(printer.render(table))
                sys.stdout.flush()
            first = False
        return 0

    def _read(self, target: Target, errors: list[NodeguardError]) -> Iterable[dict[str, Any]]:
        if not target.names:
            yield self._client.table(target.kind, self._namespace, self._query)
        for name in target.names:
            try:
                yield self._client.table(target.kind, self._namespace, name=name)
            except NotFound as e:
                errors.append(e)

    def _printer(self, target: Target) -> TablePrinter:
        return TablePrinter(
            **self.style,
            namespaces=self._namespace is None and target.kind.namespaced,
            prefix=target.kind.title("") if len(self._targets) > 1 else "",
        )

    def _say_nothing_found(self) -> None:
        namespaced = any(target.kind.namespaced for target in self._targets)
        where = f" in {self._namespace} namespace" if namespaced and self._namespace is not None else ""
        click.echo(f"No resources found{where}" + ("." if where else ""), err=True)


def _watch_objects(changes: Iterator[Change], kind: Kind, output: str, *, first: bool, managed_fields: bool) -> int:
    for type_, found in changes:
        items = [found] if type_ != LISTED else found["items"] if first else []
        first = False
        for item in items:
            print_items([(kind, item)], output, alone=True, managed_fields=managed_fields)
            sys.stdout.flush()
    return 0


def _followed(
    client: Client, target: Target, namespace: str | None, query: dict[str, str], accept: str
) -> Iterator[Change]:
    if len(target.names) > 1:
        raise UsageError("a watch takes one name, or a selector")
    if target.names:
        client.get(target.kind, namespace, target.names[0])  # what is not there is an error, as without -w
        query = {**query, "fieldSelector": f"metadata.name={target.names[0]}"}
    return follow(client, target.kind, namespace, query, accept=accept)


def _of_files(client: Client, files: tuple[str, ...], namespace: str) -> list[Target]:
    from nodeguard.cli.manifest_object import named_objects

    found: dict[Kind, list[str]] = {}
    for kind, _, name in named_objects(client, files, namespace):
        found.setdefault(kind, []).append(name)
    return [Target(kind, tuple(names)) for kind, names in found.items()]


def _one(targets: Sequence[Target]) -> Target:
    if len(targets) != 1:
        raise UsageError("a watch takes one TYPE")
    return targets[0]


def _ended(errors: Sequence[NodeguardError], ignore_not_found: bool) -> int:
    """Each error is told; the exit code is the first one's."""
    if ignore_not_found or not errors:
        return 0
    for error in errors:
        click.echo(f"Error: {error}", err=True)
    return errors[0].exit_code
