"""``nodeguard kubeconfig``: what kubectl needs to reach the agent."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import click

from nodeguard.agent.config import Config
from nodeguard.agent.instance_lock import running_agent
from nodeguard.cli.option import config_file_option, config_flags, load_and_warn
from nodeguard.errors import NodeguardError, PermissionDenied, UsageError
from nodeguard.model.address import Address, parse_address

PKI = "pki"


@click.command(short_help="Print a kubeconfig for kubectl, with a client certificate.")
@click.option("--server", metavar="URL", help="Where kubectl reaches the agent, if not at its --listen address.")
@config_file_option
@config_flags("--listen", "--listen-anywhere")
def kubeconfig(server: str | None, **options: Any) -> None:
    """Print a kubeconfig with a client certificate for the agent's TLS address. Certificates are made when missing.

    The address is that of the agent that runs, else the one that --listen or the configuration names.
    """
    if os.geteuid() != 0:
        raise PermissionDenied("nodeguard kubeconfig needs root: it holds the key of an administrator")
    config = load_and_warn(options)
    if server is None:
        server = f"https://{_address(config)}"
    pki = str(config.state_dir / PKI)
    isolation = "-I" if sys.flags.isolated else "-P"  # nobody looks for modules in the current directory
    # A process of its own: what makes certificates takes longer to import than all the rest of this command.
    argv = [sys.executable, isolation, "-m", "nodeguard.api.kubeconfig", "--pki", pki, "--server", server]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise NodeguardError(f"no kubeconfig: the program that makes certificates ended with {done.returncode}")
    click.echo(done.stdout.decode(), nl=False)


def _address(config: Config) -> Address:
    """Where the agent is asked over TCP; one that listens everywhere is asked on the loopback.

    Raises:
        UsageError: nobody knows.
    """
    running = running_agent(config.run_dir)
    found = parse_address(running.address) if running is not None and running.address else config.listen
    if found is None or found.port == 0:
        raise UsageError(
            "the agent does not listen for TCP: start it with --listen 127.0.0.1:6443 (or nodeguard.listen in "
            "its configuration), or give --server URL"
        )
    if found.host in ("0.0.0.0", "::"):
        return Address(host="127.0.0.1" if found.host == "0.0.0.0" else "::1", port=found.port)
    return found
