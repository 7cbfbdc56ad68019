"""Events of the agent's API, as ``kubectl events`` prints them.

Source: kubectl, pkg/cmd/events/events.go, event_printer.go.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import click

from nodeguard.cli.describe_text import event_age, last_seen
from nodeguard.cli.get_objects import print_items
from nodeguard.cli.table import TablePrinter
from nodeguard.client.client import Client
from nodeguard.client.follow import LISTED, follow
from nodeguard.client.kind import EVENT
from nodeguard.errors import UsageError

_COLUMNS = [{"name": name} for name in ("Last Seen", "Type", "Reason", "Object", "Message")]


class Wanted(NamedTuple):
    """Which events; ``namespace`` None is all, ``about`` is ``TYPE/NAME`` or ``TYPE/NAMESPACE/NAME``."""

    namespace: str | None
    about: str | None
    types: tuple[str, ...]
    reasons: tuple[str, ...]


def show_events(client: Client, wanted: Wanted, output: str, *, watch: bool, headers: bool) -> int:
    """Print them, oldest first; with ``watch`` go on as they come."""
    namespace, query = _query(client, wanted)
    printer = TablePrinter(headers=headers, namespaces=namespace is None)
    is_table = output in ("text", "wide")
    for type_, found in follow(client, EVENT, namespace, query):
        if type_ == "DELETED":
            continue
        items = found["items"] if type_ == LISTED else [found]
        chosen = sorted(_chosen(items, wanted), key=last_seen)
        if not is_table:
            print_items([(EVENT, item) for item in chosen], output, alone=type_ != LISTED)
        elif chosen:
            sys.stdout.write(printer.render(_table(chosen, time.time())))
        elif type_ == LISTED and not watch:
            where = f" in {namespace} namespace" if namespace is not None else ""
            click.echo(f"No events found{where}.", err=True)
        sys.stdout.flush()
        if not watch:
            break
    return 0


def _query(client: Client, wanted: Wanted) -> tuple[str | None, dict[str, str]]:
    """Where to look, and what the server chooses by."""
    if wanted.about is None:
        return wanted.namespace, {}
    word, *names = wanted.about.split("/")
    if not all(names) or len(names) not in (1, 2):
        raise UsageError(f"--for {wanted.about}: TYPE/NAME is needed")
    kind = client.kind(word)
    namespace = names[0] if len(names) == 2 else wanted.namespace
    if not kind.namespaced:
        namespace = None
    return namespace, {"fieldSelector": f"involvedObject.kind={kind.kind},involvedObject.name={names[-1]}"}


def _chosen(items: Iterable[dict[str, Any]], wanted: Wanted) -> list[dict[str, Any]]:
    return [
        item
        for item in items
        if (not wanted.types or item.get("type") in wanted.types)
        and (not wanted.reasons or item.get("reason") in wanted.reasons)
    ]


def _table(items: Sequence[Mapping[str, Any]], now: float) -> dict[str, Any]:
    rows = [
        {
            "cells": [
                event_age(item, now),
                item.get("type", ""),
                item.get("reason", ""),
                _object(item.get("involvedObject") or {}),
                " ".join(str(item.get("message", "")).split()),
            ],
            "object": {"metadata": item["metadata"]},
        }
        for item in items
    ]
    return {"columnDefinitions": _COLUMNS, "rows": rows}


def _object(reference: Mapping[str, Any]) -> str:
    return f"{reference.get('kind', '')}/{reference.get('name', '')}"
