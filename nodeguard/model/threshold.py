"""Eviction thresholds: ``memory.available<100Mi``, ``nodefs.available<10%``, and the grammar of their values.

Source: kubernetes, pkg/kubelet/eviction/helpers.go (parseThresholdStatement, parsePercentage, parseMinimumReclaims);
pkg/kubelet/eviction/api/types.go (GetThresholdQuantity). ``off`` is ours; ``NaN%`` is refused here.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from nodeguard.model.quantity import BINARY_SI, Quantity
from nodeguard.model.signal import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdValue:
    """An amount, or a share of the capacity in single precision; one of the two is set. ``text`` is it as given."""

    quantity: Quantity | None = None
    ratio: float | None = None
    text: str = field(default="", compare=False)

    def of(self, capacity: int) -> Quantity:
        """The amount it means for this capacity.

        A share is rounded towards zero after it was rounded to single precision: 10 % of 10Gi is 1073741840, not
        …824; and it prints in powers of 1024 whatever it is a share of.
        """
        if self.quantity is not None:
            return self.quantity
        return Quantity.from_int(int(capacity * (self.ratio or 0.0)), BINARY_SI)

    def __str__(self) -> str:
        return self.text or str(self.quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Met when less than ``value`` is available, and acted on when it has been met for ``grace_ns``.

    ``min_reclaim`` is how much more than the value must be available before it counts as resolved.
    """

    signal: Signal
    value: ThresholdValue
    grace_ns: int = 0
    min_reclaim: ThresholdValue | None = None

    @property
    def is_hard(self) -> bool:
        """Whether it is acted on at once; a soft threshold with a grace period of zero is hard in every respect."""
        return self.grace_ns == 0

    def is_same(self, other: Threshold) -> bool:
        """Whether both are met at the same time; what is reclaimed afterwards does not matter."""
        return (self.signal, self.value, self.grace_ns) == (other.signal, other.value, other.grace_ns)

    def __str__(self) -> str:
        return f"{self.signal}<{self.value}/{'hard' if self.is_hard else 'soft'}"


def parse_value(given: Any) -> ThresholdValue | None:
    """A threshold's value, such as ``100Mi`` or ``10%``; None when it switches the threshold off.

    Off are ``off`` and the exact texts ``0%`` and ``100%``.

    Raises:
        ValueError: neither an amount above zero nor a share of 0 to 100 %.
    """
    if given is False or given in ("off", "0%", "100%"):  # YAML reads a bare ``off`` as false
        return None
    if isinstance(given, str) and given.endswith("%"):
        ratio = _parse_ratio(given)
        if ratio < 0:
            raise ValueError(f"{given!r} is negative; allowed are 0% to 100%")
        if ratio > 1:
            raise ValueError(f"{given!r} is above 100%; allowed are 0% to 100%")
        return ThresholdValue(ratio=ratio, text=given)
    quantity = _parse_quantity(given)
    if quantity.nano <= 0:
        raise ValueError(f"{given} is not above 0; 'off' switches a threshold off")
    return ThresholdValue(quantity=quantity, text=str(given))


def parse_min_reclaim(given: Any) -> ThresholdValue:
    """A minimum reclaim: an amount from zero, or a share above zero, also above 100 %.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(given, str) and given.endswith("%"):
        ratio = _parse_ratio(given)
        if ratio <= 0:
            raise ValueError(f"{given!r} is not above 0%")
        return ThresholdValue(ratio=ratio, text=given)
    quantity = _parse_quantity(given)
    if quantity.nano < 0:
        raise ValueError(f"{given} is negative; allowed are quantities from 0")
    return ThresholdValue(quantity=quantity, text=str(given))


def without_grace(soft: Mapping[str, object | None], grace: Mapping[str, object]) -> tuple[str, ...]:
    """The soft thresholds, by signal, that are not switched off and for which nobody says how long they may last."""
    return tuple(signal for signal, value in soft.items() if value is not None and signal not in grace)


def decimal_ratio(ratio: float) -> float:
    """The shortest decimal number that single precision turns into ``ratio``: 0.1, not 0.10000000149011612."""
    return next(short for digits in range(1, 10) if _single(short := float(f"{ratio:.{digits}g}")) == ratio)


_PERCENTAGE = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_LARGEST_SINGLE = 3.4028234663852886e38


def _parse_ratio(text: str) -> float:
    number = text.rstrip("%")
    if not _PERCENTAGE.fullmatch(number):
        raise ValueError(f"{text!r} is not a percentage, such as 10%")
    percentage = float(number)
    if abs(percentage) > _LARGEST_SINGLE:
        raise ValueError(f"{text!r} is not a percentage that can be computed with")
    return _single(_single(percentage) / 100)


def _parse_quantity(given: Any) -> Quantity:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError(f"{given!r} is neither a quantity, such as 1Gi, nor a percentage")
    if isinstance(given, str) and (not given or given != given.strip()):
        raise ValueError(f"{given!r} is not a quantity: blanks are not allowed; write 1Gi, or a percentage")
    return Quantity.parse(given)


def _single(number: float) -> float:
    (rounded,) = struct.unpack("f", struct.pack("f", number))
    assert isinstance(rounded, float)
    return rounded


DEFAULT_HARD: Mapping[str, ThresholdValue | None] = MappingProxyType(
    {
        Signal.MEMORY_AVAILABLE.value: parse_value("100Mi"),
        Signal.NODEFS_AVAILABLE.value: parse_value("10%"),
        Signal.NODEFS_INODES_FREE.value: parse_value("5%"),
        Signal.IMAGEFS_AVAILABLE.value: parse_value("15%"),
        Signal.IMAGEFS_INODES_FREE.value: parse_value("5%"),
    }
)
"""Source: kubernetes, pkg/kubelet/eviction/defaults_linux.go."""
