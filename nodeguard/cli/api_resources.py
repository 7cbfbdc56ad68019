"""``nodeguard api-resources``: the types that the agent's API has."""

from __future__ import annotations

import click

from nodeguard.agent.text import format_table
from nodeguard.cli.agent_socket import open_client

_HEADER = ("NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND")


@click.command("api-resources", short_help="List the types that the API has.")
@click.option("-o", "--output", type=click.Choice(["wide", "name"]), help="Output format.")
@click.option("--namespaced", type=bool, metavar="true|false", help="Only those with, or without, a namespace.")
@click.option("--api-group", metavar="GROUP", help='Of this group only; "" is the core group.')
@click.option("--verbs", metavar="VERB,…", help="That know all of these verbs.")
@click.option("--no-headers", is_flag=True, help="Leave the line of headers out.")
def api_resources(
    output: str | None, namespaced: bool | None, api_group: str | None, verbs: str | None, no_headers: bool
) -> None:
    """List the types that nodeguard get, describe, delete and kubectl can be asked for."""
    wanted = set(filter(None, (verbs or "").split(",")))
    found = [
        kind
        for kind in open_client().discover()
        if namespaced in (None, kind.namespaced) and api_group in (None, kind.group) and wanted <= {*kind.verbs}
    ]
    if output == "name":
        for kind in found:
            click.echo(kind.qualified)
        return
    wide = output == "wide"
    rows = [
        (
            kind.plural,
            ",".join(kind.short_names),
            kind.api_version,
            str(kind.namespaced).lower(),
            kind.kind,
            *((",".join(kind.verbs), ",".join(kind.categories)) if wide else ()),
        )
        for kind in found
    ]
    text = format_table((*_HEADER, *(("VERBS", "CATEGORIES") if wide else ())), rows)
    click.echo(text.partition("\n")[2] if no_headers else text, nl=False)
