"""Options that commands have in common which ask the API, with kubectl's names and meanings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from nodeguard.cli.complete import complete_containers, complete_files, complete_namespaces

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DEFAULT_NAMESPACE = "default"
DRY_RUN_WORDS = {"none": "", "client": " (dry run)", "server": " (server dry run)"}


class Wait(click.ParamType[float | None]):
    """A Go duration, or a number of seconds; ``0`` is None, which means without end."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Seconds."""
        from nodeguard.model.duration import read_duration

        if not isinstance(value, str):
            return float(value)
        try:
            seconds = float(value) if value.isdecimal() else read_duration(value) / 1e9
        except ValueError as e:
            self.fail(str(e), param, ctx)
        if seconds < 0:
            self.fail(f"{value} is below 0s", param, ctx)
        return seconds or None


namespace_option = click.option(
    "-n",
    "--namespace",
    metavar="NAME",
    default=DEFAULT_NAMESPACE,
    help="The namespace; default unless given.",
    shell_complete=complete_namespaces,
)
all_namespaces_option = click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
selector_option = click.option(
    "-l", "--selector", metavar="LABELS", help="With these labels, such as app=web,tier!=db."
)
field_selector_option = click.option(
    "--field-selector", metavar="FIELDS", help="With these fields, such as status.phase=Running."
)
container_option = click.option(
    "-c", "--container", metavar="NAME", help="The container.", shell_complete=complete_containers
)


def files_option(text: str) -> Decorator:
    """``-f FILE``, as often as wanted."""
    return click.option(
        "-f", "--filename", "files", multiple=True, metavar="FILE", help=text, shell_complete=complete_files
    )


def dry_run_option() -> Decorator:
    """``--dry-run=client|server``: ``client`` sends nothing, ``server`` has everything checked and changes nothing."""
    return click.option(
        "--dry-run",
        type=click.Choice(tuple(DRY_RUN_WORDS)),
        default="none",
        help="client: send nothing; server: check everything, change nothing.",
    )


def timeout_option(default: str, text: str) -> Decorator:
    """``--timeout DURATION``; 0 waits without end."""
    return click.option("--timeout", type=Wait(), default=default, metavar="DURATION", help=text)


def list_query(selector: str | None, field_selector: str | None) -> dict[str, str]:
    """What a list is asked with. Pure."""
    given = {"labelSelector": selector, "fieldSelector": field_selector}
    return {name: value for name, value in given.items() if value}
