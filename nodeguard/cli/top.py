"""``nodeguard top``: what node and pods use now, as kubectl shows it."""

from __future__ import annotations

import time
from typing import Any

import click

from nodeguard.agent.config import Config
from nodeguard.agent.root import Root, find_root
from nodeguard.agent.summary import NODE, Collector, Look
from nodeguard.cli.agent_socket import agent_answers, open_client, socket_path
from nodeguard.cli.cgroup import DEFAULT_NAMESPACE
from nodeguard.cli.option import config_file_option, load_and_warn
from nodeguard.cli.printer import API_VERSION, output_option, print_object
from nodeguard.cli.resource import ResourceGroup
from nodeguard.cli.top_table import (
    Style,
    containers_table,
    groups_table,
    memory_table,
    node_table,
    pods_table,
    sort_pods,
)
from nodeguard.errors import NotFound
from nodeguard.kernel import proc
from nodeguard.model.summary import PodStats
from nodeguard.model.wire import to_wire
from nodeguard.policy.memory_sum import MemoryLine, memory_sum

SAMPLE_SECONDS = 0.5
"""Between the two looks that a CPU rate needs."""

_PODS = "nodeguard.cli.top:pods"


@click.group(
    cls=ResourceGroup,
    lazy_commands={
        "node": ("nodeguard.cli.top:node", "Show what the node uses."),
        "pods": (_PODS, "Show what pods use."),
    },
    other_names={"nodes": "nodeguard.cli.top:node", "no": "nodeguard.cli.top:node", "pod": _PODS, "po": _PODS},
    short_help="Show the CPU and memory that node and pods use.",
)
def top() -> None:
    """Show the CPU and memory that node and pods use, as kubectl top does.

    An agent is asked (metrics.k8s.io); without one, and for other formats than the plain table, the cgroups are read:
    CPU is then what was used in the half second this command looks on. Memory is the working set, which evictions go
    by.
    """


sort_option = click.option("--sort-by", type=click.Choice(["cpu", "memory"]), help="The largest first.")
headers_option = click.option("--no-headers", is_flag=True, help="Leave the line of headers out.")


@click.command(short_help="Show what the node uses.")
@click.argument("name", required=False)
@output_option("text", "wide", "json", "yaml", "name")
@sort_option
@headers_option
@config_file_option
def node(name: str | None, output: str, sort_by: str | None, no_headers: bool, **options: Any) -> None:
    """Show what the node uses, and in percent of what it may give to pods.

    With -o wide also who uses it, and where the memory goes, each line with the file or formula behind it.
    """
    if output == "text" and agent_answers(socket_path(options["config"])):
        from nodeguard.cli.api_top import show_nodes

        show_nodes(open_client(options["config"]), name, sort_by, headers=not no_headers)
        return
    config = load_and_warn(options)
    root = find_root(config)
    look = look_twice(config, root)
    stats = look.summary.node
    if name not in (None, stats.node_name):
        raise NotFound(f'nodes "{name}" not found; this host is {stats.node_name}')
    lines = _memory_lines(look, root)
    if output == "name":
        click.echo(f"node/{stats.node_name}")
    elif output in ("text", "wide"):
        style = Style(wide=output == "wide", headers=not no_headers, sort_by=sort_by or "")
        allocatable = config.allocatable(look.capacity)
        shares = {"cpu": allocatable["cpu"].milli_value(), "memory": allocatable["memory"].value()}
        click.echo(node_table(stats, shares, style), nl=False)
        if style.wide:
            click.echo("\n" + groups_table([*look.tiers, *stats.system_containers]), nl=False)
            click.echo("\n" + memory_table(lines), nl=False)
    else:
        wire = to_wire(stats, omit_unknown=True)
        groups = to_wire(look.tiers, omit_unknown=True)
        head = {"apiVersion": API_VERSION, "kind": "NodeStats"}
        print_object({**head, **wire, "tiers": groups, "memorySum": to_wire(lines)}, output)


@click.command(short_help="Show what pods use.")
@click.argument("name", required=False)
@output_option("text", "wide", "json", "yaml", "name")
@click.option("-n", "--namespace", metavar="NAME", default=DEFAULT_NAMESPACE, help="The namespace to look at.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Look at all of them.")
@click.option("--containers", is_flag=True, help="Show the containers of the pods.")
@sort_option
@headers_option
@config_file_option
def pods(
    name: str | None,
    output: str,
    namespace: str,
    all_namespaces: bool,
    containers: bool,
    sort_by: str | None,
    no_headers: bool,
    **options: Any,
) -> None:
    """Show what pods use; a pod is more than its containers: volumes in memory count as well.

    With -o wide also anonymous memory, cache, swap, tasks, how often the CPU limit was hit, and pressure: the share of
    the last ten seconds, in percent, in which some task waited, and in which all did.
    """
    if output == "text" and agent_answers(socket_path(options["config"])):
        from nodeguard.cli.api_top import show_pods

        where = None if all_namespaces else namespace
        client = open_client(options["config"])
        show_pods(client, name, where, sort_by, containers=containers, headers=not no_headers)
        return
    config = load_and_warn(options)
    look = look_twice(config, find_root(config))
    found = _chosen(look, name, None if all_namespaces else namespace)
    if not found:
        where = "" if all_namespaces else f" in {namespace} namespace"
        click.echo(f"No resources found{where}.", err=True)
        if output in ("text", "wide", "name"):
            return
    style = Style(
        wide=output == "wide", headers=not no_headers, namespaces=all_namespaces and name is None, sort_by=sort_by or ""
    )
    if output == "name":
        click.echo("\n".join(f"pod/{pod.pod_ref.name}" for pod in sort_pods(found, style.sort_by)))
    elif output in ("text", "wide"):
        table = containers_table if containers else pods_table
        click.echo(table(found, look.groups, style), nl=False)
    else:
        items = [to_wire(pod, omit_unknown=True) for pod in sort_pods(found, style.sort_by)]
        alone = name is not None and len(items) == 1
        head = {"apiVersion": API_VERSION, "kind": "PodStats" if alone else "PodStatsList"}
        print_object({**head, **items[0]} if alone else {**head, "items": items}, output)


def look_twice(config: Config, root: Root, *, only_cpu_and_memory: bool = False) -> Look:
    """A look that has CPU rates."""
    collector = Collector(config, root)
    collector.prime()
    time.sleep(SAMPLE_SECONDS)
    return collector.collect(only_cpu_and_memory=only_cpu_and_memory)


def _chosen(look: Look, name: str | None, namespace: str | None) -> list[PodStats]:
    found = [
        pod
        for pod in look.summary.pods
        if name in (None, pod.pod_ref.name) and namespace in (None, pod.pod_ref.namespace)
    ]
    if name is not None and not found:
        raise NotFound(f'pods "{name}" not found: nothing of it runs here')
    return found


def _memory_lines(look: Look, root: Root) -> tuple[MemoryLine, ...]:
    return memory_sum(
        look.groups[NODE],
        version=root.driver.version,
        is_machine=look.is_machine_memory,
        machine_available_bytes=proc.read_meminfo().get("MemAvailable"),
    )
