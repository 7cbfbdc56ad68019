"""From the configured values to the thresholds in force.

Source: kubernetes, pkg/kubelet/eviction/helpers.go, ParseThresholdConfig, addAllocatableThresholds,
UpdateContainerFsThresholds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nodeguard.model.eviction import Layout
from nodeguard.model.quantity import Quantity
from nodeguard.model.signal import SIGNAL_ORDER, Signal
from nodeguard.model.threshold import Threshold, ThresholdValue

ENFORCE_PODS = "pods"
_CONTAINERFS_OF = {
    Signal.CONTAINERFS_AVAILABLE: (Signal.NODEFS_AVAILABLE, Signal.IMAGEFS_AVAILABLE),
    Signal.CONTAINERFS_INODES_FREE: (Signal.NODEFS_INODES_FREE, Signal.IMAGEFS_INODES_FREE),
}
"""containerfs has the thresholds of nodefs, or with a dedicated imagefs that holds the writable layers too, of it."""


def thresholds_of(
    *,
    hard: Mapping[str, ThresholdValue | None],
    soft: Mapping[str, ThresholdValue | None],
    grace_ns: Mapping[str, int],
    min_reclaim: Mapping[str, ThresholdValue],
    enforce: Sequence[str],
) -> tuple[Threshold, ...]:
    """Hard thresholds, then soft ones, each in the order of signals; None switches one off.

    While the pods' cgroup is limited (``pods`` in ``enforce``), what the node may not run short of, it may not either.
    Every soft threshold has a grace period.
    """
    given = [
        Threshold(signal=signal, value=value, min_reclaim=min_reclaim.get(signal))
        for signal in Signal
        if (value := hard.get(signal)) is not None
    ]
    given += [
        Threshold(signal=signal, value=value, grace_ns=grace_ns[signal], min_reclaim=min_reclaim.get(signal))
        for signal in Signal
        if (value := soft.get(signal)) is not None
    ]
    if ENFORCE_PODS in enforce:
        given += [
            replace(threshold, signal=Signal.ALLOCATABLE_MEMORY_AVAILABLE)
            for threshold in given
            if threshold.signal is Signal.MEMORY_AVAILABLE and threshold.is_hard
        ]
    return tuple(given)


def held_back(hard: Mapping[str, ThresholdValue | None]) -> dict[str, Quantity | float]:
    """What hard thresholds keep from allocatable: by signal, an amount or a share of the capacity."""
    return {
        signal: value.ratio or 0.0 if value.quantity is None else value.quantity
        for signal, value in hard.items()
        if value is not None
    }


def with_containerfs(thresholds: Sequence[Threshold], layout: Layout) -> tuple[Threshold, ...]:
    """The thresholds with those of containerfs that the layout demands, in place of any that were given."""
    if _is_inconsistent(layout):
        return tuple(thresholds)
    is_with_images = layout.dedicated_image_fs and not layout.split_container_fs
    derived = {
        (signal, threshold.is_hard): replace(threshold, signal=signal)  # of several that are hard, the last one
        for signal, (of_nodefs, of_imagefs) in _CONTAINERFS_OF.items()
        for threshold in thresholds
        if threshold.signal is (of_imagefs if is_with_images else of_nodefs)
    }
    return (*_given(thresholds), *derived.values())


def in_first_pass(thresholds: Sequence[Threshold], layout: Layout) -> tuple[Threshold, ...]:
    """Those that count in the very first pass: the kubelet derives the ones of containerfs too late for it."""
    return tuple(thresholds) if _is_inconsistent(layout) else _given(thresholds)


def by_urgency(threshold: Threshold) -> tuple[bool, bool, int]:
    """Sort key: memory first, then hard before soft, then the order of signals, where upstream's order is random."""
    return (not threshold.signal.is_memory, not threshold.is_hard, SIGNAL_ORDER[threshold.signal])


def _is_inconsistent(layout: Layout) -> bool:
    return layout.split_container_fs and not layout.dedicated_image_fs


def _given(thresholds: Sequence[Threshold]) -> tuple[Threshold, ...]:
    return tuple(threshold for threshold in thresholds if threshold.signal not in _CONTAINERFS_OF)
