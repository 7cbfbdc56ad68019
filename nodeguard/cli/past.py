"""What commands that look at the past have in common: which pod, since when, and how amounts read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from nodeguard.agent.history_file import FILE_NAME
from nodeguard.agent.text import format_bytes
from nodeguard.cli.option import load_and_warn
from nodeguard.errors import NodeguardError
from nodeguard.model.decision import DecisionRecord
from nodeguard.model.eviction import LocalLimit
from nodeguard.model.signal import Resource, Signal
from nodeguard.model.unwire import from_wire

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class PodName(click.ParamType[str]):
    """``pod/NAME`` or ``pod/NAMESPACE/NAME``; ``namespace/name`` comes back."""

    name = "pod"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Without a namespace it is ``default``."""
        kind, _, name = str(value).partition("/")
        parts = name.split("/")
        if kind not in ("pod", "pods", "po") or not all(parts) or len(parts) > 2:
            self.fail(f"{value!r} is not pod/NAME or pod/NAMESPACE/NAME", param, ctx)
        return name if len(parts) == 2 else f"default/{name}"


class Duration(click.ParamType[float]):
    """A Go duration such as ``24h``; seconds come back."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Only what lies in the past makes sense."""
        from nodeguard.model.duration import read_duration

        if isinstance(value, float):
            return value
        try:
            seconds = read_duration(value) / 1e9
        except ValueError as e:
            self.fail(str(e), param, ctx)
        if seconds <= 0:
            self.fail(f"{value} is not above 0s", param, ctx)
        return seconds


def for_option() -> Decorator:
    """``--for``: of one pod only."""
    return click.option("--for", "pod", type=PodName(), metavar="pod/[NAMESPACE/]NAME", help="Of this pod only.")


def since_option() -> Decorator:
    """``--since``: not older than this."""
    return click.option("--since", type=Duration(), metavar="DURATION", help="Not older than this, such as 24h.")


def history_file(options: dict[str, Any]) -> Path:
    """Where this configuration keeps the history."""
    return load_and_warn(options).state_dir / FILE_NAME


def starting_at(since: float | None) -> float | None:
    """UNIX seconds of ``--since``."""
    return None if since is None else time.time() - since


def record_of(item: Mapping[str, Any]) -> DecisionRecord:
    """The record, of what the history holds.

    Raises:
        NodeguardError: another version wrote something that this one does not know.
    """
    try:
        return from_wire(DecisionRecord, item)
    except ValueError as e:
        raise NodeguardError(f"decision {item.get('id')} is of another nodeguard ({e}); -o json shows it") from e


def resource_of(signal: str | None) -> Resource:
    """What an amount that belongs to this signal counts."""
    if signal in tuple(Signal):
        return Signal(signal).resource
    if signal in tuple(LocalLimit):
        return Resource.EPHEMERAL_STORAGE
    return Resource.PIDS if signal is not None and signal.startswith("pids.") else Resource.MEMORY


def amount(count: int | None, resource: Resource) -> str:
    """An amount for people: bytes with their unit, everything else as it is; ``-`` when it is not known."""
    if count is None:
        return "-"
    if resource in (Resource.INODES, Resource.PIDS):
        return str(count)
    return f"-{format_bytes(-count)}" if count < 0 else format_bytes(count)
