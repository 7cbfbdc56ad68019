"""``nodeguard kubeconfig``: what kubectl needs to reach the agent."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import click

from nodeguard.cli.option import config_file_option, config_flags, load_and_warn
from nodeguard.errors import NodeguardError, PermissionDenied, UsageError

PKI = "pki"


@click.command(short_help="Print a kubeconfig for kubectl, with a client certificate.")
@click.option("--server", metavar="URL", help="Where kubectl reaches the agent, if not at its --listen address.")
@config_file_option
@config_flags("--listen", "--listen-anywhere")
def kubeconfig(server: str | None, **options: Any) -> None:
    """Print a kubeconfig with a client certificate for the agent's TLS address. Certificates are made when missing.

    nodeguard kubeconfig --listen 127.0.0.1:6443 > ~/.kube/config
    """
    if os.geteuid() != 0:
        raise PermissionDenied("nodeguard kubeconfig needs root: it holds the key of an administrator")
    config = load_and_warn(options)
    if server is None:
        if config.listen is None or config.listen.port == 0:
            raise UsageError("where does the agent listen? Give --listen HOST:PORT as for the agent, or --server URL")
        server = f"https://{config.listen}"
    pki = str(config.state_dir / PKI)
    isolation = "-I" if sys.flags.isolated else "-P"  # nobody looks for modules in the current directory
    # A process of its own: what makes certificates takes longer to import than all the rest of this command.
    argv = [sys.executable, isolation, "-m", "nodeguard.api.kubeconfig", "--pki", pki, "--server", server]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise NodeguardError(f"no kubeconfig: the program that makes certificates ended with {done.returncode}")
    click.echo(done.stdout.decode(), nl=False)
