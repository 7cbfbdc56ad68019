"""The CPU counters of the last look: a rate needs two."""

from __future__ import annotations

from nodeguard.model.groupstat import CpuSample

RATE_AFTER_NS = 100_000_000
"""Samples that are closer make no rate. Source: cadvisor, info/v2/conversion.go, InstCpuStats."""


class CpuHistory:
    """The last sample of everything that was looked at, by a name of the caller's choice."""

    def __init__(self) -> None:
        self._samples: dict[str, CpuSample] = {}
        self._asked: set[str] = set()

    def swap(self, name: str, now: CpuSample | None) -> CpuSample | None:
        """The sample to compare with, None when there is none that is old enough; ``now`` takes its place."""
        self._asked.add(name)
        before = self._samples.get(name)
        if now is None:
            return before
        if before is not None and before.of == now.of and now.at_ns - before.at_ns < RATE_AFTER_NS:
            return None
        self._samples[name] = now
        return before

    def forget_others(self) -> None:
        """Drop what nobody asked for since the last call: it is gone."""
        self._samples = {name: sample for name, sample in self._samples.items() if name in self._asked}
        self._asked = set()
