"""Questions that the API server passes on to the agent. Answered in worker threads."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nodeguard.agent.config import Config
from nodeguard.agent.root import Root
from nodeguard.errors import HostLacks, NodeguardError, RuntimeFailed
from nodeguard.kernel import process
from nodeguard.model.summary import summary_object

if TYPE_CHECKING:
    from nodeguard.agent.summary import Collector

Answer = Callable[[Mapping[str, Any]], Any]
"""Arguments in, a value that JSON can hold out."""

SUMMARY_SECONDS = 1.0
"""How old a Summary may be: however often it is asked for, it is made once in this time."""


class Unanswerable(NodeguardError):
    """The question cannot be answered; ``code`` and ``reason`` as in a v1 Status."""

    def __init__(self, message: str, *, code: int, reason: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class SummaryAnswer:
    """The kubelet's Summary. One at a time: who asks meanwhile gets the same."""

    def __init__(self, config: Config, root: Root) -> None:
        self._config, self._root = config, root
        self._collector: Collector | None = None
        self._lock = threading.Lock()
        self._kept: dict[bool, tuple[float, dict[str, Any]]] = {}

    def __call__(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """``args``: ``onlyCPUAndMemory``, as in the kubelet's query."""
        is_short = args.get("onlyCPUAndMemory") is True
        with self._lock:
            made_at, summary = self._kept.get(is_short, (float("-inf"), {}))
            if time.monotonic() - made_at < SUMMARY_SECONDS:
                return summary
            if self._collector is None:
                from nodeguard.agent.summary import Collector  # statistics, which no agent needs before it is asked

                self._collector = Collector(self._config, self._root)
                self._collector.prime()
                time.sleep(SUMMARY_SECONDS / 10)  # the first one would have no rates
            summary = summary_object(self._collector.collect(only_cpu_and_memory=is_short).summary)
            self._kept[is_short] = (time.monotonic(), summary)
            return summary


def runtime_version(program: str) -> str:
    """``runc://1.1.5``, as nodeInfo has it; the third word of ``runc version 1.1.5``."""
    name = program.rpartition("/")[2]
    try:
        exit_code, told, _ = process.capture((shutil.which(program) or program, "--version"))
    except (HostLacks, RuntimeFailed):
        return f"{name}://unknown"
    words = told.partition("\n")[0].split()
    return f"{name}://{words[2]}" if exit_code == 0 and len(words) > 2 else f"{name}://unknown"
