"""What every object carries: names, labels, owners, conditions, events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

PodUid = NewType("PodUid", str)
"""``metadata.uid`` of a pod; part of its cgroup's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMeta:
    """``metadata`` of any object, as far as nodeguard reads it.

    ``name`` is empty when the manifest gives only a ``generateName``: whoever stores the object makes the name up.
    ``controller_kind`` is the kind of the owner that manages the object, such as ``DaemonSet``;
    ``deletion_timestamp`` is UNIX seconds, ``deletion_grace_period_seconds`` the time it left the pod.
    """

    name: str
    generate_name: str = ""
    namespace: str = "default"
    uid: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    controller_kind: str = ""
    deletion_timestamp: float | None = None
    deletion_grace_period_seconds: int | None = None

    @property
    def key(self) -> str:
        """``namespace/name``, the way logs and records name an object."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One entry of ``status.conditions``; ``status`` is ``True``, ``False`` or ``Unknown``."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something a user should hear of, about a pod or about the node; ``type`` is ``Normal`` or ``Warning``.

    ``at`` is UNIX seconds, ``pod`` is ``namespace/name``, empty when it is about ``node``.
    """

    at: float
    type: str
    reason: str
    message: str
    pod: str = ""
    uid: str = ""
    container: str | None = None
    node: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
