"""``nodeguard get decisions``: what was decided about pods, as long as it is kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from nodeguard.agent.history_reader import read_decisions
from nodeguard.agent.text import format_age, format_table
from nodeguard.cli.option import config_file_option
from nodeguard.cli.past import amount, for_option, history_file, record_of, resource_of, since_option, starting_at
from nodeguard.cli.printer import API_VERSION, output_option, print_object
from nodeguard.errors import NotFound
from nodeguard.model.decision import Action, DecisionRecord, DecisionType
from nodeguard.model.instant import parse_rfc3339

_HEADER = ("AGE", "TYPE", "POD", "SIGNAL", "OBSERVED", "THRESHOLD", "KILL", "FREED", "OUTCOME")
_WIDE = ("POLICY", "GRACE", "CANDIDATES", "AT", "ID")


@click.command(short_help="List evictions, also those that were only observed.")
@click.argument("ids", nargs=-1, metavar="[ID...]")
@output_option("text", "wide", "json", "yaml", "name")
@for_option()
@since_option()
@config_file_option
def evictions(ids: tuple[str, ...], output: str, pod: str | None, since: float | None, **options: Any) -> None:
    """List the decisions that are evictions, for a signal of the node or a limit of the pod, oldest first."""
    found = _find(ids, pod, since, options)
    _show([item for item in found if item["action"] is not None], output, alone=len(ids) == 1)


@click.command(short_help="List decisions: evictions, OOM kills, limits hit, pods refused.")
@click.argument("ids", nargs=-1, metavar="[ID...]")
@output_option("text", "wide", "json", "yaml", "name")
@click.option("--type", "types", multiple=True, type=click.Choice(tuple(map(str, DecisionType))), help="Of this type.")
@for_option()
@since_option()
@config_file_option
def decisions(
    ids: tuple[str, ...], output: str, types: tuple[str, ...], pod: str | None, since: float | None, **options: Any
) -> None:
    """List what was decided about pods, oldest first; with IDs only these decisions.

    KILL is the time from crossing the threshold until SIGKILL was pending, FREED what came back. nodeguard explain kill
    pod/NAME tells one of them in words.
    """
    found = _find(ids, pod, since, options)
    _show([item for item in found if not types or item["type"] in types], output, alone=len(ids) == 1)


def _find(ids: tuple[str, ...], pod: str | None, since: float | None, options: dict[str, Any]) -> list[dict[str, Any]]:
    found = read_decisions(history_file(options), pod=pod, since=starting_at(since), ids=ids)
    if missing := [id_ for id_ in ids if id_ not in {item["id"] for item in found}]:
        raise NotFound(f"no decision {', '.join(missing)} in the history")
    return found


def _show(found: list[dict[str, Any]], output: str, *, alone: bool) -> None:
    """A list, or in JSON and YAML the object itself where it was asked for alone."""
    if output == "name":
        for item in found:
            click.echo(f"decision/{item['id']}")
    elif output in ("json", "yaml"):
        many = {"apiVersion": API_VERSION, "kind": "DecisionList", "items": found}
        print_object(found[0] if alone and found else many, output)
    elif not found:
        click.echo("No decisions found.", err=True)
    else:
        records = [record_of(item) for item in found]
        click.echo(decision_table(records, wide=output == "wide", now=time.time()), nl=False)


def decision_table(records: Sequence[DecisionRecord], *, wide: bool, now: float) -> str:
    """A line for each. Pure."""
    rows = [_cells(record, now) + (_wide_cells(record) if wide else ()) for record in records]
    return format_table((*_HEADER, *_WIDE) if wide else _HEADER, rows)


def _cells(record: DecisionRecord, now: float) -> tuple[str, ...]:
    took = record.timings.crossing_to_kill_ms
    would = " (observed)" if record.action is Action.WOULD_EVICT else ""
    return (
        format_age(now - (parse_rfc3339(record.at) or now)),
        f"{record.type}{would}",
        f"{record.pod.namespace}/{record.pod.name}",
        record.signal or "-",
        _observed(record),
        record.threshold or "-",
        "-" if took is None else f"{took:.1f}ms",
        amount(record.freed_bytes, resource_of(None)),
        str(record.outcome or "-"),
    )


def _observed(record: DecisionRecord) -> str:
    observed, resource = record.observed, resource_of(record.signal)
    if observed is None:
        return "-"
    if observed.available is not None:
        return f"{amount(observed.available, resource)}/{amount(observed.capacity, resource)}"
    return amount(observed.usage, resource)


def _wide_cells(record: DecisionRecord) -> tuple[str, ...]:
    grace = record.grace_period_seconds
    return (
        str(record.policy or "-"),
        "-" if grace is None else f"{grace}s",
        str(len(record.candidates)),
        record.at,
        record.id,
    )
