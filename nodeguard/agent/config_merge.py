"""The layers of the configuration put together: who wins, what contradicts what, what has no effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nodeguard.agent.config_finding import error, suggestion, warning
from nodeguard.agent.config_layer import Given
from nodeguard.agent.kubelet_field import NO_EFFECT
from nodeguard.agent.setting_table import BY_NAME, SETTINGS
from nodeguard.model.duration import format_duration
from nodeguard.model.finding import Finding
from nodeguard.model.threshold import without_grace
from nodeguard.policy.setting import KNOWN_FEATURES

TREE_NAME = "nodeguard"


def merge(
    given: Sequence[Given], findings: list[Finding], *, default_thresholds: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Values by attribute and origins by name; every value given is read, also those overridden later."""
    values: dict[str, Any] = {setting.attribute: setting.default for setting in SETTINGS}
    origins = {setting.name: "default" for setting in SETTINGS if not setting.is_map}
    maps: dict[str, dict[str, Any]] = {setting.attribute: {} for setting in SETTINGS if setting.is_map}
    for setting in SETTINGS:
        if setting.is_one_for_all:
            maps[setting.attribute].update(setting.default)
            origins.update({setting.entry_name(key): "default" for key in setting.default})
    named: set[str] = set()
    for one in given:
        setting = one.setting
        if setting.is_map and one.key is None and not setting.is_one_for_all:
            named.add(setting.attribute)
            continue
        if one.key is not None and setting.keys and one.key not in setting.keys:
            message = f"unknown name{suggestion(one.key, setting.keys)}; allowed are {', '.join(setting.keys)}"
            findings.append(error(one.source, one.line, one.name, message))
            continue
        try:
            value = setting.reader(one.key)(one.value)
        except ValueError as e:
            findings.append(error(one.source, one.line, one.name, str(e)))
            continue
        if setting.is_one_for_all and one.key is None:
            maps[setting.attribute].update(dict.fromkeys(setting.keys, value))
            origins.update({setting.entry_name(key): one.origin for key in setting.keys})
            continue
        origins[one.name] = one.origin
        if one.key is None:
            values[setting.attribute] = value
        else:
            maps[setting.attribute][one.key] = value

    if default_thresholds and (values["merge_default_eviction_settings"] or "eviction_hard" not in named):
        hard, thresholds = BY_NAME["evictionHard"], maps["eviction_hard"]
        origins.update({hard.entry_name(key): "default" for key in hard.default if key not in thresholds})
        maps["eviction_hard"] = {**hard.default, **thresholds}
    findings += _check_grace_periods(given, maps)
    findings += _check_image_gc(given, values)
    findings += _check_address(given, values)
    values.update({attribute: MappingProxyType(entries) for attribute, entries in maps.items()})
    if values["log_dir"] is None:
        nodefs = values["nodefs"]
        values["log_dir"] = Path("/var/log/pods") if nodefs is None else nodefs / "logs"
        origins["podLogsDir"] = origins["nodeguard.nodefs"]
    if values["cgroup_root"] is None:
        parent = values["cgroup_parent"]
        values["cgroup_root"] = f"{parent.rstrip('/')}/{TREE_NAME}"
        origins["nodeguard.cgroup"] = origins["cgroupRoot"]
    return values, origins


def _check_grace_periods(given: Sequence[Given], maps: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """A soft threshold needs a grace period; one that could not be read was reported."""
    has_grace = {one.key for one in given if one.setting.attribute == "eviction_soft_grace_period_ns"}
    last = {one.name: one for one in given}
    for signal in without_grace(maps["eviction_soft"], dict.fromkeys(filter(None, has_grace))):
        one = last[BY_NAME["evictionSoft"].entry_name(signal)]
        message = f"has no grace period: evictionSoftGracePeriod[{signal}] must say how long it may last"
        yield error(one.source, one.line, one.name, message)


def _check_image_gc(given: Sequence[Given], values: Mapping[str, Any]) -> Iterator[Finding]:
    """Pairs that contradict each other; told where the later of the two was given.

    Source: kubernetes, pkg/kubelet/apis/config/validation/validation.go.
    """
    low, high = values["image_gc_low_threshold_percent"], values["image_gc_high_threshold_percent"]
    if low >= high:
        one = _last_given(given, "imageGCLowThresholdPercent", "imageGCHighThresholdPercent")
        message = f"imageGCLowThresholdPercent ({low}) must be below imageGCHighThresholdPercent ({high})"
        yield error(one.source, one.line, one.name, message)
    least, most = values["image_minimum_gc_age_ns"], values["image_maximum_gc_age_ns"]
    if 0 < most <= least:
        one = _last_given(given, "imageMinimumGCAge", "imageMaximumGCAge")
        ages = f"imageMaximumGCAge ({format_duration(most)}) must be above imageMinimumGCAge ({format_duration(least)})"
        yield error(one.source, one.line, one.name, ages)


def _check_address(given: Sequence[Given], values: Mapping[str, Any]) -> Iterator[Finding]:
    """Nobody is reachable from other hosts by mistake."""
    address = values["listen"]
    if address is not None and not address.is_loopback and not values["listen_anywhere"]:
        one = _last_given(given, "nodeguard.listen")
        message = (
            f"{address} can be reached from other hosts: nodeguard.listenAnywhere (--listen-anywhere) must be true"
        )
        yield error(one.source, one.line, one.name, message)


def _last_given(given: Sequence[Given], *names: str) -> Given:
    return next(one for one in reversed(given) if one.setting.name in names)


def check_effects(given: Sequence[Given]) -> list[Finding]:
    """What is right, but does nothing here."""
    findings: list[Finding] = []
    for one in {one.name: one for one in given}.values():
        if one.setting.name == "featureGates" and one.key not in KNOWN_FEATURES and one.key is not None:
            message = f"{NO_EFFECT}{suggestion(one.key, KNOWN_FEATURES)}"
            findings.append(warning(one.source, one.line, one.name, message))
        elif one.setting.name == "enforceNodeAllocatable":
            for word in one.setting.read(one.value):
                if word != "pods":
                    message = f"{word}: accepted, has no effect: nodeguard leaves cgroups that are not its own alone"
                    findings.append(warning(one.source, one.line, one.name, message))
    return findings
