"""``nodeguard run``: admit, start, stream logs and events, until the pods end or Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import click

from nodeguard.agent.admit import image_faults
from nodeguard.agent.config import Config
from nodeguard.cli import manifest
from nodeguard.cli.agent_socket import agent_answers, socket_path
from nodeguard.cli.option import config_file_option, config_flags, load_and_warn
from nodeguard.cli.printer import speaks_utf8, warn
from nodeguard.cli.terminal import Terminal
from nodeguard.errors import InvalidInput, PermissionDenied, UsageError
from nodeguard.model.decode import Manifests
from nodeguard.model.finding import Severity
from nodeguard.model.objectref import object_refs


@click.command(short_help="Run pods until they end, or until Ctrl-C.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-o", "--output", type=click.Choice(["json", "yaml", "name"]), help="Print the final objects on stdout.")
@click.option("--events", type=click.Choice(["text", "json", "none"]), default="text", show_default=True)
@click.option("--show-tree", is_flag=True, help="Print the cgroup tree once every pod has started.")
@click.option("--standalone", is_flag=True, help="Without the agent, even if one runs on this host.")
@config_file_option
@config_flags()
def run(
    files: tuple[str, ...], output: str | None, events: str, show_tree: bool, standalone: bool, **options: Any
) -> int:
    """Run the pods in FILE... (files, directories, - for standard input) and leave nothing behind.

    Ctrl-C once stops them gracefully, twice at once. The exit code is the first failed container's own.

    Where an agent runs, it is the one that runs them, with its settings; with --standalone they have a node of their
    own beside it, and settings may be given.
    """
    found = _read(files)
    if not standalone and agent_answers(socket_path(options["config"])):
        return _run_through_agent(found, Terminal(output, events, found.pods), options, show_tree=show_tree)
    _refuse_missing_objects(found)
    if os.geteuid() != 0:
        raise PermissionDenied("nodeguard run needs root: it makes cgroups and mounts (try sudo nodeguard run …)")
    config = load_and_warn(options)
    return _run(config, found, Terminal(output, events, found.pods), show_tree)


def _read(files: tuple[str, ...]) -> Manifests:
    found = manifest.load(files)
    faults = [str(finding) for finding in found.findings if finding.severity is not Severity.WARNING]
    faults += image_faults(found.pods)
    if faults:
        raise InvalidInput(faults)
    for finding in found.findings:
        warn(str(finding))
    if not found.pods:
        raise InvalidInput([f"{', '.join(files)}: no Pod in the input"])
    return found


def _refuse_missing_objects(found: Manifests) -> None:
    """What nobody gives now will never come: there is no API to ask."""
    if not any(object_refs(pod.raw.get("spec", {})) for pod in found.pods):
        return
    from nodeguard.policy.projection import config_faults  # few pods refer to anything

    faults = [fault for pod in found.pods for fault in config_faults(pod, found.config_of(pod.meta.namespace))]
    if faults:
        raise InvalidInput([f"{fault} (it has to be in the input, beside the pod)" for fault in faults])


def _run_through_agent(found: Manifests, terminal: Terminal, options: dict[str, Any], *, show_tree: bool) -> int:
    given = [name for name, value in options.items() if value not in (None, ()) and name != "config"]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(
            f"an agent runs on this host, with settings of its own: {flags} would not be heeded; "
            "leave that out, or add --standalone for a node beside the agent's"
        )
    from nodeguard.cli.agent_socket import open_client
    from nodeguard.cli.run_agent import AgentRun

    def show() -> None:
        from nodeguard.agent.root import find_root
        from nodeguard.agent.tree_view import read_tree, render

        config = load_and_warn(options)
        root = find_root(config)
        tree = read_tree(root.driver, root.path, config.run_dir)
        terminal.show("" if tree is None else render(tree, ascii_only=not speaks_utf8(sys.stdout)))

    return AgentRun(open_client(options["config"]), terminal).run(found, show if show_tree else None)


def _run(config: Config, found: Manifests, terminal: Terminal, show_tree: bool) -> int:
    from nodeguard.agent.gate import RefusedUnderPressure, refused_object
    from nodeguard.agent.node import Node

    node = Node(
        config,
        on_event=terminal.event,
        on_log=terminal.log,
        takes_logs=terminal.keeps_up,
        objects=found.config_objects,
    )
    interrupts: list[int] = []

    def interrupted(signum: int) -> None:
        interrupts.append(signum)
        if len(interrupts) == 1:
            terminal.note("stopping pods (once more to kill them at once)\n")
            node.stop_all()
        else:
            node.stop_all(grace_seconds=0)

    terminal.when_reader_is_gone(lambda: node.loop.call_soon(lambda: interrupted(signal.SIGPIPE)))
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        node.loop.on_signal(signum, interrupted)
    with node:
        try:
            node.admit(found.pods, found.priority_classes)
        except RefusedUnderPressure as e:
            terminal.finish([refused_object(refusal, node.clock.now()) for refusal in e.refusals])
            raise
        if show_tree:
            node.when_started(lambda: terminal.show(node.tree_text(ascii_only=not speaks_utf8(sys.stdout))))
        node.run_until_gone()
    terminal.finish(node.objects())
    return 128 + interrupts[0] if interrupts else node.exit_code()
