"""``nodeguard tree``: the cgroup tree as it is now."""

from __future__ import annotations

import sys
from typing import Any

import click

from nodeguard.agent.root import find_root
from nodeguard.agent.tree_view import read_tree, render, tree_object
from nodeguard.cli.option import config_file_option, load_and_warn
from nodeguard.cli.printer import API_VERSION, output_option, print_object, speaks_utf8


@click.command(short_help="Show the cgroup tree with limits, usage and pressure.")
@output_option("text", "json", "yaml")
@config_file_option
def tree(output: str, **options: Any) -> None:
    """Show the cgroup tree with limits, usage and pressure.

    MEMORY is the working set: usage without the page cache that can be dropped at once. PRESSURE is the share of the
    last ten seconds, in percent, in which some task waited.
    """
    config = load_and_warn(options)
    root = find_root(config)
    found = read_tree(root.driver, root.path, config.run_dir)
    if output != "text":
        print_object(
            {
                "apiVersion": API_VERSION,
                "kind": "CgroupTree",
                "cgroupMode": root.driver.mode,
                "root": None if found is None else tree_object(found),
            },
            output,
        )
    elif found is None:
        click.echo(f"There is no cgroup tree at {root.path}: no pod runs.", err=True)
    else:
        click.echo(render(found, ascii_only=not speaks_utf8(sys.stdout)), nl=False)
