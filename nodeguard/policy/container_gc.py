"""Which dead containers go.

Source: kubernetes, pkg/kubelet/kuberuntime/kuberuntime_gc.go, evictContainers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nodeguard.model.garbage import DeadContainer, PodFate


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerGcSettings:
    """How many dead containers are kept, and for how long at least; a negative number of them is no limit."""

    minimum_age_ns: int = 0
    per_container: int = 1
    in_all: int = -1


def containers_to_remove(
    dead: Iterable[DeadContainer],
    settings: ContainerGcSettings,
    now_ns: int,
    *,
    is_eviction: bool = False,
    knows_all_pods: bool = True,
) -> tuple[DeadContainer, ...]:
    """Those that go, in the order in which they do.

    First all of pods of which nothing is to be left; for an eviction (``is_eviction``) these are also the pods that
    will never run again. Then those beyond the newest few of each container, then the oldest of all.
    """
    units: dict[tuple[str, str], list[DeadContainer]] = {}
    for container in dead:
        if now_ns - container.created_ns >= settings.minimum_age_ns:
            units.setdefault((container.uid, container.name), []).append(container)
    removed: list[DeadContainer] = []
    for unit in units.values():
        unit.sort(key=_newest_first)
        if knows_all_pods and _goes_entirely(unit[0].fate, is_eviction):
            removed += _cut(unit, 0)
    if settings.per_container >= 0:
        for unit in units.values():
            removed += _cut(unit, settings.per_container)
    left = [unit for unit in units.values() if unit]
    if 0 <= settings.in_all < sum(map(len, left)):
        for unit in left:
            removed += _cut(unit, max(1, settings.in_all // len(left)))
        rest = sorted((container for unit in left for container in unit), key=_newest_first)
        removed += _cut(rest, settings.in_all)
    return tuple(removed)


def _goes_entirely(fate: PodFate, is_eviction: bool) -> bool:
    return fate is PodFate.DELETED or (is_eviction and fate is PodFate.TERMINATED)


def _newest_first(container: DeadContainer) -> tuple[int, int]:
    return (-container.created_ns, -container.attempt)


def _cut(unit: list[DeadContainer], keep: int) -> list[DeadContainer]:
    """Take all but the first ``keep`` off the list; returns them, oldest first."""
    gone = unit[keep:][::-1]
    del unit[keep:]
    return gone
