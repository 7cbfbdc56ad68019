"""``nodeguard exec``: a command in a running container."""

from __future__ import annotations

import os
from urllib.parse import urlencode

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import container_option, namespace_option
from nodeguard.cli.complete import complete_pods
from nodeguard.cli.logs import default_container
from nodeguard.cli.printer import warn
from nodeguard.cli.target import parse_target
from nodeguard.client.channel import Channel, open_channel
from nodeguard.client.client import Client, with_query
from nodeguard.client.kind import POD
from nodeguard.errors import UsageError


@click.command("exec", short_help="Run a command in a container.")
@click.argument("target", metavar="POD | TYPE/NAME", shell_complete=complete_pods)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARG]...")
@namespace_option
@container_option
@click.option("-i", "--stdin", is_flag=True, help="Pass our standard input on.")
@click.option("-t", "--tty", is_flag=True, help="The command gets a terminal.")
@click.option("-q", "--quiet", is_flag=True, help="Only what the command itself prints.")
def exec_(
    target: str,
    command: tuple[str, ...],
    namespace: str,
    container: str | None,
    stdin: bool,
    tty: bool,
    quiet: bool,
) -> int:
    """Run a command in a container; its exit code is ours.

    \b
    nodeguard exec web -- cat /etc/hostname
    nodeguard exec -it web -c app -- sh
    """
    client = open_client()
    kind, name = parse_target(client, target, POD)
    if kind is not POD:
        raise UsageError(f"{target}: only pods have containers")
    chosen = container or default_container(client.get(POD, namespace, name), quiet=quiet)
    tty = tty and has_terminal(stdin=stdin)
    channel = open_exec(client, namespace, name, chosen, command, stdin=stdin, tty=tty)
    from nodeguard.cli.session import join

    join(channel, stdin=stdin, tty=tty)
    return channel.exit_code()


def open_exec(
    client: Client,
    namespace: str,
    pod: str,
    container: str,
    command: tuple[str, ...],
    *,
    stdin: bool,
    tty: bool = False,
) -> Channel:
    """The session of a command in a container. Raises as ``open_channel``."""
    query = {
        "container": container,
        "stdin": _word(stdin),
        "stdout": "true",
        "stderr": _word(not tty),
        "tty": _word(tty),
    }
    target = with_query(POD.path(namespace, pod, "exec"), query)
    return open_channel(client.socket_path, f"{target}&{urlencode([('command', word) for word in command])}")


def open_attach(client: Client, namespace: str, pod: str, container: str, *, stdin: bool, tty: bool) -> Channel:
    """The session of a container's own process. Raises as ``open_channel``."""
    query = {
        "container": container,
        "stdin": _word(stdin),
        "stdout": "true",
        "stderr": _word(not tty),
        "tty": _word(tty),
    }
    return open_channel(client.socket_path, with_query(POD.path(namespace, pod, "attach"), query))


def has_terminal(*, stdin: bool) -> bool:
    """Whether a terminal can be asked for; why not is told.

    Source: kubectl, pkg/cmd/exec/exec.go, SetupTTY.
    """
    if not stdin:
        warn("-t without -i: no terminal is used")
    elif not os.isatty(0):
        warn("Unable to use a TTY - input is not a terminal or the right kind of file")
    else:
        return True
    return False


def _word(value: bool) -> str:
    return "true" if value else "false"
