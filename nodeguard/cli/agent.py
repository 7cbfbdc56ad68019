"""``nodeguard agent``: the daemon."""

from __future__ import annotations

import os
from typing import Any

import click

from nodeguard.agent.config import Config
from nodeguard.agent.config_load import load
from nodeguard.cli.option import config_file_option, config_flags, flag_texts, load_and_warn
from nodeguard.errors import PermissionDenied

LAST_WORDS_SECONDS = 2.0


@click.command(short_help="Run the agent: pods that go on, and the Kubernetes API.")
@config_file_option
@config_flags(of_agent=True)
def agent(**options: Any) -> int:
    """Look after pods until SIGTERM or Ctrl-C, and serve the Kubernetes API on a socket.

    Pods do not end with the agent: the next one takes them over. SIGHUP reads the configuration and the static
    manifests anew. One agent runs at a time; systemctl enable --now nodeguard has systemd see to it.
    """
    if os.geteuid() != 0:
        raise PermissionDenied("nodeguard agent needs root: it makes cgroups and mounts (try sudo nodeguard agent)")
    config = load_and_warn(options)

    def read_config() -> Config:
        return load(flag_texts(options))

    from nodeguard.agent.daemon import Daemon
    from nodeguard.agent.daemon_log import log_to_stderr

    handler = log_to_stderr(os.environ)
    try:
        return Daemon(config, read_config=read_config).run()
    finally:
        handler.drain(LAST_WORDS_SECONDS)
