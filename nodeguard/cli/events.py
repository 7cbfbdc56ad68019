"""``nodeguard events``: what happened on this node, also to pods that are gone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from nodeguard.agent.history_file import RETENTION
from nodeguard.agent.history_reader import read_events
from nodeguard.agent.text import format_age, format_table
from nodeguard.cli.agent_socket import agent_answers, open_client, socket_path
from nodeguard.cli.api_option import DEFAULT_NAMESPACE
from nodeguard.cli.option import config_file_option
from nodeguard.cli.past import PodName, history_file, since_option, starting_at
from nodeguard.cli.printer import output_option, print_object
from nodeguard.errors import UsageError
from nodeguard.model.instant import rfc3339, rfc3339_micro
from nodeguard.model.meta import Event
from nodeguard.policy.event_object import event_name, event_object

_HEADER = ("LAST SEEN", "TYPE", "REASON", "OBJECT")
_WIDE = ("SUBOBJECT", "AT")


@click.command(short_help="List events, also of pods that are gone.")
@output_option("text", "wide", "json", "yaml", "name")
@click.option("-n", "--namespace", metavar="NAME", help="In this namespace only.")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="List, then print events as they come; needs an agent.")
@click.option("--type", "types", multiple=True, type=click.Choice(["Normal", "Warning"]), help="Of this type.")
@click.option("--reason", "reasons", multiple=True, metavar="REASON", help="With this reason, such as Evicted.")
@click.option("--for", "about", metavar="TYPE/[NAMESPACE/]NAME", help="Of this object only, such as pod/web.")
@since_option()
@click.option("--no-headers", is_flag=True, help="Leave the line of headers out.")
@config_file_option
def events(
    output: str,
    namespace: str | None,
    all_namespaces: bool,
    watch: bool,
    types: tuple[str, ...],
    reasons: tuple[str, ...],
    about: str | None,
    since: float | None,
    no_headers: bool,
    **options: Any,
) -> int:
    """List what happened to pods and to the node, oldest first. With -o json or yaml a v1 List of Events.

    An agent is asked for what it keeps, as kubectl is: an hour, in the namespace default unless told otherwise. Without
    an agent, and with --since, the records are read: all namespaces, 7 days or as much as fits into 64 MiB; they
    outlive their pods and nodeguard itself.
    """
    if since is None and (watch or agent_answers(socket_path(options["config"]))):
        from nodeguard.cli.api_events import Wanted, show_events

        where = None if all_namespaces else namespace or DEFAULT_NAMESPACE
        wanted = Wanted(where, about, types, reasons)
        return show_events(open_client(options["config"]), wanted, output, watch=watch, headers=not no_headers)
    if watch:
        raise UsageError("--since asks for the past, --watch for what comes")
    pod = None if about is None else PodName().convert(about, None, None)
    found = [
        event
        for event in read_events(history_file(options), pod=pod, since=starting_at(since))
        if (not types or event.type in types)
        and (not reasons or event.reason in reasons)
        and (namespace is None or all_namespaces or event.pod.partition("/")[0] == namespace)
    ]
    _show(found, output)
    return 0


def _show(found: Sequence[Event], output: str) -> None:
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
