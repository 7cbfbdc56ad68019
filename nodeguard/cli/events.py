"""``nodeguard events``: what happened on this node, also to pods that are gone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from nodeguard.agent.history_file import RETENTION
from nodeguard.agent.history_reader import read_events
from nodeguard.agent.text import format_age, format_table
from nodeguard.cli.option import config_file_option
from nodeguard.cli.past import for_option, history_file, since_option, starting_at
from nodeguard.cli.printer import output_option, print_object
from nodeguard.model.instant import rfc3339, rfc3339_micro
from nodeguard.model.meta import Event
from nodeguard.policy.event_object import event_name, event_object

_HEADER = ("LAST SEEN", "TYPE", "REASON", "OBJECT")
_WIDE = ("SUBOBJECT", "AT")


@click.command(short_help="List events, also of pods that are gone.")
@output_option("text", "wide", "json", "yaml", "name")
@click.option("--type", "types", multiple=True, type=click.Choice(["Normal", "Warning"]), help="Of this type.")
@click.option("--reason", "reasons", multiple=True, metavar="REASON", help="With this reason, such as Evicted.")
@for_option()
@since_option()
@config_file_option
def events(
    output: str, types: tuple[str, ...], reasons: tuple[str, ...], pod: str | None, since: float | None, **options: Any
) -> None:
    """List what happened to pods and to the node, oldest first. With -o json or yaml a v1 List of Events.

    Events are kept for 7 days, or as many of them as fit into 64 MiB; they outlive their pods and nodeguard itself.
    """
    found = [
        event
        for event in read_events(history_file(options), pod=pod, since=starting_at(since))
        if (not types or event.type in types) and (not reasons or event.reason in reasons)
    ]
    if output in ("json", "yaml"):
        items = [event_object(event) for event in found]
        print_object({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items}, output)
    elif output == "name":
        for event in found:
            click.echo(f"event/{event_name(event)}")
    else:
        click.echo(_retention(found))
        if found:
            click.echo(event_table(found, wide=output == "wide", now=time.time()), nl=False)
        else:
            click.echo("No events found.", err=True)


def event_table(found: Sequence[Event], *, wide: bool, now: float) -> str:
    """A line for each. Pure."""
    rows = [
        (
            format_age(now - event.at),
            event.type,
            event.reason,
            _object(event),
            *((event.container or "", rfc3339_micro(event.at)) if wide else ()),
            " ".join(event.message.split()),
        )
        for event in found
    ]
    return format_table((*_HEADER, *(_WIDE if wide else ()), "MESSAGE"), rows)


def _retention(found: Sequence[Event]) -> str:
    oldest = f"; the oldest here is of {rfc3339(found[0].at)}" if found else ""
    return f"# kept for {RETENTION}, whichever is less{oldest}"


def _object(event: Event) -> str:
    """A pod of the namespace default goes by its name, as in ``--for``."""
    return f"pod/{event.pod.removeprefix('default/')}" if event.pod else f"node/{event.node}"
