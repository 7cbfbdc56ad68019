"""Volumes of a pod as kubectl describes them. Pure.

Source: kubectl, pkg/describe/describe.go, describeVolumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nodeguard.cli.describe_text import NONE

Volume = Mapping[str, Any]


def volume_lines(volumes: Sequence[Volume]) -> Iterator[str]:
    """The lines, with tabs."""
    yield "Volumes:" if volumes else f"Volumes:\t{NONE}"
    for volume in volumes:
        yield f"  {volume['name']}:"
        kind = next((key for key in volume if key != "name"), "emptyDir")
        source = volume.get(kind) or {}
        yield from (f"    {line}" for line in _LINES.get(kind, _other)(source))


def _empty_dir(source: Volume) -> Iterator[str]:
    yield "Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)"
    yield f"Medium:\t{source.get('medium', '')}"
    yield f"SizeLimit:\t{source.get('sizeLimit', '<unset>')}"


def _host_path(source: Volume) -> Iterator[str]:
    yield "Type:\tHostPath (bare host directory volume)"
    yield f"Path:\t{source.get('path', '')}"
    yield f"HostPathType:\t{source.get('type', '')}"


def _config_map(source: Volume) -> Iterator[str]:
    yield "Type:\tConfigMap (a volume populated by a ConfigMap)"
    yield f"Name:\t{source.get('name', '')}"
    yield f"Optional:\t{str(bool(source.get('optional'))).lower()}"


def _secret(source: Volume) -> Iterator[str]:
    yield "Type:\tSecret (a volume populated by a Secret)"
    yield f"SecretName:\t{source.get('secretName', '')}"
    yield f"Optional:\t{str(bool(source.get('optional'))).lower()}"


def _downward(source: Volume) -> Iterator[str]:
    yield "Type:\tDownwardAPI (a volume populated by information about the pod)"
    yield "Items:"
    for item in source.get("items") or ():
        of = item.get("fieldRef") or {}
        resource = item.get("resourceFieldRef") or {}
        yield f"  {of.get('fieldPath') or resource.get('resource', '')} -> {item.get('path', '')}"


def _projected(source: Volume) -> Iterator[str]:
    yield "Type:\tProjected (a volume that contains injected data from multiple sources)"
    for one in source.get("sources") or ():
        for key, title in (("configMap", "ConfigMapName"), ("secret", "SecretName")):
            if key in one:
                yield f"{title}:\t{one[key].get('name', '')}"
                yield f"Optional:\t{str(bool(one[key].get('optional'))).lower()}"
        if "downwardAPI" in one:
            yield "DownwardAPI:\ttrue"


def _other(source: Volume) -> Iterator[str]:  # noqa: ARG001 - one of a table
    yield "<unknown>"


_LINES = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "configMap": _config_map,
    "secret": _secret,
    "downwardAPI": _downward,
    "projected": _projected,
}
