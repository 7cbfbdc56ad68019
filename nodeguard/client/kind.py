"""The kinds that the commands know without asking, and how any other is found: the API's own discovery.

Asking costs a request for each command, so what every nodeguard serves stands here
(tests/client/test_kind.py holds it against the API's list).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """A kind of object, and where its objects are."""

    group: str
    version: str
    kind: str
    plural: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """``v1`` or ``GROUP/VERSION``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """``pod``."""
        return self.kind.lower()

    @property
    def qualified(self) -> str:
        """``pods`` or ``priorityclasses.scheduling.k8s.io``, as messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The path of an object, or without a name of all; ``namespace`` None means those of all namespaces."""
        from urllib.parse import quote

        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)

    def title(self, name: str) -> str:
        """``pod/web`` or ``priorityclass.scheduling.k8s.io/high``, as ``-o name`` prints it."""
        return f"{self.singular}.{self.group}/{name}" if self.group else f"{self.singular}/{name}"


POD = Kind("", "v1", "Pod", "pods", ("po",), categories=("all",))
NODE = Kind("", "v1", "Node", "nodes", ("no",), namespaced=False)
EVENT = Kind("", "v1", "Event", "events", ("ev",))
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", ("ns",), namespaced=False)

KINDS: tuple[Kind, ...] = (
    POD,
    NODE,
    EVENT,
    NAMESPACE,
    Kind("", "v1", "ConfigMap", "configmaps", ("cm",)),
    Kind("", "v1", "Secret", "secrets"),
    Kind("", "v1", "ServiceAccount", "serviceaccounts", ("sa",)),
    Kind("coordination.k8s.io", "v1", "Lease", "leases"),
    Kind("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", ("pc",), namespaced=False),
)
"""Where a name belongs to several kinds (``events``), the first one is meant."""

POD_METRICS = Kind("metrics.k8s.io", "v1beta1", "PodMetrics", "pods")
NODE_METRICS = Kind("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", namespaced=False)


def find(name: str, kinds: Iterable[Kind] = KINDS) -> Kind | None:
    """The kind that ``po``, ``pod``, ``pods``, ``Pod``, ``pods.GROUP`` or ``pods.VERSION.GROUP`` names; None for none.

    Source: kubernetes, apimachinery/pkg/runtime/schema/group_version.go, ParseResourceArg.
    """
    word, _, rest = name.lower().partition(".")
    for kind in kinds:
        known = word in (kind.plural, kind.singular, *kind.short_names)
        if known and rest in ("", kind.group, kind.version, f"{kind.version}.{kind.group}".rstrip(".")):
            return kind
    return None


def find_object_kind(api_version: str, kind: str, kinds: Iterable[Kind] = KINDS) -> Kind | None:
    """The kind of objects with this ``apiVersion`` and ``kind``; None when it is not among these."""
    return next((one for one in kinds if (one.api_version, one.kind) == (api_version, kind)), None)


def in_category(category: str, kinds: Sequence[Kind] = KINDS) -> list[Kind]:
    """The kinds of a category, such as ``all``."""
    return [kind for kind in kinds if category in kind.categories]


def discovered(groups: Mapping[str, Any]) -> list[Kind]:
    """The kinds in an APIGroupDiscoveryList.

    Source: kubernetes, api/apidiscovery/v2/types.go.
    """
    return [
        Kind(
            group=group.get("metadata", {}).get("name", ""),
            version=version["version"],
            kind=resource.get("responseKind", {}).get("kind", ""),
            plural=resource["resource"],
            short_names=tuple(resource.get("shortNames", ())),
            namespaced=resource.get("scope") == "Namespaced",
            categories=tuple(resource.get("categories", ())),
            verbs=tuple(resource.get("verbs", ())),
        )
        for group in groups.get("items", ())
        for version in group.get("versions", ())
        for resource in version.get("resources", ())
    ]
