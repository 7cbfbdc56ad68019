"""``nodeguard label``: labels of objects set and taken away."""

from __future__ import annotations

import click

from nodeguard.cli.api_option import (
    all_namespaces_option,
    dry_run_option,
    field_selector_option,
    namespace_option,
    selector_option,
)
from nodeguard.cli.complete import complete_targets
from nodeguard.cli.mark import change_marks


@click.command(short_help="Set labels of objects, or take them away.")
@click.argument(
    "arguments",
    nargs=-1,
    required=True,
    metavar="TYPE NAME... | TYPE/NAME... KEY=VALUE... KEY-...",
    shell_complete=complete_targets,
)
@namespace_option
@all_namespaces_option
@selector_option
@field_selector_option
@click.option("--all", "all_of_them", is_flag=True, help="All objects of the TYPE in the namespace.")
@click.option("--overwrite", is_flag=True, help="Also where the key has another value.")
@click.option("--list", "listing", is_flag=True, help="Print the labels.")
@dry_run_option()
@click.option("-o", "--output", type=click.Choice(["json", "yaml", "name"]), help="Print the objects.")
def label(
    arguments: tuple[str, ...],
    namespace: str,
    all_namespaces: bool,
    selector: str | None,
    field_selector: str | None,
    all_of_them: bool,
    overwrite: bool,
    listing: bool,
    dry_run: str,
    output: str | None,
) -> None:
    """Set labels (KEY=VALUE) or take them away (KEY-).

    \b
    nodeguard label pod/web tier=front
    nodeguard label nodes --all disk=ssd --overwrite
    """
    change_marks(
        arguments,
        field="labels",
        words=("labeled", "unlabeled", "not labeled"),
        namespace=None if all_namespaces else namespace,
        selector=selector,
        field_selector=field_selector,
        all_of_them=all_of_them,
        overwrite=overwrite,
        listing=listing,
        dry_run=dry_run,
        output=output,
    )
