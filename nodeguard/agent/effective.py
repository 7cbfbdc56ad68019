"""The configuration in force as one object: ``nodeguard config effective`` and ``config check``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nodeguard.agent.config import Config
from nodeguard.agent.setting_table import SETTINGS
from nodeguard.model.threshold import ThresholdValue, decimal_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveSetting:
    """One line of ``config effective``; ``value`` is plain and None when nothing is set."""

    name: str
    value: Any
    origin: str


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


def effective_settings(config: Config) -> tuple[EffectiveSetting, ...]:
    """Every setting by name; a map as one line per entry."""
    settings: list[EffectiveSetting] = []
    for setting in SETTINGS:
        value = getattr(config, setting.attribute)
        if not setting.is_map:
            shown = None if value is None else setting.show(value)
            settings.append(EffectiveSetting(name=setting.name, value=shown, origin=config.origins[setting.name]))
            continue
        for key, entry in sorted(value.items()):
            name = setting.entry_name(key)
            settings.append(EffectiveSetting(name=name, value=setting.show(entry), origin=config.origins[name]))
        if not value:
            settings.append(EffectiveSetting(name=setting.name, value=None, origin="default"))
    return tuple(sorted(settings, key=lambda setting: setting.name))


def _value(value: ThresholdValue) -> QuantityValue | PercentageValue:
    if value.ratio is not None:
        return PercentageValue(percentage=decimal_ratio(value.ratio))
    return QuantityValue(quantity=str(value.quantity))


def _seconds(nanoseconds: int) -> int | float:
    return nanoseconds // 10**9 if nanoseconds % 10**9 == 0 else nanoseconds / 10**9
