"""``nodeguard completion``: the script with which a shell completes words."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print a script for completion: bash, zsh, fish.")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a script that completes commands, options, types and, where an agent runs, names.

    \b
    bash: source <(nodeguard completion bash)
    zsh:  source <(nodeguard completion zsh)
    fish: nodeguard completion fish | source
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from nodeguard.cli.main import COMPLETION_VARIABLE, cli

    found = get_completion_class(shell)
    assert found is not None
    # The base class's: that of bash asks which bash is there, which may be another machine's.
    click.echo(ShellComplete.source(found(cli, {}, "nodeguard", COMPLETION_VARIABLE)))
