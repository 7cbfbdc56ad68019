"""Groups of commands that take a kind of resource, and perhaps a name: ``get node``, ``describe node/NAME``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from nodeguard.cli.main import LazyGroup


class ResourceGroup(LazyGroup):
    """A lazy group whose commands are kinds; ``KIND/NAME`` is read as ``KIND NAME``.

    ``other_names`` maps names that are understood but not listed to where their commands are.
    """

    def __init__(self, *args: Any, other_names: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy_commands = {**self._lazy_commands, **{name: (place, "") for name, place in other_names.items()}}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the table, those that are only understood left out."""
        return [name for name in super().list_commands(ctx) if self._lazy_commands[name][1]]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the table, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._lazy_commands[name][1]) for name in self.list_commands(ctx)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As a lazy group, with the name taken off the kind."""
        kind, slash, name = args[0].partition("/")
        return super().resolve_command(ctx, [kind, name, *args[1:]] if slash else args)
