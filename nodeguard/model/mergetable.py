"""How lists and maps of objects are merged, by patches and by server-side apply.

What is not in here is replaced whole when it is a list, and merged key by key when it is an object or a map.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go, the tags patchStrategy and patchMergeKey and the markers
+listType, +listMapKey, +mapType, +structType; staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Merge(NamedTuple):
    """How one list or map is merged.

    ``strategy`` and ``key`` are for strategic merge patches: ``merge`` by the values themselves, or by ``key``;
    ``merge,retainKeys`` also drops what an entry no longer names; ``""`` replaces.
    ``type`` and ``keys`` are for server-side apply: ``map`` (by ``keys``), ``set`` or ``atomic``.
    """

    strategy: str = ""
    key: str = ""
    type: str = ""
    keys: tuple[str, ...] = ()


REPLACED = Merge(type="atomic")


def _by(key: str, *others: str, strategy: str = "merge") -> Merge:
    return Merge(strategy, key, "map", (key, *others))


_CONTAINER = {
    "ports": _by("containerPort", "protocol"),
    "env": _by("name"),
    "volumeMounts": _by("mountPath"),
    "volumeDevices": _by("devicePath"),
}

MERGES: Mapping[str, Mapping[str, Merge]] = {
    "ObjectMeta": {"ownerReferences": _by("uid"), "finalizers": Merge("merge", "", "set")},
    "PodSpec": {
        "volumes": _by("name", strategy="merge,retainKeys"),
        "initContainers": _by("name"),
        "containers": _by("name"),
        "ephemeralContainers": _by("name"),
        "imagePullSecrets": _by("name"),
        "hostAliases": _by("ip"),
        "topologySpreadConstraints": _by("topologyKey", "whenUnsatisfiable"),
        "schedulingGates": _by("name"),
        "resourceClaims": _by("name", strategy="merge,retainKeys"),
        "nodeSelector": REPLACED,
    },
    "PodStatus": {
        "conditions": _by("type"),
        "podIPs": _by("ip"),
        "hostIPs": Merge("merge", "ip", "atomic"),
        "resourceClaimStatuses": _by("name", strategy="merge,retainKeys"),
    },
    "Container": _CONTAINER,
    "EphemeralContainer": _CONTAINER,
    "ResourceRequirements": {"claims": Merge(type="map", keys=("name",))},
    "NodeSpec": {"podCIDRs": Merge("merge", "", "set")},
    "NodeStatus": {"conditions": _by("type"), "addresses": _by("type")},
    "NamespaceStatus": {"conditions": _by("type")},
    "ServiceAccount": {"secrets": _by("name")},
}
"""Object to field to rule."""

ATOMIC_OBJECTS = frozenset(
    {
        *("LabelSelector", "LocalObjectReference", "NodeSelector", "NodeSelectorTerm", "ObjectFieldSelector"),
        *("ConfigMapKeySelector", "SecretKeySelector", "TypedLocalObjectReference"),
        *("ObjectReference", "OwnerReference", "ResourceFieldSelector"),
    }
)
"""Objects that server-side apply replaces whole."""
