"""What every request needs: the objects, the agent, the clock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeguard.api.link import Link
from nodeguard.api.store.entry import Key
from nodeguard.api.store.store import Store
from nodeguard.model.link import Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts of this API server; ``hello`` is what the agent said of itself."""

    store: Store
    link: Link
    hello: Hello

    @property
    def node_name(self) -> str:
        """The one node."""
        return self.hello.node_name

    @property
    def run_dir(self) -> Path:
        """Where the pods' runtime files are."""
        return Path(self.hello.run_dir)

    @property
    def log_dir(self) -> Path:
        """Where the pods' logs are."""
        return Path(self.hello.log_dir)

    @property
    def runtime(self) -> str:
        """The runtime's program."""
        return self.hello.runtime

    @property
    def runtime_root(self) -> Path:
        """The runtime's ``--root``."""
        return Path(self.hello.runtime_root)

    def now(self) -> float:
        """UNIX seconds."""
        return time.time()

    def find(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """The pod of that name; None when there is none."""
        entry = self.store.get(Key("pods", namespace, name))
        return entry.object() if entry is not None else None
