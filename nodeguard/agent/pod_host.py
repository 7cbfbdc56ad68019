"""What is asked of a node and of a pod at work by whoever has pods run; `agent.node` and `agent.pod` are such."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from nodeguard.model.pod import Pod


class Worker(Protocol):
    """A pod at work; see ``agent.pod.PodWorker``."""

    pod: Pod

    @property
    def is_gone(self) -> bool:
        """Nothing of it runs any more."""

    def object(self) -> dict[str, Any]:
        """The v1 Pod."""

    def status(self) -> dict[str, Any]:
        """The v1 PodStatus."""

    def update(self, pod: Pod) -> None:
        """Labels and annotations have changed."""


class Pods(Protocol):
    """The node, as far as it is asked for pods; see ``agent.node.Node``."""

    def start(self, pod: Pod) -> Worker:
        """Have it run."""

    def stop(self, uid: str, grace_seconds: float) -> None:
        """Have it end, and all of it removed."""

    def settle(self, uid: str) -> None:
        """Its record goes."""

    def forget(self, uid: str, then: Callable[[], None]) -> bool:
        """Have it end at once; of one that is not here logs go, and ``then()`` is called."""
