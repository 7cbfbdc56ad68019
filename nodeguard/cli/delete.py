"""``nodeguard delete``: objects go, gracefully unless told otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import (
    DRY_RUN_WORDS,
    all_namespaces_option,
    dry_run_option,
    field_selector_option,
    files_option,
    list_query,
    namespace_option,
    selector_option,
    timeout_option,
)
from nodeguard.cli.complete import complete_targets
from nodeguard.cli.printer import warn
from nodeguard.cli.target import Target, find_objects, parse_targets
from nodeguard.client.client import Client
from nodeguard.client.kind import Kind
from nodeguard.client.wait import wait_until_gone
from nodeguard.errors import AgentUnreachable, NodeguardError, NotFound, TimedOut, UsageError

Chosen = tuple[Kind, str | None, str]


@click.command(short_help="Delete objects, and wait until they are gone.")
@click.argument("targets", nargs=-1, metavar="[TYPE NAME... | TYPE/NAME...]", shell_complete=complete_targets)
@files_option("The objects that this file names.")
@namespace_option
@all_namespaces_option
@selector_option
@field_selector_option
@click.option("--all", "all_of_them", is_flag=True, help="All objects of the TYPE in the namespace.")
@click.option(
    "--grace-period", type=int, default=-1, metavar="SECONDS", help="In place of the pod's own; 0 with --force."
)
@click.option("--now", is_flag=True, help="The same as --grace-period=1.")
@click.option("--force", is_flag=True, help="Without waiting for the containers to end.")
@click.option("--wait/--no-wait", default=True, help="Wait until they are gone (the default).")
@timeout_option("0", "How long to wait; 0 is without end.")
@click.option("--ignore-not-found", is_flag=True, help="An object that is not there is no error.")
@click.option(
    "--cascade",
    type=click.Choice(["background", "foreground", "orphan"]),
    default="background",
    help="What becomes of objects that these own.",
)
@dry_run_option()
@click.option("-o", "--output", type=click.Choice(["name"]), help="Print names alone.")
def delete(
    targets: tuple[str, ...],
    files: tuple[str, ...],
    namespace: str,
    all_namespaces: bool,
    selector: str | None,
    field_selector: str | None,
    all_of_them: bool,
    grace_period: int,
    now: bool,
    force: bool,
    wait: bool,
    timeout: float | None,
    ignore_not_found: bool,
    cascade: str,
    dry_run: str,
    output: str | None,
) -> int:
    """Delete objects by file, by name, by label, or all of a TYPE.

    A pod is stopped as its terminationGracePeriodSeconds says; its cgroups, volumes and logs are gone when this ends.
    """
    grace = _grace_seconds(grace_period, now=now, force=force)
    if files and targets:
        raise UsageError("either files or TYPE and NAME")
    client = open_client()
    query = list_query(selector, field_selector)
    errors: list[NodeguardError] = []
    chosen: list[Chosen]
    if files:
        from nodeguard.cli.manifest_object import named_objects

        chosen = named_objects(client, files, namespace)
    else:
        found = parse_targets(client, targets)
        _check_choice(found, query, all_of_them, all_namespaces)
        where = None if all_namespaces else namespace
        chosen = list(_choose(client, found, where, query))
    if not chosen:
        click.echo("No resources found", err=True)
    if force:
        warn(
            "Immediate deletion does not wait for confirmation that the running resource has been terminated. "
            "The resource may continue to run on the cluster indefinitely."
        )
    options: dict[str, Any] = {"propagationPolicy": cascade.capitalize()}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    waits: list[tuple[Chosen, str]] = []
    for each in chosen:
        try:
            uid = _delete(client, each, options, dry_run, asked_for_uid=wait)
        except NotFound as e:
            if not ignore_not_found:
                errors.append(e)
                click.echo(f"Error: {e}", err=True)
            continue
        except AgentUnreachable:
            raise
        except NodeguardError as e:
            errors.append(e)
            click.echo(f"Error: {e}", err=True)
            continue
        click.echo(_words(each, output, force=force) + (DRY_RUN_WORDS[dry_run] if output is None else ""))
        if uid:
            waits.append((each, uid))
    if wait and dry_run == "none":
        _wait(client, waits, timeout)
    return errors[0].exit_code if errors else 0


def _grace_seconds(given: int, *, now: bool, force: bool) -> int | None:
    """Seconds, or None for what the objects say themselves.

    Source: kubectl, pkg/cmd/delete/delete.go, Complete.
    """
    if now:
        if given >= 0:
            raise UsageError("--now and --grace-period cannot be specified together")
        return 1
    if given == 0 and not force:
        return 1  # "to preserve backwards compatibility, but prevent accidental data loss"
    if force and given > 0:
        raise UsageError("--force and --grace-period greater than 0 cannot be specified together")
    if force:
        return 0
    return given if given >= 0 else None


def _check_choice(found: list[Target], query: dict[str, str], all_of_them: bool, all_namespaces: bool) -> None:
    names = any(target.names for target in found)
    if names and (query or all_of_them or all_namespaces):
        raise UsageError("names go without --all, -A and selectors")
    if not names and not query and not all_of_them:
        raise UsageError("name the objects, or choose them with -l, --field-selector or --all")


def _choose(client: Client, found: list[Target], namespace: str | None, query: dict[str, str]) -> Iterator[Chosen]:
    for target in found:
        if target.names:
            where = namespace if target.kind.namespaced else None
            yield from ((target.kind, where, name) for name in target.names)
            continue
        for kind, item in find_objects(client, [target], namespace, query):
            yield kind, item["metadata"].get("namespace"), item["metadata"]["name"]


def _delete(client: Client, each: Chosen, options: dict[str, Any], dry_run: str, *, asked_for_uid: bool) -> str:
    """The uid to wait for; empty when there is nothing to wait for."""
    kind, namespace, name = each
    if dry_run == "client":
        client.get(kind, namespace, name)
        return ""
    answer = client.delete(kind, namespace, name, options, dry_run=dry_run == "server")
    if answer.get("kind") == "Status":
        return str((answer.get("details") or {}).get("uid", "")) if asked_for_uid else ""
    return str(answer["metadata"].get("uid", ""))


def _words(each: Chosen, output: str | None, *, force: bool) -> str:
    kind, namespace, name = each
    if output == "name":
        return kind.title(name)
    type_ = f"{kind.singular}.{kind.group}" if kind.group else kind.singular
    where = f" from {namespace} namespace" if namespace is not None else ""
    return f'{type_} "{name}" {"force " if force else ""}deleted{where}'


def _wait(client: Client, waits: list[tuple[Chosen, str]], timeout: float | None) -> None:
    until = None if timeout is None else time.monotonic() + timeout
    for (kind, namespace, name), uid in waits:
        left = None if until is None else max(0.0, until - time.monotonic())
        try:
            wait_until_gone(client, kind, namespace, name, uid, left)
        except TimedOut as e:
            raise TimedOut(f"timed out waiting for {kind.plural}/{name} to be gone") from e
