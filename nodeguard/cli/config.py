"""``nodeguard config``: which settings are in effect, and whether files are valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nodeguard.agent.config_load import load, load_files
from nodeguard.agent.effective import effective_config, effective_settings
from nodeguard.agent.text import format_table
from nodeguard.cli.failure import print_invalid
from nodeguard.cli.option import config_file_option, config_flags, flag_texts, load_and_warn
from nodeguard.cli.printer import output_option, print_object, warn
from nodeguard.errors import InvalidInput
from nodeguard.model.wire import to_wire


@click.group(short_help="Show the settings in effect, or check configuration files.")
def config() -> None:
    """Show the settings in effect, or check configuration files.

    A kubelet's configuration file is read as it is; nodeguard's own settings stand below the key "nodeguard" in it.
    Later ones win: defaults, /usr/lib/nodeguard/config.d, /etc/nodeguard/config.yaml, /etc/nodeguard/config.d,
    NODEGUARD_… variables, flags.
    """


@config.command(short_help="Show every setting with its value and origin.")
@output_option("text", "json", "yaml")
@config_file_option
@config_flags()
def effective(output: str, **options: Any) -> None:
    """Show every setting with its value and origin, flags given here included."""
    settings = load_and_warn(options)
    if output != "text":
        print_object(to_wire(effective_config(settings)), output)
        return
    rows = [
        (setting.name, "-" if setting.value is None else _text(setting.value), setting.origin)
        for setting in effective_settings(settings)
    ]
    click.echo(format_table(("SETTING", "VALUE", "ORIGIN"), rows), nl=False)


@config.command(short_help="Check configuration files; report everything that is wrong.")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@output_option("text", "json", "yaml")
@click.option("--no-defaults", is_flag=True, help="Leave the built-in eviction thresholds out.")
@config_flags()
def check(files: tuple[str, ...], output: str, no_defaults: bool, **options: Any) -> int:
    """Check FILE... together, later ones over earlier ones, or what this host has when none is named.

    Every finding is reported; the exit code is 3 when there is one.
    """
    flags = flag_texts(options)
    try:
        if files:
            checked = load_files([Path(file) for file in files], flags, default_thresholds=not no_defaults)
        else:
            checked = load(flags, default_thresholds=not no_defaults)
    except InvalidInput as e:
        if output == "text":
            raise
        return print_invalid(e, output)
    for warning in checked.warnings:
        warn(warning)
    if output == "text":
        click.echo(f"{', '.join(files) or 'configuration'}: valid")
    else:
        print_object(to_wire(effective_config(checked)), output)
    return 0


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
