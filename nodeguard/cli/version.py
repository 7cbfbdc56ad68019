"""``nodeguard version``: nodeguard, and what it works with."""

from __future__ import annotations

import os
import platform
from typing import Any

import click

from nodeguard import __version__
from nodeguard.cli.printer import API_VERSION, output_option, print_object
from nodeguard.cli.program import program_version
from nodeguard.errors import NodeguardError

PROGRAMS = ("runc", "crun", "conmon", "skopeo", "umoci")


@click.command(short_help="Print the versions of nodeguard and of what it works with.")
@output_option("text", "json", "yaml")
def version(output: str) -> None:
    """Print the versions of nodeguard and of what it works with."""
    found = read_versions()
    if output != "text":
        print_object({"apiVersion": API_VERSION, "kind": "Version", **found}, output)
        return
    names = {"cgroupMode": "cgroups"}
    rows = {names.get(key, key): value for key, value in found.items() if key != "programs"} | found["programs"]
    width = max(len(name) for name in rows)
    for name, value in rows.items():
        click.echo(f"{name:<{width}}  {value or '-'}")


def read_versions() -> dict[str, Any]:
    """Versions by name; None for what is not here."""
    from nodeguard.kernel.cgroup.detect import detect

    try:
        mode: str | None = detect().mode
    except NodeguardError:
        mode = None
    return {
        "nodeguard": __version__,
        "python": platform.python_version(),
        "kernel": os.uname().release,
        "cgroupMode": mode,
        "systemd": program_version("systemctl"),
        "programs": {name: program_version(name) for name in PROGRAMS},
    }
