"""Command-line options that set the configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from nodeguard.agent.config import Config
from nodeguard.agent.config_load import load
from nodeguard.agent.setting_table import SETTINGS
from nodeguard.cli.printer import warn

Command = Callable[..., Any]

_BY_FLAG = {setting.flag: setting for setting in SETTINGS if setting.flag}


def config_flags(*names: str, of_agent: bool = False) -> Callable[[Command], Command]:
    """The flags of these settings (``--capacity``), all that exist when none is named.

    Those that are the agent's alone come with ``of_agent``. A flag given twice adds to a map.
    """
    every = tuple(flag for flag, setting in _BY_FLAG.items() if of_agent or not setting.is_of_agent)

    def decorate(command: Command) -> Command:
        for name in reversed(names or every):
            setting = _BY_FLAG[name]
            metavar = f"KEY{setting.separator}VALUE,…" if setting.is_map else "VALUE"
            command = click.option(name, multiple=setting.is_map, metavar=metavar, help=setting.help)(command)
        return command

    return decorate


def flag_texts(options: dict[str, Any]) -> dict[str, str | None]:
    """What ``load`` wants, of what click found."""
    return {
        name: (",".join(value) if value else None) if isinstance(value, tuple) else value
        for name, value in options.items()
    }


config_file_option = click.option(
    "--config", metavar="FILE", help="Read this configuration file in place of those in /etc and /usr/lib."
)


def load_and_warn(options: dict[str, Any]) -> Config:
    """The configuration with these flags; its warnings go to stderr."""
    config = load(flag_texts(options))
    for warning in config.warnings:
        warn(warning)
    return config
