"""``nodeguard run``: admit, start, stream logs and events, until the pods end or Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import click

from nodeguard.agent.admit import image_faults
from nodeguard.agent.config import Config
from nodeguard.agent.log import LogLine
from nodeguard.cli import color, manifest
from nodeguard.cli.option import config_file_option, config_flags, load_and_warn
from nodeguard.cli.printer import speaks_utf8, warn
from nodeguard.errors import InvalidInput, PermissionDenied
from nodeguard.model.finding import Severity
from nodeguard.model.instant import rfc3339_micro
from nodeguard.model.meta import Event
from nodeguard.model.pod import Pod


@click.command(short_help="Run pods until they end, or until Ctrl-C.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-o", "--output", type=click.Choice(["json", "yaml", "name"]), help="Print the final objects on stdout.")
@click.option("--events", type=click.Choice(["text", "json", "none"]), default="text", show_default=True)
@click.option("--show-tree", is_flag=True, help="Print the cgroup tree once every pod has started.")
@config_file_option
@config_flags()
def run(files: tuple[str, ...], output: str | None, events: str, show_tree: bool, **options: Any) -> int:
    """Run the pods in FILE... (files, directories, - for standard input) and leave nothing behind.

    Ctrl-C once stops them gracefully, twice at once. The exit code is the first failed container's own.
    """
    pods, classes = _read(files)
    if os.geteuid() != 0:
        raise PermissionDenied("nodeguard run needs root: it makes cgroups and mounts (try sudo nodeguard run …)")
    config = load_and_warn(options)
    return _run(config, pods, classes, _Terminal(output, events, pods), show_tree)


def _read(files: tuple[str, ...]) -> tuple[tuple[Pod, ...], tuple[Any, ...]]:
    found = manifest.load(files)
    faults = [str(finding) for finding in found.findings if finding.severity is not Severity.WARNING]
    faults += image_faults(found.pods)
    if faults:
        raise InvalidInput(faults)
    for finding in found.findings:
        warn(str(finding))
    if not found.pods:
        raise InvalidInput([f"{', '.join(files)}: no Pod in the input"])
    return found.pods, found.priority_classes


def _run(config: Config, pods: tuple[Pod, ...], classes: tuple[Any, ...], terminal: _Terminal, show_tree: bool) -> int:
    from nodeguard.agent.node import Node

    node = Node(config, on_event=terminal.event, on_log=terminal.log)
    interrupts: list[int] = []

    def interrupted(signum: int) -> None:
        interrupts.append(signum)
        if len(interrupts) == 1:
            click.echo("stopping pods (once more to kill them at once)", err=True)
            node.stop_all()
        else:
            node.stop_all(grace_seconds=0)

    terminal.when_reader_is_gone(lambda: interrupted(signal.SIGPIPE))
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        node.loop.on_signal(signum, interrupted)
    with node:
        node.admit(pods, classes)
        if show_tree:
            node.when_started(
                lambda: click.echo(
                    node.tree_text(ascii_only=not speaks_utf8(sys.stdout)), err=terminal.data_only, nl=False
                )
            )
        node.run_until_gone()
    terminal.finish(node.objects())
    return 128 + interrupts[0] if interrupts else node.exit_code()


class _Terminal:
    """What a person, or a pipe, sees of a run."""

    def __init__(self, output: str | None, events: str, pods: tuple[Pod, ...]) -> None:
        self._output, self._events = output, events
        self.data_only = output is not None
        self._log_file = sys.stderr.buffer if self.data_only else sys.stdout.buffer
        names = [f"{pod.meta.name}/{c.name}" for pod in pods for c in pod.all_containers]
        painted = color.enabled(sys.stderr if self.data_only else sys.stdout)
        self._on_broken: Callable[[], None] | None = None
        self._prefix = {name: color.prefix(f"[pod/{name}] ", i, painted).encode() for i, name in enumerate(names)}

    def when_reader_is_gone(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once when nobody reads the output any more (``nodeguard run … | head``)."""
        self._on_broken = callback

    def log(self, pod: Pod, container: str, line: LogLine) -> None:
        """One line of a container, with its prefix, at once."""
        name = f"{pod.meta.name}/{container}"
        prefix = self._prefix.get(name) or f"[pod/{name}] ".encode()
        self._write(self._log_file, prefix + line.content + b"\n")

    def event(self, event: Event) -> None:
        """One event, on stderr."""
        if self._events == "json":
            self._write(sys.stderr.buffer, json.dumps(_event_json(event)).encode() + b"\n")
        elif self._events == "text":
            where = f"pod/{event.pod.split('/', 1)[1]}" + (f"/{event.container}" if event.container else "")
            text = f"{event.type:<7} {event.reason:<16} {where}: {event.message}\n"
            self._write(sys.stderr.buffer, text.encode(errors="replace"))

    def _write(self, file: BinaryIO, data: bytes) -> None:
        """Write now; output that nobody reads must not keep the pods from being cleaned up."""
        try:
            file.write(data)
            file.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), file.fileno())
            callback, self._on_broken = self._on_broken, None
            if callback is not None:
                callback()

    def finish(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """The final objects, if they were asked for."""
        if self._output == "json":
            click.echo(json.dumps(_list(objects), indent=2))
        elif self._output == "yaml":
            import yaml

            click.echo(yaml.safe_dump(_list(objects), sort_keys=False), nl=False)
        elif self._output == "name":
            for item in objects:
                click.echo(f"pod/{item['metadata']['name']}")


def _list(objects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": list(objects)}


def _event_json(event: Event) -> dict[str, Any]:
    return {
        "at": rfc3339_micro(event.at),
        "type": event.type,
        "reason": event.reason,
        "message": event.message,
        "pod": event.pod,
        "uid": event.uid,
        "container": event.container,
    }
