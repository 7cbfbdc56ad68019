"""What is written down whenever a pod is stopped, refused, or hits a limit: who, why, the numbers, what came of it.

``to_wire`` of a ``DecisionRecord`` is the object that ``get decisions -o json`` prints. Instants are RFC 3339 text with
microseconds; None is: unknown, or does not apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from nodeguard.model.eviction import Ranked, VictimPolicy
from nodeguard.model.eviction_pass import Action as Action
from nodeguard.model.eviction_pass import Level as Level
from nodeguard.model.eviction_pass import Outcome as Outcome
from nodeguard.model.eviction_pass import Pass as Pass
from nodeguard.model.pod import QOSClass


class DecisionType(StrEnum):
    """What happened."""

    EVICTION = "Eviction"
    """The node was short of something, and this pod had to go."""
    PREEMPTION = "Preemption"
    OOM_KILL = "OOMKill"
    """The kernel killed, because a memory limit was reached."""
    LIMIT_EXCEEDED = "LimitExceeded"
    """The pod hit a limit of its own: of local storage, for which it goes, or of processes, for which it does not."""
    REJECTED = "Rejected"
    """The pod was not let in."""
    TAINT_EVICTION = "TaintEviction"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedPod:
    """The pod that a record is about."""

    namespace: str
    name: str
    uid: str
    qos_class: QOSClass
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The number that was acted on: what the node had left of what it has, or what the pod used.

    ``limit`` is what it was compared with: the threshold for this capacity, or what the pod may use.
    """

    available: int | None = None
    capacity: int | None = None
    sample_age_seconds: float | None = None
    usage: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """The time line; ``term_at`` is when SIGTERM was sent, ``killed_at`` when SIGKILL was pending everywhere."""

    crossed_at: str | None = None
    decided_at: str | None = None
    term_at: str | None = None
    killed_at: str | None = None
    gone_at: str | None = None
    crossing_to_kill_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitHit:
    """Whose limit the kernel enforced; ``kills`` is by how much its counter rose, 0 where nothing was killed."""

    level: Level
    container: str | None
    cgroup: str
    kills: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """One decision, with everything needed to understand it later.

    ``candidates`` are all pods that were looked at, first victim first; ``conditions`` those that the node had.
    ``scenario`` is the pass it came from, for ``nodeguard simulate``: it comes to the same decision. ``freed_bytes`` is
    what was measured to be back, or the use of a limit's victim when it went. ``note`` tells what went otherwise than
    usual.
    """

    api_version: Literal["nodeguard.dev/v1alpha1"] = "nodeguard.dev/v1alpha1"
    kind: Literal["Decision"] = "Decision"
    id: str
    type: DecisionType
    action: Action | None = None
    at: str
    node: str
    pod: DecidedPod
    signal: str | None = None
    threshold: str | None = None
    observed: Observed | None = None
    policy: VictimPolicy | None = None
    candidates: tuple[Ranked, ...] = ()
    grace_period_seconds: int | None = None
    timings: Timings = Timings()
    freed_bytes: int | None = None
    outcome: Outcome | None = None
    reason: str
    message: str
    why: str = ""
    reasons: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    reclaim: tuple[str, ...] = ()
    limit_hit: LimitHit | None = None
    note: str = ""
    scenario: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionList:
    """The answer of ``nodeguard get decisions -o json``, oldest first."""

    api_version: Literal["nodeguard.dev/v1alpha1"] = "nodeguard.dev/v1alpha1"
    kind: Literal["DecisionList"] = "DecisionList"
    items: tuple[DecisionRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What has become known of a decision since it was recorded; instants are UNIX seconds, None changes nothing."""

    term_at: float | None = None
    killed_at: float | None = None
    gone_at: float | None = None
    freed_bytes: int | None = None
    outcome: Outcome | None = None
    note: str | None = None
