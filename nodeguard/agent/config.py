"""The configuration: defaults < files < environment < flags, every value with its origin.

A kubelet's configuration file is read as it is; our own settings stand below ``nodeguard:`` in the same file. Maps
(reservations, thresholds, capacity, feature gates) are merged entry by entry. All findings are reported at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nodeguard.agent.kubelet_field import NO_EFFECT, WITHOUT_EFFECT
from nodeguard.agent.setting import BY_NAME, SETTINGS, Setting
from nodeguard.errors import InvalidInput, NotFound, PermissionDenied
from nodeguard.model.document import MAX_BYTES, Document, format_path, parse
from nodeguard.model.duration import format_duration
from nodeguard.model.eviction import EvictionConfig, EvictionMode, VictimPolicy
from nodeguard.model.finding import Finding, Severity, in_file_order
from nodeguard.model.node import NodeCapacity
from nodeguard.model.quantity import Quantity
from nodeguard.model.scalar import resolve
from nodeguard.model.signal import Signal
from nodeguard.model.threshold import ThresholdValue, parse_value, without_grace
from nodeguard.policy.capacity import Reservations, allocatable, reservation_faults
from nodeguard.policy.setting import DEFAULT_FEATURES, KNOWN_FEATURES, ResourceSettings
from nodeguard.policy.threshold import held_back, thresholds_of

API_VERSION = "kubelet.config.k8s.io/v1beta1"
KIND = "KubeletConfiguration"
TREE_NAME = "nodeguard"
OWN_SECTION = "nodeguard"

SMALL_NODE_BYTES = 1000 * 2**20
SMALL_NODE_MEMORY = parse_value("10%")
"""The default of memory.available below that size: 100Mi are too much to keep of an arena of 256Mi."""
NODE_STATUS_UPDATE_NS, NODE_STATUS_REPORT_NS = 10 * 10**9, 300 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigPaths:
    """Where the files are; later ones win."""

    vendor_dir: Path = Path("/usr/lib/nodeguard/config.d")
    file: Path = Path("/etc/nodeguard/config.yaml")
    drop_in_dir: Path = Path("/etc/nodeguard/config.d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting, typed; see the table in ``agent/setting.py`` for what each means.

    ``cgroup_root`` is the root of the tree, ``/nodeguard`` unless set. ``origins`` maps a setting's name (for maps:
    each ``name[key]``) to ``default``, ``file PATH:LINE``, ``environment NAME`` or ``flag --NAME``.
    """

    run_dir: Path
    state_dir: Path
    log_dir: Path
    nodefs: Path | None
    imagefs: Path | None
    cgroup_parent: str
    cgroup_root: str
    capacity: Mapping[str, Quantity]
    max_pods: int
    pods_per_core: int
    pod_pids_limit: int
    cpu_cfs_quota: bool
    cpu_cfs_quota_period_ns: int
    system_reserved: Mapping[str, Quantity]
    kube_reserved: Mapping[str, Quantity]
    enforce_node_allocatable: tuple[str, ...]
    eviction_hard: Mapping[str, ThresholdValue | None]
    eviction_soft: Mapping[str, ThresholdValue | None]
    eviction_soft_grace_period_ns: Mapping[str, int]
    eviction_minimum_reclaim: Mapping[str, ThresholdValue]
    eviction_pressure_transition_period_ns: int
    eviction_max_pod_grace_period_seconds: int
    local_storage_capacity_isolation: bool
    eviction_policy: VictimPolicy
    hard_eviction_grace_period_seconds: int
    eviction_mode: Mapping[str, EvictionMode]
    low_diskspace_threshold_mb: int | None
    image_gc_high_threshold_percent: int
    image_gc_low_threshold_percent: int
    image_minimum_gc_age_ns: int
    image_maximum_gc_age_ns: int
    minimum_container_ttl_ns: int
    maximum_dead_containers_per_container: int
    maximum_dead_containers: int
    volume_stats_agg_period_ns: int
    node_status_update_frequency_ns: int | None
    node_status_report_frequency_ns: int | None
    merge_default_eviction_settings: bool
    feature_gates: Mapping[str, bool]
    memory_throttling_factor: float | None
    memory_reservation_policy: str
    single_process_oom_kill: bool | None
    fail_swap_on: bool
    swap_behavior: str
    container_log_max_bytes: int
    container_log_max_files: int
    max_container_restart_period_ns: int
    origins: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = ()

    @property
    def node_status_update_seconds(self) -> float:
        """How often the node's conditions are looked at."""
        return (self.node_status_update_frequency_ns or NODE_STATUS_UPDATE_NS) / 1e9

    @property
    def node_status_report_seconds(self) -> float:
        """How old the heartbeat of conditions that do not change becomes.

        Source: kubernetes, pkg/kubelet/apis/config/v1beta1/defaults.go.
        """
        set_ns = self.node_status_report_frequency_ns or self.node_status_update_frequency_ns
        return (set_ns or NODE_STATUS_REPORT_NS) / 1e9

    @property
    def max_backoff_seconds(self) -> float:
        """The longest wait before a container is restarted."""
        return self.max_container_restart_period_ns / 1e9

    def node_capacity(self, host: NodeCapacity) -> NodeCapacity:
        """What the node has: the host's resources within ``capacity`` and the pod limits.

        Raises:
            InvalidInput: the capacity asked for is more than the host has, or less than is reserved.

        Source: kubernetes, pkg/kubelet/nodestatus/setters.go, MachineInfo (pods).
        """
        wanted = {
            key: quantity.milli_value() if key == "cpu" else quantity.value() for key, quantity in self.capacity.items()
        }
        findings = []
        for key, has, unit in (
            ("cpu", host.cpu_millicpu, "m"),
            ("memory", host.memory_bytes, ""),
            ("pids", host.pids, ""),
            ("ephemeral-storage", host.ephemeral_storage_bytes, ""),
        ):
            if has and wanted.get(key, 0) > has:
                name = _entry_name(BY_NAME["nodeguard.capacity"], key)
                message = f"{self.capacity[key]} is more than the host has ({has}{unit})"
                findings.append(_error(self.origins[name], 0, name, message))
        if findings:
            raise InvalidInput(findings)
        cpu_millicpu = wanted.get("cpu", host.cpu_millicpu)
        pods = self.max_pods
        if self.pods_per_core:
            pods = min(pods, max(1, cpu_millicpu // 1000) * self.pods_per_core)  # less than one core still runs pods
        node = replace(
            host,
            cpu_millicpu=cpu_millicpu,
            memory_bytes=wanted.get("memory", host.memory_bytes),
            ephemeral_storage_bytes=wanted.get("ephemeral-storage", host.ephemeral_storage_bytes),
            pods=wanted.get("pods", pods),
            pids=wanted.get("pids", host.pids),
        )
        faults = reservation_faults(node, self.reservations())
        if faults:
            raise InvalidInput([f"systemReserved, kubeReserved: {fault}" for fault in faults])
        return node

    def reservations(self) -> Reservations:
        """What is kept from pods."""
        return Reservations(system=self.system_reserved, kube=self.kube_reserved)

    def allocatable(self, node: NodeCapacity) -> dict[str, Quantity]:
        """``status.allocatable`` of a node of this capacity."""
        return allocatable(node, self.reservations(), held_back(self._hard_for(node)))

    def _hard_for(self, node: NodeCapacity | None) -> Mapping[str, ThresholdValue | None]:
        """The hard thresholds, with a default that leaves a small node something to give to pods."""
        signal = Signal.MEMORY_AVAILABLE.value
        is_default = self.origins.get(_entry_name(BY_NAME["evictionHard"], signal)) == "default"
        if node is None or not is_default or node.memory_bytes >= SMALL_NODE_BYTES:
            return self.eviction_hard
        return {**self.eviction_hard, signal: SMALL_NODE_MEMORY}

    def eviction(self, node: NodeCapacity | None = None) -> EvictionConfig:
        """What decides who is evicted, and when; on this node, or on any that is not small."""
        return EvictionConfig(
            thresholds=thresholds_of(
                hard=self._hard_for(node),
                soft=self.eviction_soft,
                grace_ns=self.eviction_soft_grace_period_ns,
                min_reclaim=self.eviction_minimum_reclaim,
                enforce=self.enforce_node_allocatable,
            ),
            transition_ns=self.eviction_pressure_transition_period_ns,
            max_pod_grace_seconds=self.eviction_max_pod_grace_period_seconds,
            hard_grace_seconds=self.hard_eviction_grace_period_seconds,
            local_storage_isolation=self.local_storage_capacity_isolation,
            policy=self.eviction_policy,
        )

    def resource_settings(self, *, cgroup_version: int = 2, has_swap_controller: bool = True) -> ResourceSettings:
        """What decides cgroup values, for a host whose limits go to this version's files."""
        switched_off = {gate for gate, on in self.feature_gates.items() if not on}
        switched_on = {gate for gate, on in self.feature_gates.items() if on}
        return ResourceSettings(
            cgroup_version=cgroup_version,
            has_swap_controller=has_swap_controller,
            cpu_cfs_quota=self.cpu_cfs_quota,
            cpu_cfs_quota_period_us=self.cpu_cfs_quota_period_ns // 1000,
            pod_pids_limit=self.pod_pids_limit,
            features=frozenset(DEFAULT_FEATURES - switched_off | switched_on & KNOWN_FEATURES),
            memory_throttling_factor=self.memory_throttling_factor,
            memory_reservation_policy=self.memory_reservation_policy,
            single_process_oom_kill=self.single_process_oom_kill,
            swap_behavior=self.swap_behavior,
            enforce_node_allocatable=self.enforce_node_allocatable,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveSetting:
    """One line of ``config effective``; ``value`` is plain and None when nothing is set."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value that somebody gave: to a setting, or to entry ``key`` of one that is a map.

    For a map there is also one without key: it was named, be it without entries. Where one value may stand for every
    key, the one without key is that value.
    """

    setting: Setting
    value: Any
    origin: str
    source: str
    line: int = 0
    key: str | None = None

    @property
    def name(self) -> str:
        """The setting's name, with the entry's key."""
        return _entry_name(self.setting, self.key)


def load(
    flags: Mapping[str, str | None],
    env: Mapping[str, str] | None = None,
    paths: ConfigPaths | None = None,
    *,
    default_thresholds: bool = True,
) -> Config:
    """Read files, environment (this process's own unless given) and flags.

    ``flags`` holds the text of each flag by its name without dashes (``capacity``, ``eviction_hard``); None means not
    given. ``config``, or ``NODEGUARD_CONFIG``, names the one file to read in place of all others. Without
    ``default_thresholds`` there are no hard thresholds but those that somebody names.

    Raises:
        InvalidInput: with every finding of all layers.
        NotFound, PermissionDenied: a file named by the user cannot be read.
    """
    env = os.environ if env is None else env
    paths = paths or ConfigPaths()
    named = flags.get("config") or env.get("NODEGUARD_CONFIG")
    files = [Path(named)] if named else [*_drop_ins(paths.vendor_dir), paths.file, *_drop_ins(paths.drop_in_dir)]
    documents = [
        document for path in files if named or path.exists() for document in parse(read_config_file(path), str(path))
    ]
    return build(documents, env=env, flags=flags, default_thresholds=default_thresholds)


def load_files(files: Sequence[Path], flags: Mapping[str, str | None], *, default_thresholds: bool = True) -> Config:
    """The configuration of these files and flags alone, as ``load`` would make it.

    Raises:
        InvalidInput: with every finding.
        NotFound, PermissionDenied: a file cannot be read.
    """
    documents = [document for path in files for document in parse(read_config_file(path), str(path))]
    return build(documents, env={}, flags=flags, default_thresholds=default_thresholds)


def read_config_file(path: Path) -> bytes:
    """The file's bytes, one byte more than allowed at most: the parser then refuses it.

    Raises:
        NotFound, PermissionDenied: as the name says.
        InvalidInput: it is a directory.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as e:
        raise NotFound(f"{path}: no such configuration file") from e
    except PermissionError as e:
        raise PermissionDenied(f"{path}: {e.strerror}; run with sudo") from e
    except IsADirectoryError as e:
        raise InvalidInput([_error(str(path), 0, "", "is a directory; a configuration file is needed")]) from e


def build(
    documents: Sequence[Document],
    *,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, str | None] | None = None,
    default_thresholds: bool = True,
) -> Config:
    """Put the layers together: files in the order given, then environment, then flags. Pure.

    Raises:
        InvalidInput: with every finding.
    """
    findings: list[Finding] = []
    given: list[Given] = []
    sources: set[str] = set()
    for document in documents:
        findings += document.findings
        if document.source in sources:
            line = document.line(())
            findings.append(_error(document.source, line, "", "a configuration file holds one document"))
        sources.add(document.source)
        if document.value is not None:
            given += _read_document(document, findings)
    given += _read_environment(env or {}, findings)
    given += _read_flags(flags or {}, findings)

    values, origins = _merge(given, findings, default_thresholds=default_thresholds)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise InvalidInput(in_file_order(errors))
    findings += _check_effects(given)
    return Config(**values, origins=origins, warnings=in_file_order(findings))


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
            name = _entry_name(setting, key)
            settings.append(EffectiveSetting(name=name, value=setting.show(entry), origin=config.origins[name]))
        if not value:
            settings.append(EffectiveSetting(name=setting.name, value=None, origin="default"))
    return tuple(sorted(settings, key=lambda setting: setting.name))


def _entry_name(setting: Setting, key: str | None) -> str:
    """``maxPods``, ``evictionHard[memory.available]``: as in a file, so that one can look for it."""
    return setting.name if key is None else f"{setting.name}[{key}]"


def _error(source: str, line: int, path: str, message: str) -> Finding:
    return Finding(severity=Severity.ERROR, source=source, line=line, path=path, message=message)


def _warning(source: str, line: int, path: str, message: str) -> Finding:
    return Finding(severity=Severity.WARNING, source=source, line=line, path=path, message=message)


def _drop_ins(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.yaml"))


def _suggestion(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # 4 ms, and only when something is wrong

    close = get_close_matches(word, list(known), n=1)
    return f", did you mean {close[0]!r}" if close else ""


# Files


def _read_document(document: Document, findings: list[Finding]) -> list[Given]:
    value = document.value
    if not isinstance(value, dict):
        message = f"a configuration is an object of settings, not {_type_name(value)}"
        findings.append(_error(document.source, document.line(()), "", message))
        return []
    for name, allowed in (("apiVersion", API_VERSION), ("kind", KIND)):
        if value.get(name, allowed) != allowed:
            message = f"{value[name]!r} is not a configuration file; allowed is {allowed}"
            findings.append(_error(document.source, document.line((name,)), name, message))
    given: list[Given] = []
    for name, item in value.items():
        if name in ("apiVersion", "kind"):
            continue
        if name in _SECTIONS:
            given += _read_section(document, name, item, findings)
        elif name in BY_NAME:
            given += _read_item(document, (name,), BY_NAME[name], item, findings)
        elif name in WITHOUT_EFFECT:
            if not _is_zero(item):
                findings.append(_warning(document.source, document.line((name,)), name, WITHOUT_EFFECT[name]))
        else:
            known = {*BY_NAME, *_SECTIONS, *WITHOUT_EFFECT, "apiVersion", "kind"}
            message = f"unknown field{_suggestion(name, known)}"
            findings.append(_error(document.source, document.line((name,)), format_path((name,)), message))
    return given


_SECTIONS = tuple(dict.fromkeys(setting.name.partition(".")[0] for setting in SETTINGS if "." in setting.name))
"""Settings that stand below another key: ``nodeguard``, ``memorySwap``, ``crashLoopBackOff``."""


def _read_section(document: Document, section: str, value: Any, findings: list[Finding]) -> list[Given]:
    if value is None:
        return []
    if not isinstance(value, dict):
        message = f"an object is needed, not {_type_name(value)}"
        findings.append(_error(document.source, document.line((section,)), section, message))
        return []
    given: list[Given] = []
    known = [name.partition(".")[2] for name in BY_NAME if name.startswith(f"{section}.")]
    for name, item in value.items():
        path = (section, name)
        if name in known:
            given += _read_item(document, path, BY_NAME[f"{section}.{name}"], item, findings)
        else:
            message = f"unknown field{_suggestion(name, known)}; allowed are {', '.join(known)}"
            findings.append(_error(document.source, document.line(path), format_path(path), message))
    return given


def _read_item(
    document: Document, path: tuple[str, ...], setting: Setting, value: Any, findings: list[Finding]
) -> list[Given]:
    if value is None:
        return []
    if not setting.is_map:
        return [_given_in_file(document, path, setting, value, None)]
    if setting.is_one_for_all and not isinstance(value, dict | list):
        return [_given_in_file(document, path, setting, value, None)]
    if not isinstance(value, dict):
        message = f"an object is needed, not {_type_name(value)}"
        findings.append(_error(document.source, document.line(path), format_path(path), message))
        return []
    entries = [
        _given_in_file(document, (*path, key), setting, item, key) for key, item in value.items() if item is not None
    ]
    return entries if setting.is_one_for_all else [_given_in_file(document, path, setting, value, None), *entries]


def _given_in_file(document: Document, path: tuple[str, ...], setting: Setting, value: Any, key: str | None) -> Given:
    line = document.line(path)
    return Given(
        setting=setting,
        value=value,
        origin=f"file {document.source}:{line}",
        source=document.source,
        line=line,
        key=key,
    )


def _is_zero(value: Any) -> bool:
    """Tools that print a whole configuration write fields that are not set as zero; 0s is a duration's zero."""
    if isinstance(value, dict):
        return all(_is_zero(item) for item in value.values())
    return value is None or value is False or value in ("", 0, "0s") or value == []


def _type_name(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return "nothing" if value is None else f"{value!r}"


# Environment and flags


def _read_environment(env: Mapping[str, str], findings: list[Finding]) -> list[Given]:
    return [
        given
        for setting in SETTINGS
        if setting.variable and env.get(setting.variable)
        for given in _read_text(setting, env[setting.variable], f"environment {setting.variable}", findings)
    ]


def _read_flags(flags: Mapping[str, str | None], findings: list[Finding]) -> list[Given]:
    given: list[Given] = []
    for setting in SETTINGS:
        text = flags.get(setting.flag.removeprefix("--").replace("-", "_")) if setting.flag else None
        if text is not None:
            given += _read_text(setting, text, f"flag {setting.flag}", findings)
    return given


def _read_text(setting: Setting, text: str, origin: str, findings: list[Finding]) -> list[Given]:
    if not setting.is_map:
        value = text if setting.is_text else resolve(text)
        return [Given(setting=setting, value=value, origin=origin, source=origin)]
    pairs: dict[str, str] = {}
    for_all: list[str] = []
    for piece in text.split(","):
        key, separator, item = (part.strip() for part in piece.partition(setting.separator))
        if not piece.strip():
            continue
        if setting.is_one_for_all and not separator:
            for_all.append(key)
            continue
        if not separator or not key:
            shape = f"key{setting.separator}value"
            findings.append(_error(origin, 0, setting.name, f"{piece.strip()!r} is not of the form {shape}"))
        elif key in pairs and setting.name.startswith(f"{OWN_SECTION}."):  # the kubelet takes the later one
            findings.append(_error(origin, 0, _entry_name(setting, key), f"given twice: {pairs[key]} and {item}"))
        else:
            pairs[key] = item
    whole = for_all[-1:] if setting.is_one_for_all else [text]
    return [
        *(Given(setting=setting, value=value, origin=origin, source=origin) for value in whole),
        *(
            Given(
                setting=setting, value=item if setting.is_text else resolve(item), origin=origin, source=origin, key=key
            )
            for key, item in pairs.items()
        ),
    ]


# All together


def _merge(
    given: Sequence[Given], findings: list[Finding], *, default_thresholds: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Values by attribute and origins by name; every value given is read, also those overridden later."""
    values: dict[str, Any] = {setting.attribute: setting.default for setting in SETTINGS}
    origins = {setting.name: "default" for setting in SETTINGS if not setting.is_map}
    maps: dict[str, dict[str, Any]] = {setting.attribute: {} for setting in SETTINGS if setting.is_map}
    for setting in SETTINGS:
        if setting.is_one_for_all:
            maps[setting.attribute].update(setting.default)
            origins.update({_entry_name(setting, key): "default" for key in setting.default})
    named: set[str] = set()
    for one in given:
        setting = one.setting
        if setting.is_map and one.key is None and not setting.is_one_for_all:
            named.add(setting.attribute)
            continue
        if one.key is not None and setting.keys and one.key not in setting.keys:
            message = f"unknown name{_suggestion(one.key, setting.keys)}; allowed are {', '.join(setting.keys)}"
            findings.append(_error(one.source, one.line, one.name, message))
            continue
        try:
            value = setting.reader(one.key)(one.value)
        except ValueError as e:
            findings.append(_error(one.source, one.line, one.name, str(e)))
            continue
        if setting.is_one_for_all and one.key is None:
            maps[setting.attribute].update(dict.fromkeys(setting.keys, value))
            origins.update({_entry_name(setting, key): one.origin for key in setting.keys})
            continue
        origins[one.name] = one.origin
        if one.key is None:
            values[setting.attribute] = value
        else:
            maps[setting.attribute][one.key] = value

    if default_thresholds and (values["merge_default_eviction_settings"] or "eviction_hard" not in named):
        hard, thresholds = BY_NAME["evictionHard"], maps["eviction_hard"]
        origins.update({_entry_name(hard, key): "default" for key in hard.default if key not in thresholds})
        maps["eviction_hard"] = {**hard.default, **thresholds}
    findings += _check_grace_periods(given, maps)
    findings += _check_image_gc(given, values)
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
        one = last[_entry_name(BY_NAME["evictionSoft"], signal)]
        message = f"has no grace period: evictionSoftGracePeriod[{signal}] must say how long it may last"
        yield _error(one.source, one.line, one.name, message)


def _check_image_gc(given: Sequence[Given], values: Mapping[str, Any]) -> Iterator[Finding]:
    """Pairs that contradict each other; told where the later of the two was given.

    Source: kubernetes, pkg/kubelet/apis/config/validation/validation.go.
    """
    low, high = values["image_gc_low_threshold_percent"], values["image_gc_high_threshold_percent"]
    if low >= high:
        one = _last_given(given, "imageGCLowThresholdPercent", "imageGCHighThresholdPercent")
        message = f"imageGCLowThresholdPercent ({low}) must be below imageGCHighThresholdPercent ({high})"
        yield _error(one.source, one.line, one.name, message)
    least, most = values["image_minimum_gc_age_ns"], values["image_maximum_gc_age_ns"]
    if 0 < most <= least:
        one = _last_given(given, "imageMinimumGCAge", "imageMaximumGCAge")
        ages = f"imageMaximumGCAge ({format_duration(most)}) must be above imageMinimumGCAge ({format_duration(least)})"
        yield _error(one.source, one.line, one.name, ages)


def _last_given(given: Sequence[Given], *names: str) -> Given:
    return next(one for one in reversed(given) if one.setting.name in names)


def _check_effects(given: Sequence[Given]) -> list[Finding]:
    """What is right, but does nothing here."""
    findings: list[Finding] = []
    for one in {one.name: one for one in given}.values():
        if one.setting.name == "featureGates" and one.key not in KNOWN_FEATURES and one.key is not None:
            message = f"{NO_EFFECT}{_suggestion(one.key, KNOWN_FEATURES)}"
            findings.append(_warning(one.source, one.line, one.name, message))
        elif one.setting.name == "enforceNodeAllocatable":
            for word in one.setting.read(one.value):
                if word != "pods":
                    message = f"{word}: accepted, has no effect: nodeguard leaves cgroups that are not its own alone"
                    findings.append(_warning(one.source, one.line, one.name, message))
    return findings
