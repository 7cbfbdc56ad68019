"""What a path is about: a resource, a namespace, a name, a subresource.

Source: kubernetes, staging/src/k8s.io/apiserver/pkg/endpoints/request/requestinfo.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from nodeguard.api.resource import Resource, find_resource
from nodeguard.api.status import no_such_path
from nodeguard.api.store.entry import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A path, taken apart; ``name`` is empty for a collection, ``rest`` is what follows a subresource's name."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""

    @property
    def storage(self) -> str:
        """The store's name of the resource: events are the same in both of their groups."""
        return storage_name(self.resource)

    @property
    def key(self) -> Key:
        """Where the object is."""
        return Key(self.storage, self.namespace, self.name)

    @property
    def is_namespaced(self) -> bool:
        """Whether its objects are in namespaces."""
        return self.resource.namespaced


def storage_name(resource: Resource) -> str:
    """What the store calls a resource."""
    if resource.plural == "events":
        return "events"
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def parse_target(group: str, version: str, path: str) -> Target:
    """The target of a path below ``/api/v1/`` or ``/apis/GROUP/VERSION/``.

    Raises:
        ApiError: 404, there is no such thing.
    """
    parts = path.split("/")
    if parts and parts[-1] == "" and "proxy" not in parts:
        parts.pop()
    if not parts or "" in parts[:3]:
        raise no_such_path()
    namespace = ""
    if parts[0] == "namespaces" and len(parts) >= 3:
        below = find_resource(group, version, parts[2])
        if below is not None and below.namespaced:
            namespace = parts[1]
            parts = parts[2:]
    resource = find_resource(group, version, parts[0])
    if resource is None or (len(parts) > 4 and parts[2] != "proxy"):
        raise no_such_path()
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 else ""
    if (name and resource.namespaced and not namespace) or (subresource and resource.subresource(subresource) is None):
        raise no_such_path()
    if len(parts) > 3 and subresource != "proxy":
        raise no_such_path()
    return Target(resource=resource, namespace=namespace, name=name, subresource=subresource, rest="/".join(parts[3:]))
