"""The settings of `nodeguard agent` alone: its manifests, and where its API is asked beside the socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nodeguard.agent.reader import read_boolean, read_directory, show_plain
from nodeguard.agent.setting import Setting
from nodeguard.errors import UsageError
from nodeguard.model.address import Address, parse_address


def _read_path(value: Any) -> Path | None:
    """As the kubelet: empty is none."""
    path: Path | None = None if value == "" else read_directory(value)
    return path


def _read_address(value: Any) -> Address | None:
    if value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not of the form HOST:PORT")
    try:
        return parse_address(value)
    except UsageError as e:
        raise ValueError(str(e)) from e


API_SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="staticPodPath",
        attribute="static_pod_path",
        read=_read_path,
        default=Path("/etc/nodeguard/manifests"),
        help="Run the pods whose manifests are in this directory, as long as they are there; empty for none.",
        flag="--pod-manifest-path",
        is_of_agent=True,
    ),
    Setting(
        name="nodeguard.listen",
        attribute="listen",
        read=_read_address,
        default=None,
        help="Serve the API on this HOST:PORT, too, over TLS with client certificates.",
        flag="--listen",
        is_of_agent=True,
    ),
    Setting(
        name="nodeguard.listenAnywhere",
        attribute="listen_anywhere",
        read=read_boolean,
        default=False,
        help="Let the address be one that other hosts can reach: true or false.",
        flag="--listen-anywhere",
        is_text=False,
        show=show_plain,
        is_of_agent=True,
    ),
)
