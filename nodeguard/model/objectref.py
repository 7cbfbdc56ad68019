"""Which ConfigMaps and Secrets a pod refers to.

Source: kubernetes, pkg/api/v1/pod/util.go (VisitPodSecretNames, VisitPodConfigmapNames).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CONFIG_MAP, SECRET = "ConfigMap", "Secret"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ObjectRef:
    """An object of the pod's own namespace."""

    kind: str
    name: str


def object_refs(spec: Mapping[str, Any]) -> frozenset[ObjectRef]:
    """All that a v1 PodSpec refers to, whether it has to be there or not; what has no shape is passed over."""
    return frozenset(ref for ref in _refs(spec) if ref.name)


def _refs(spec: Mapping[str, Any]) -> Iterator[ObjectRef]:
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for container in _objects(spec.get(key)):
            for source in _objects(container.get("envFrom")):
                yield from _pair(source, "configMapRef", "secretRef")
            for variable in _objects(container.get("env")):
                value_from = variable.get("valueFrom")
                if isinstance(value_from, Mapping):
                    yield from _pair(value_from, "configMapKeyRef", "secretKeyRef")
    for volume in _objects(spec.get("volumes")):
        yield from _volume(volume)
        projected = volume.get("projected")
        if isinstance(projected, Mapping):
            for source in _objects(projected.get("sources")):
                yield from _pair(source, "configMap", "secret")


def _volume(volume: Mapping[str, Any]) -> Iterator[ObjectRef]:
    config_map, secret = volume.get("configMap"), volume.get("secret")
    if isinstance(config_map, Mapping):
        yield ObjectRef(kind=CONFIG_MAP, name=_text(config_map.get("name")))
    if isinstance(secret, Mapping):
        yield ObjectRef(kind=SECRET, name=_text(secret.get("secretName")))


def _pair(source: Mapping[str, Any], config_map: str, secret: str) -> Iterator[ObjectRef]:
    for kind, key in ((CONFIG_MAP, config_map), (SECRET, secret)):
        reference = source.get(key)
        if isinstance(reference, Mapping):
            yield ObjectRef(kind=kind, name=_text(reference.get("name")))


def _objects(items: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(items, list | tuple):
        yield from (item for item in items if isinstance(item, Mapping))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
