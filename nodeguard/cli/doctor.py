"""``nodeguard doctor``: what this host has and lacks, and what falls back to what."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from nodeguard.cli import color
from nodeguard.cli.option import config_file_option, load_and_warn
from nodeguard.cli.printer import API_VERSION, output_option, print_object
from nodeguard.errors import HostLacks, NodeguardError

_COLORS = {
    "ok": color.Color.GREEN,
    "degraded": color.Color.YELLOW,
    "missing": color.Color.RED,
    "unknown": color.Color.CYAN,
}


@click.command(short_help="Show what this host has and lacks, and what it does instead.")
@output_option("text", "json", "yaml")
@config_file_option
def doctor(output: str, **options: Any) -> int:
    """Show what this host has and lacks, and what it does instead.

    ok: there; degraded: there is a fallback, named below it; missing: what is named below it does not work; unknown:
    only root can tell. The exit code is 9 when something is missing that "nodeguard run" needs.
    """
    from nodeguard.cli.check import Host, Status
    from nodeguard.cli.host_check import check_host
    from nodeguard.kernel.cgroup.detect import detect

    config = load_and_warn(options)
    try:
        driver, driver_error = detect(config.cgroup_root), ""
    except NodeguardError as e:
        driver, driver_error = None, str(e)
    host = Host(config=config, driver=driver, driver_error=driver_error, is_root=os.geteuid() == 0)
    checks = [asdict(check) for check in check_host(host)]
    lacking = [check["name"] for check in checks if check["needed"] and check["status"] == Status.MISSING]
    if output == "text":
        click.echo(render(checks, painted=color.enabled(sys.stdout)), nl=False)
        click.echo(
            f"\nnodeguard run cannot work here: {', '.join(lacking)} missing" if lacking else "\nready to run pods"
        )
    else:
        ready = None if not lacking and not host.is_root else not lacking
        print_object({"apiVersion": API_VERSION, "kind": "HostReport", "ready": ready, "checks": checks}, output)
    return HostLacks.exit_code if lacking else 0


def _verdict(lacking: Sequence[str], is_root: bool) -> str:
    if lacking:
        return f"nodeguard run cannot work here: {', '.join(lacking)} missing"
    return "ready to run pods" if is_root else "nothing missing, as far as this user can see"


def render(checks: Sequence[dict[str, Any]], *, painted: bool) -> str:
    """One line per check; what follows from it, and what helps, below."""
    width = max(len(check["name"]) for check in checks)
    lines = []
    for check in checks:
        status = str(check["status"])
        word = color.paint(f"{status:<8}", _COLORS[status], painted)
        lines.append(f"{word}  {check['name']:<{width}}  {check['detail']}")
        lead = " " * (8 + 2 + width + 2)
        lines += [
            f"{lead}{arrow} {text}" for arrow, text in (("->", check["consequence"]), ("=>", check["remedy"])) if text
        ]
    return "\n".join(lines) + "\n"
