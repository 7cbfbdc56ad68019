"""``nodeguard attach``: joined to a running container's own process."""

from __future__ import annotations

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import container_option, namespace_option
from nodeguard.cli.complete import complete_pods
from nodeguard.cli.exec import has_terminal, open_attach
from nodeguard.cli.logs import default_container
from nodeguard.cli.printer import warn
from nodeguard.cli.target import parse_target
from nodeguard.client.kind import POD
from nodeguard.errors import NotFound, UsageError


@click.command(short_help="Join the process that runs in a container.")
@click.argument("target", metavar="POD | TYPE/NAME", shell_complete=complete_pods)
@namespace_option
@container_option
@click.option("-i", "--stdin", is_flag=True, help="Pass our standard input on, where the container has stdin: true.")
@click.option("-t", "--tty", is_flag=True, help="Our terminal is the container's, where it has tty: true.")
@click.option("-q", "--quiet", is_flag=True, help="Only what the container itself prints.")
def attach(target: str, namespace: str, container: str | None, stdin: bool, tty: bool, quiet: bool) -> int:
    """See what a container prints from now on, and talk to it with -i."""
    client = open_client()
    kind, name = parse_target(client, target, POD)
    if kind is not POD:
        raise UsageError(f"{target}: only pods have containers")
    pod = client.get(POD, namespace, name)
    chosen = container or default_container(pod, quiet=quiet)
    every = (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
    spec = next((one for one in every if one["name"] == chosen), None)
    if spec is None:
        raise NotFound(f"container {chosen} is not valid for pod {name}")
    if tty and not spec.get("tty"):
        warn(f"Unable to use a TTY - container {chosen} did not allocate one")
        tty = False
    stdin = stdin and bool(spec.get("stdin"))
    channel = open_attach(client, namespace, name, chosen, stdin=stdin, tty=bool(spec.get("tty")))
    from nodeguard.cli.session import join

    if not quiet and stdin:
        click.echo("If you don't see a command prompt, try pressing enter.", err=True)
    join(channel, stdin=stdin, tty=tty and has_terminal(stdin=stdin))
    return 0
