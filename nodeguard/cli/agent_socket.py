"""Where the agent's socket is, and whether somebody answers there."""

from __future__ import annotations

import os
import sys
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

from nodeguard.errors import AgentUnreachable, PermissionDenied

if TYPE_CHECKING:
    from nodeguard.client.client import Client

SOCKET_NAME = "nodeguard.sock"
DEFAULT_RUN_DIR = Path("/run/nodeguard")


def socket_path(config_file: str | None = None) -> Path:
    """Where the agent of this configuration listens.

    Configuration files are read only when one of them speaks of the directory: reading them takes longer than the rest
    of a command that asks the agent.
    """
    run_dir = os.environ.get("NODEGUARD_RUN_DIR")
    if run_dir is not None:
        return Path(run_dir) / SOCKET_NAME
    named = config_file or os.environ.get("NODEGUARD_CONFIG")
    if named or _files_name_run_dir():
        from nodeguard.agent.config_load import load

        return load({"config": config_file}).run_dir / SOCKET_NAME
    return DEFAULT_RUN_DIR / SOCKET_NAME


def agent_answers(path: Path) -> bool:
    """Whether somebody listens there to whom this user may speak. Costs a look at a directory when nobody does."""
    if not path.is_socket():
        return False
    from nodeguard.client.connection import connect

    try:
        connect(path).close()
    except (AgentUnreachable, PermissionDenied):
        return False
    return True


def open_client(config_file: str | None = None, *, told: Container[str] = ()) -> Client:
    """A client of the agent on this host; whether it answers shows with the first request.

    The API's warnings go to stderr, but for those that were ``told`` already.
    """
    import click

    from nodeguard.client.client import Client

    def warn(text: str) -> None:
        if text not in told:
            print(f"Warning: {text}", file=sys.stderr)

    client = Client(socket_path(config_file), on_warning=warn)
    click.get_current_context().call_on_close(client.close)
    return client


def _files_name_run_dir() -> bool:
    from nodeguard.agent.config_path import ConfigPaths

    try:
        return any(b"runDir" in path.read_bytes() for path in ConfigPaths().files())
    except OSError:  # what cannot be read is told by the commands that need it
        return False
