"""``nodeguard stats``: everything that is measured, for programs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from nodeguard import __version__
from nodeguard.agent.config import Config
from nodeguard.agent.node_file import read_node_files
from nodeguard.agent.node_view import NodeView, put_together
from nodeguard.agent.root import find_root
from nodeguard.cli.option import config_file_option, load_and_warn
from nodeguard.cli.printer import output_option, print_object, warn
from nodeguard.cli.top import look_twice
from nodeguard.errors import NodeguardError
from nodeguard.kernel import proc
from nodeguard.model.summary import summary_object
from nodeguard.policy.exposition import exposition
from nodeguard.policy.metrics import Facts, metric_families


@click.command(short_help="Print the kubelet's Summary, or metrics for Prometheus.")
@output_option("json", "yaml", "prometheus")
@click.option("--only-cpu-and-memory", is_flag=True, help="Leave disks, network and processes out.")
@config_file_option
def stats(output: str, only_cpu_and_memory: bool, **options: Any) -> None:
    """Print what node, pods and containers use: the kubelet's Summary, or metrics for Prometheus.

    A figure that is not known is left out, it is never zero. Disks are walked once; with --only-cpu-and-memory not at
    all.
    """
    config = load_and_warn(options)
    look = look_twice(config, find_root(config), only_cpu_and_memory=only_cpu_and_memory)
    if output == "prometheus":
        files = read_node_files(config.run_dir, proc.boot_id())
        view = put_together(files, monotonic=time.monotonic(), now=time.time()) if files else NodeView(node={})
        facts = Facts(
            summary=look.summary,
            tiers=look.tiers,
            groups=look.groups,
            capacity=look.capacity,
            pods_by_tier=look.pods_by_tier,
            evictions=_evictions(config),
            conditions={one["type"]: one["status"] for one in view.node.get("status", {}).get("conditions", ())},
            signals=view.signals,
            version=__version__,
        )
        click.echo(exposition(metric_families(facts)), nl=False)
    else:
        print_object(summary_object(look.summary), output)


def _evictions(config: Config) -> Mapping[str, int] | None:
    """None when the history cannot be read."""
    from nodeguard.agent.history_file import FILE_NAME
    from nodeguard.agent.history_reader import count_evictions

    try:
        return count_evictions(config.state_dir / FILE_NAME)
    except NodeguardError as e:
        warn(e)
        return None
