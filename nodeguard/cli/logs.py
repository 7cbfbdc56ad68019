"""``nodeguard logs``: what containers wrote."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import click

from nodeguard.cli.agent_socket import open_client
from nodeguard.cli.api_option import Wait, container_option, list_query, namespace_option, selector_option
from nodeguard.cli.complete import complete_pods
from nodeguard.cli.target import parse_target
from nodeguard.client.client import Client
from nodeguard.client.connection import Stream
from nodeguard.client.kind import POD
from nodeguard.errors import NodeguardError, NotFound, UsageError

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
"""The annotation that says which container is meant when none is named."""


class Source(NamedTuple):
    """A container whose log is wanted."""

    namespace: str
    pod: str
    container: str


@click.command(short_help="Print what a pod's containers wrote.")
@click.argument("target", required=False, metavar="[POD | TYPE/NAME]", shell_complete=complete_pods)
@click.argument("container_name", required=False, metavar="[CONTAINER]")
@namespace_option
@container_option
@selector_option
@click.option("-f", "--follow", is_flag=True, help="Go on printing what comes.")
@click.option("-p", "--previous", is_flag=True, help="Of the instance before the last restart.")
@click.option("--tail", type=click.IntRange(min=-1), metavar="LINES", help="The last lines alone; -1 is all of them.")
@click.option("--since", type=Wait(), metavar="DURATION", help="Not older than this, such as 5m.")
@click.option("--since-time", metavar="TIME", help="Not older than this instant (RFC 3339).")
@click.option("--timestamps", is_flag=True, help="With the time of each line.")
@click.option("--limit-bytes", type=click.IntRange(min=1), metavar="BYTES", help="Not more than this.")
@click.option("--all-containers", is_flag=True, help="Of all containers of the pod.")
@click.option("--prefix", is_flag=True, help="With the pod's and the container's name before each line.")
def logs(
    target: str | None,
    container_name: str | None,
    namespace: str,
    container: str | None,
    selector: str | None,
    follow: bool,
    previous: bool,
    tail: int | None,
    since: float | None,
    since_time: str | None,
    timestamps: bool,
    limit_bytes: int | None,
    all_containers: bool,
    prefix: bool,
) -> int:
    """Print what the containers of a pod wrote; with several that of the first one, unless told otherwise."""
    if since is not None and since_time is not None:
        raise UsageError("at most one of --since and --since-time may be used")
    if (target is None) == (selector is None):
        raise UsageError("either a pod or a selector (-l)")
    container = container or container_name
    client = open_client()
    pods = _pods(client, target, namespace, selector)
    sources = [source for pod in pods for source in _sources(pod, container, all_containers=all_containers)]
    given = {
        "follow": "true" if follow else None,
        "previous": "true" if previous else None,
        "tailLines": _tail(tail, has_selector=selector is not None),
        "sinceSeconds": None if since is None else str(max(1, round(since))),
        "sinceTime": since_time,
        "timestamps": "true" if timestamps else None,
        "limitBytes": None if limit_bytes is None else str(limit_bytes),
    }
    query = {name: value for name, value in given.items() if value is not None}
    if len(sources) == 1 and not prefix:
        with open_log(client, sources[0], query) as stream:
            for chunk in stream.chunks():
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
        return 0
    return _print_lines(client, sources, query, at_once=follow, prefix=prefix)


def open_log(client: Client, source: Source, query: Mapping[str, str]) -> Stream:
    """The log of a container, as it comes.

    Raises:
        NodeguardError: there is none (yet).
    """
    target = POD.path(source.namespace, source.pod, "log")
    try:
        return client.stream(target, {**query, "container": source.container})
    except UsageError as e:  # "is waiting to start" is a bad request, but not a wrong command line
        raise NodeguardError(str(e)) from e


def default_container(pod: Mapping[str, Any], *, quiet: bool = False) -> str:
    """The container that is meant when none is named; with several the choice is told on stderr.

    Source: kubectl, pkg/cmd/util/podcmd/podcmd.go, FindOrDefaultContainerByName.
    """
    names = [one["name"] for one in pod["spec"]["containers"]]
    annotated = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    if annotated in names:
        return str(annotated)
    if len(names) > 1 and not quiet:
        every = [*names, *(f"{one['name']} (init)" for one in pod["spec"].get("initContainers") or ())]
        click.echo(f'Defaulted container "{names[0]}" out of: {", ".join(every)}', err=True)
    return str(names[0])


def _pods(client: Client, target: str | None, namespace: str, selector: str | None) -> list[dict[str, Any]]:
    if target is None:
        pods: list[dict[str, Any]] = client.list(POD, namespace, list_query(selector, None))["items"]
        if not pods:
            raise NotFound(f"no pods with labels {selector} in {namespace} namespace")
        return pods
    kind, name = parse_target(client, target, POD)
    if kind is not POD:
        raise UsageError(f"{target}: only pods have logs")
    return [client.get(POD, namespace, name)]


def _sources(pod: Mapping[str, Any], container: str | None, *, all_containers: bool) -> Iterator[Source]:
    spec, metadata = pod["spec"], pod["metadata"]
    every = [one["name"] for one in (*(spec.get("initContainers") or ()), *spec["containers"])]
    if all_containers:
        chosen = every
    elif container is None:
        chosen = [default_container(pod)]
    elif container in every:
        chosen = [container]
    else:
        raise NotFound(f"container {container} is not valid for pod {metadata['name']}; it has {', '.join(every)}")
    for name in chosen:
        yield Source(metadata["namespace"], metadata["name"], name)


def _tail(tail: int | None, *, has_selector: bool) -> str | None:
    """With a selector ten lines of each, unless told otherwise, as kubectl does."""
    if tail is None:
        return "10" if has_selector else None
    return None if tail < 0 else str(tail)


def _print_lines(
    client: Client, sources: Sequence[Source], query: Mapping[str, str], *, at_once: bool, prefix: bool
) -> int:
    """Line by line: one log after the other, or all at once when they are followed."""
    lock = threading.Lock()
    errors: list[NodeguardError] = []

    def copy(source: Source) -> None:
        head = f"[pod/{source.pod}/{source.container}] ".encode() if prefix else b""
        try:
            with open_log(client, source, query) as stream:
                for line in stream.lines():
                    with lock:
                        sys.stdout.buffer.write(head + line)
                        sys.stdout.buffer.flush()
        except NodeguardError as e:
            errors.append(e)
            click.echo(f"Error: {source.pod}/{source.container}: {e}", err=True)

    if not at_once:
        for source in sources:
            copy(source)
    else:
        threads = [threading.Thread(target=copy, args=(source,), daemon=True) for source in sources]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return errors[0].exit_code if errors else 0
