"""The ``nodeguard`` command: finds the sub-command, and turns every error into a message and an exit code.

Sub-commands are imported when they are called, so that ``--help`` costs what click costs.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from nodeguard import __version__
from nodeguard.errors import InvalidInput, NodeguardError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("nodeguard.cli.run:run", "Run pods until they end, or until Ctrl-C."),
    "agent": ("nodeguard.cli.agent:agent", "Run the agent: pods that go on, and the Kubernetes API."),
    "kubeconfig": ("nodeguard.cli.kubeconfig:kubeconfig", "Print a kubeconfig for kubectl, with a client certificate."),
    "explain": ("nodeguard.cli.explain:explain", "Show a pod's QoS class and cgroup values, with reasons."),
    "simulate": ("nodeguard.cli.simulate:simulate", "Play a scenario: who is evicted, who is admitted, and why."),
    "apply": ("nodeguard.cli.apply:apply", "Create what files describe, or change it to that."),
    "get": ("nodeguard.cli.get:get", "List resources: pods, nodes, events, …; decisions."),
    "describe": ("nodeguard.cli.describe:describe", "Describe resources in detail: pods, nodes, …"),
    "delete": ("nodeguard.cli.delete:delete", "Delete objects, and wait until they are gone."),
    "logs": ("nodeguard.cli.logs:logs", "Print what a pod's containers wrote."),
    "exec": ("nodeguard.cli.exec:exec_", "Run a command in a container."),
    "attach": ("nodeguard.cli.attach:attach", "Join the process that runs in a container."),
    "cp": ("nodeguard.cli.cp:cp", "Copy files into a container, or out of it."),
    "wait": ("nodeguard.cli.wait:wait", "Wait for a condition: Ready, deleted, a value."),
    "label": ("nodeguard.cli.label:label", "Set labels of objects, or take them away."),
    "annotate": ("nodeguard.cli.annotate:annotate", "Set annotations of objects, or take them away."),
    "cordon": ("nodeguard.cli.cordon:cordon", "Mark nodes as unschedulable."),
    "uncordon": ("nodeguard.cli.cordon:uncordon", "Mark nodes as schedulable again."),
    "drain": ("nodeguard.cli.drain:drain", "Evict the pods of a node, for maintenance."),
    "taint": ("nodeguard.cli.taint:taint", "Set taints of nodes, or take them away."),
    "events": ("nodeguard.cli.events:events", "List events, also of pods that are gone."),
    "tree": ("nodeguard.cli.tree:tree", "Show the cgroup tree with limits, usage and pressure."),
    "top": ("nodeguard.cli.top:top", "Show the CPU and memory that node and pods use."),
    "stats": ("nodeguard.cli.stats:stats", "Print the kubelet's Summary, or metrics for Prometheus."),
    "doctor": ("nodeguard.cli.doctor:doctor", "Show what this host has and lacks, and what it does instead."),
    "config": ("nodeguard.cli.config:config", "Show the settings in effect, or check configuration files."),
    "cleanup": ("nodeguard.cli.cleanup:cleanup", "Remove what a killed nodeguard left behind."),
    "cgroup": ("nodeguard.cli.cgroup:cgroup", "Print the cgroup directories of pods."),
    "api-resources": ("nodeguard.cli.api_resources:api_resources", "List the types that the API has."),
    "completion": ("nodeguard.cli.completion:completion", "Print a script for completion: bash, zsh, fish."),
    "version": ("nodeguard.cli.version:version", "Print the versions of nodeguard and of what it works with."),
}
"""Name → where the click command is, and its one-line help (the same as the command's own)."""

COMPLETION_VARIABLE = "_NODEGUARD_COMPLETE"
"""Set by the scripts of ``nodeguard completion`` when they ask what could come next."""
EXIT_BROKEN_PIPE = 128 + 13
EXIT_INTERRUPTED = 130

_EPILOG = """\b
Examples:
  sudo nodeguard run pod.yaml
  nodeguard explain pod.yaml
  nodeguard doctor
"""


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are called."""

    def __init__(self, *args: Any, lazy_commands: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy_commands = lazy_commands

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click asks with a context
        """The names in the order of the table."""
        return list(self._lazy_commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command, None when there is no such name."""
        entry = self._lazy_commands.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry[0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with suggestions from the table: click looks only at commands already imported."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as e:
            raise click.exceptions.NoSuchCommand(e.command_name, possibilities=self._lazy_commands, ctx=ctx) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names of the table, importing nothing; and options."""
        from click.shell_completion import CompletionItem

        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        found = [CompletionItem(name, help=self._lazy_commands[name][1]) for name in names]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the table, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, short_help) for name, (_, short_help) in self._lazy_commands.items()])


@click.group(
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name="nodeguard", message="%(prog)s %(version)s")
def cli() -> None:
    """One Linux host that behaves as a Kubernetes node: QoS cgroups, limits, pressure, eviction."""


def main() -> NoReturn:
    """The console entry: run the command line and exit.

    The process ends here and now: taking the interpreter apart would cost 40 ms that ``run`` can spend better, and
    nothing is left that needs it.
    """
    _open_missing_streams()
    instruction = os.environ.get(COMPLETION_VARIABLE)
    code = run(sys.argv[1:]) if instruction is None else _complete(instruction)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _complete(instruction: str) -> int:
    """Answer a shell; whatever goes wrong, a person who types is not told."""
    from click.shell_completion import shell_complete

    try:
        return shell_complete(cli, {}, "nodeguard", COMPLETION_VARIABLE, instruction)
    except (Exception, KeyboardInterrupt):
        return 1


def _open_missing_streams() -> None:
    """Whoever started us without standard streams gets silence; a pipe of ours must not take such a number."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            setattr(sys, name, os.fdopen(descriptor, mode))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; what comes back is the exit code. Nothing is raised, no traceback is printed."""
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
        return code
    except NodeguardError as e:
        return _fail(e, _message_of(e), e.exit_code)
    except click.exceptions.Abort as e:
        return _fail(e, None, EXIT_INTERRUPTED)
    except click.ClickException as e:
        e.show()
        return e.exit_code
    except KeyboardInterrupt as e:
        return _fail(e, None, EXIT_INTERRUPTED)
    except OSError as e:
        if isinstance(e, BrokenPipeError) and _reader_is_gone():
            _drop_output()
            return EXIT_BROKEN_PIPE
        return _fail(e, _message_of_os_error(e), 6 if isinstance(e, PermissionError) else 1)
    except Exception as e:
        hint = "" if _wants_traceback() else " (NODEGUARD_DEBUG=1 shows where)"
        return _fail(e, [f"internal error: {type(e).__name__}: {e}{hint}"], 1)


def _invoke(arguments: Sequence[str]) -> int:
    """Click's own ``main`` would turn a broken pipe into exit code 1 and swallow the reason for an abort."""
    try:
        with cli.make_context("nodeguard", list(arguments)) as context:
            result = cli.invoke(context)
    except click.exceptions.Exit as e:
        return e.exit_code
    return result if isinstance(result, int) else 0


def _message_of(error: NodeguardError) -> Sequence[str]:
    if isinstance(error, InvalidInput):
        return [str(finding) for finding in error.findings]
    return [str(error)]


def _message_of_os_error(error: OSError) -> Sequence[str]:
    text = error.strerror or str(error) or type(error).__name__
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    next_step = "; run with sudo" if isinstance(error, PermissionError) and os.geteuid() != 0 else ""
    return [": ".join([*names, text]) + next_step]


def _fail(error: BaseException, messages: Sequence[str] | None, code: int) -> int:
    try:
        sys.stdout.flush()
        if _wants_traceback():
            import traceback

            traceback.print_exception(error, file=sys.stderr)
        for message in messages or ():
            print(f"Error: {message}", file=sys.stderr)
    except BrokenPipeError:
        _drop_output()
    return code


def _wants_traceback() -> bool:
    return os.environ.get("NODEGUARD_DEBUG", "0") not in ("", "0")


def _reader_is_gone() -> bool:
    """Whether it is our own output that nobody reads, not a pipe to some helper that broke."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))


def _drop_output() -> None:
    """Point the outputs to nowhere, so that the flush at exit does not complain again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
