"""The layers of the configuration: what files, environment and flags give, each value with its origin. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nodeguard.agent.config_finding import error, suggestion, warning
from nodeguard.agent.kubelet_field import WITHOUT_EFFECT
from nodeguard.agent.setting import Setting
from nodeguard.agent.setting_table import BY_NAME, SETTINGS
from nodeguard.model.document import Document, format_path
from nodeguard.model.finding import Finding
from nodeguard.model.scalar import resolve

API_VERSION = "kubelet.config.k8s.io/v1beta1"
KIND = "KubeletConfiguration"
OWN_SECTION = "nodeguard"


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
        return self.setting.entry_name(self.key)


# Files


def read_document(document: Document, findings: list[Finding]) -> list[Given]:
    """What a configuration file gives; what is wrong with it joins ``findings``, here and below."""
    value = document.value
    if not isinstance(value, dict):
        message = f"a configuration is an object of settings, not {_type_name(value)}"
        findings.append(error(document.source, document.line(()), "", message))
        return []
    for name, allowed in (("apiVersion", API_VERSION), ("kind", KIND)):
        if value.get(name, allowed) != allowed:
            message = f"{value[name]!r} is not a configuration file; allowed is {allowed}"
            findings.append(error(document.source, document.line((name,)), name, message))
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
                findings.append(warning(document.source, document.line((name,)), name, WITHOUT_EFFECT[name]))
        else:
            known = {*BY_NAME, *_SECTIONS, *WITHOUT_EFFECT, "apiVersion", "kind"}
            message = f"unknown field{suggestion(name, known)}"
            findings.append(error(document.source, document.line((name,)), format_path((name,)), message))
    return given


_SECTIONS = tuple(dict.fromkeys(setting.name.partition(".")[0] for setting in SETTINGS if "." in setting.name))
"""Settings that stand below another key: ``nodeguard``, ``memorySwap``, ``crashLoopBackOff``."""


def _read_section(document: Document, section: str, value: Any, findings: list[Finding]) -> list[Given]:
    if value is None:
        return []
    if not isinstance(value, dict):
        message = f"an object is needed, not {_type_name(value)}"
        findings.append(error(document.source, document.line((section,)), section, message))
        return []
    given: list[Given] = []
    known = [name.partition(".")[2] for name in BY_NAME if name.startswith(f"{section}.")]
    for name, item in value.items():
        path = (section, name)
        if name in known:
            given += _read_item(document, path, BY_NAME[f"{section}.{name}"], item, findings)
        else:
            message = f"unknown field{suggestion(name, known)}; allowed are {', '.join(known)}"
            findings.append(error(document.source, document.line(path), format_path(path), message))
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
        findings.append(error(document.source, document.line(path), format_path(path), message))
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


def read_environment(env: Mapping[str, str], findings: list[Finding]) -> list[Given]:
    """What the variables ``NODEGUARD_…`` give."""
    return [
        given
        for setting in SETTINGS
        if setting.variable and env.get(setting.variable)
        for given in _read_text(setting, env[setting.variable], f"environment {setting.variable}", findings)
    ]


def read_flags(flags: Mapping[str, str | None], findings: list[Finding]) -> list[Given]:
    """What the flags give, by their names without dashes."""
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
            findings.append(error(origin, 0, setting.name, f"{piece.strip()!r} is not of the form {shape}"))
        elif key in pairs and setting.name.startswith(f"{OWN_SECTION}."):  # the kubelet takes the later one
            findings.append(error(origin, 0, setting.entry_name(key), f"given twice: {pairs[key]} and {item}"))
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
