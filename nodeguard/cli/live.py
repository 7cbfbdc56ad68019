"""The node as it is now, as scenarios: one of each process that runs pods."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from nodeguard.agent.live import read_live
from nodeguard.agent.text import format_age
from nodeguard.cli.option import load_and_warn
from nodeguard.cli.printer import print_object
from nodeguard.errors import NotFound, UsageError
from nodeguard.kernel import proc
from nodeguard.model.document import Document, parse
from nodeguard.model.signal import Signal
from nodeguard.policy.replay import with_shortage


def read_documents(options: dict[str, Any], signal: Signal | None) -> list[Document]:
    """What each process told last; with ``signal``, and what would follow if nothing were left of it.

    Raises:
        NotFound: no pods run here.
        UsageError: nobody watches the signal.
    """
    found = read_live(load_and_warn(options).run_dir, proc.boot_id())
    if not found:
        raise NotFound("no nodeguard runs pods on this host (or it has only just begun): try nodeguard run")
    documents: list[Document] = []
    for live in found:
        print(f"as process {live.owner.pid} saw the node {format_age(time.time() - live.at)} ago", file=sys.stderr)
        try:
            value = live.scenario if signal is None else with_shortage(live.scenario, signal)
        except ValueError as e:
            raise UsageError(f"--signal {e}") from e
        documents += parse(json.dumps(value), f"process {live.owner.pid}")
    return documents


def print_scenarios(documents: Sequence[Document], output: str) -> int:
    """As YAML, one document each, unless JSON is asked for."""
    values = [document.value for document in documents]
    if output == "json":
        print_object(values[0] if len(values) == 1 else values, output)
        return 0
    for number, value in enumerate(values):
        if number:
            print("---")
        print_object(value, "yaml")
    return 0
