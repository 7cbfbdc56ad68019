"""What tells that tasks of the node wait for each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nodeguard.model.groupstat import Pressure


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTime:
    """What all CPUs have done since boot, in ticks."""

    busy: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLoss:
    """What went through a link since it was made; ``lost`` are packets dropped or broken, in both directions."""

    packets: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentionSample:
    """One look; None for what cannot be read. ``links`` are those of the host, by name, loopback left out."""

    cpu: Pressure | None = None
    io: Pressure | None = None
    cpu_time: CpuTime | None = None
    links: Mapping[str, LinkLoss] | None = None
