"""What of a configuration can change while the agent runs, and what waits for its next start."""

from __future__ import annotations

from dataclasses import fields

from nodeguard.agent.config import Config
from nodeguard.agent.setting_table import SETTINGS

AT_ONCE = frozenset(
    {
        "eviction_hard",
        "eviction_soft",
        "eviction_soft_grace_period_ns",
        "eviction_minimum_reclaim",
        "eviction_pressure_transition_period_ns",
        "eviction_max_pod_grace_period_seconds",
        "eviction_policy",
        "eviction_mode",
        "hard_eviction_grace_period_seconds",
        "local_storage_capacity_isolation",
        "merge_default_eviction_settings",
        "static_pod_path",
    }
)
"""Attributes of `Config` that take effect at once; all others are built into what the agent made when it started."""

_NOT_SETTINGS = frozenset({"origins", "warnings"})


def changed_settings(old: Config, new: Config) -> tuple[str, ...]:
    """The attributes that differ, in the order of the table."""
    return tuple(
        f.name for f in fields(Config) if f.name not in _NOT_SETTINGS and getattr(old, f.name) != getattr(new, f.name)
    )


def waiting_settings(old: Config, new: Config) -> tuple[str, ...]:
    """The names of settings that differ and take effect with the next start only."""
    names = {setting.attribute: setting.name for setting in SETTINGS}
    return tuple(names[attribute] for attribute in changed_settings(old, new) if attribute not in AT_ONCE)
