"""The configuration in force as one object: ``nodeguard config effective`` and ``config check``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nodeguard.agent.config import Config, effective_settings
from nodeguard.model.threshold import ThresholdValue, decimal_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityValue:
    """An amount."""

    quantity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentageValue:
    """A share of the capacity; 0.1 is 10 %."""

    percentage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveThreshold:
    """One eviction threshold; a grace period of 0 makes it a hard one."""

    signal: str
    operator: Literal["LessThan"] = "LessThan"
    value: QuantityValue | PercentageValue
    grace_period_seconds: int | float
    min_reclaim: QuantityValue | PercentageValue | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingValue:
    """A setting's value, null when nothing is set, and who gave it."""

    value: str | int | float | bool | tuple[str, ...] | None
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveConfig:
    """Thresholds by signal, then grace period, those that follow from others included; and every setting by name."""

    api_version: Literal["nodeguard.dev/v1alpha1"] = "nodeguard.dev/v1alpha1"
    kind: Literal["EffectiveConfig"] = "EffectiveConfig"
    thresholds: tuple[EffectiveThreshold, ...]
    settings: Mapping[str, SettingValue]


def effective_config(config: Config) -> EffectiveConfig:
    """The configuration as that object; containerfs has no thresholds of its own before the disks are looked at."""
    thresholds = sorted(config.eviction().thresholds, key=lambda threshold: (threshold.signal, threshold.grace_ns))
    return EffectiveConfig(
        thresholds=tuple(
            EffectiveThreshold(
                signal=str(threshold.signal),
                value=_value(threshold.value),
                grace_period_seconds=_seconds(threshold.grace_ns),
                min_reclaim=_value(threshold.min_reclaim) if threshold.min_reclaim is not None else None,
            )
            for threshold in thresholds
        ),
        settings={
            setting.name: SettingValue(value=setting.value, origin=setting.origin)
            for setting in effective_settings(config)
        },
    )


def _value(value: ThresholdValue) -> QuantityValue | PercentageValue:
    if value.ratio is not None:
        return PercentageValue(percentage=decimal_ratio(value.ratio))
    return QuantityValue(quantity=str(value.quantity))


def _seconds(nanoseconds: int) -> int | float:
    return nanoseconds // 10**9 if nanoseconds % 10**9 == 0 else nanoseconds / 10**9
