"""``nodeguard cleanup``: remove what a crash left (also done at every start)."""

from __future__ import annotations

import os

import click

from nodeguard.errors import NodeguardError, PermissionDenied


@click.command(short_help="Remove what a killed nodeguard left behind.")
def cleanup() -> None:
    """Remove pods whose nodeguard process is gone: processes, cgroups, mounts, volumes, logs.

    Pods of a nodeguard that still runs are left alone. Run again if something could not be removed (exit code 1).
    """
    if os.geteuid() != 0:
        raise PermissionDenied("nodeguard cleanup needs root: it removes cgroups and mounts (try sudo)")
    from nodeguard.agent.cleanup import release_unused, remove_crashed
    from nodeguard.agent.config_load import load
    from nodeguard.agent.host import Paths
    from nodeguard.agent.root import find_root
    from nodeguard.kernel import proc

    config = load({})
    paths = Paths.of(config)
    root = find_root(config)
    result = remove_crashed(root, paths, proc.boot_id(), tell=click.echo)
    if not result.failed:  # what is left may be below the unit, which would take it along
        release_unused(root, paths, proc.boot_id())
    if result.failed:
        raise NodeguardError(f"{result.failed} of {result.failed + result.removed} could not be removed")
    if not result.removed:
        click.echo("nothing to remove", err=True)
