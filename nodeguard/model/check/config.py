"""ConfigMaps and Secrets: their keys, their size, and what types of Secrets must hold.

No message holds what a Secret does.

Source: kubernetes, pkg/apis/core/validation/validation.go, ValidateConfigMap, ValidateSecret.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.check.meta import check_meta
from nodeguard.model.check.report import Report, shown
from nodeguard.model.document import Path
from nodeguard.model.finding import Fault
from nodeguard.model.syntax import config_key

MAX_DATA_BYTES = 1024 * 1024
_TOKEN_TYPE = "kubernetes.io/service-account-token"
_ACCOUNT = "kubernetes.io/service-account.name"
_KEYS_OF_TYPES = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def check_config_map(report: Report, config_map: dict[str, Any], path: Path) -> None:
    """The rules of a ``v1 ConfigMap``, its shape checked."""
    check_meta(report, config_map.get("metadata", {}), (*path, "metadata"))
    data, binary = config_map.get("data", {}), config_map.get("binaryData", {})
    _check_keys(report, data, (*path, "data"))
    _check_keys(report, binary, (*path, "binaryData"))
    for key in data.keys() & binary.keys():
        report.error((*path, "data", key), f"duplicate of the key {shown(key)} in binaryData", Fault.DUPLICATE)
    size = sum(len(value.encode()) for value in data.values()) + sum(map(_decoded_size, binary.values()))
    _check_size(report, size, path)


def check_secret(report: Report, secret: dict[str, Any], path: Path) -> None:
    """The rules of a ``v1 Secret``, its shape checked."""
    meta = secret.get("metadata", {})
    check_meta(report, meta, (*path, "metadata"))
    data, texts = secret.get("data", {}), secret.get("stringData", {})
    _check_keys(report, data, (*path, "data"))
    _check_keys(report, texts, (*path, "stringData"))
    size = sum(_decoded_size(value) for key, value in data.items() if key not in texts)
    _check_size(report, size + sum(len(value.encode()) for value in texts.values()), (*path, "data"))
    kind, given = secret.get("type", ""), data.keys() | texts.keys()
    for key in _KEYS_OF_TYPES.get(kind, ()):
        if key not in given:
            report.error((*path, "data", key), f"required with type {kind}", Fault.REQUIRED)
    if kind == "kubernetes.io/basic-auth" and not given & {"username", "password"}:
        report.error((*path, "data"), f"username or password is required with type {kind}", Fault.REQUIRED)
    if kind == _TOKEN_TYPE and not meta.get("annotations", {}).get(_ACCOUNT):
        report.error((*path, "metadata", "annotations", _ACCOUNT), f"required with type {kind}", Fault.REQUIRED)


def _check_keys(report: Report, data: dict[str, str], path: Path) -> None:
    for key in data:
        wrong = config_key(key)
        if wrong is not None:
            report.error((*path, key), f"key {shown(key)}: {wrong}")


def _check_size(report: Report, size: int, path: Path) -> None:
    if size > MAX_DATA_BYTES:
        report.error(path, f"found {size} bytes; allowed are at most {MAX_DATA_BYTES} together", Fault.TOO_LONG)


def _decoded_size(text: str) -> int:
    """How many bytes base64 without line breaks stands for."""
    return len(text) * 3 // 4 - text[-2:].count("=")
