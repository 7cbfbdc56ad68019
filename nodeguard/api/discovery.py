"""Discovery: which groups, versions and resources there are, in the legacy and in the aggregated form.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go (APIVersions, APIGroupList,
APIResourceList); staging/src/k8s.io/api/apidiscovery/v2/types.go; KEP 3352.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from nodeguard.api.accept import parse_accept
from nodeguard.api.document import Document, respond
from nodeguard.api.resource import RESOURCES, Resource, Subresource, group_versions

_AGGREGATED = ("apidiscovery.k8s.io", "APIGroupDiscoveryList")
_AGGREGATED_VERSIONS = ("v2", "v2beta1")


def discovery_routes() -> list[BaseRoute]:
    """``/api``, ``/apis`` and what is below them but for the resources themselves."""
    routes: list[BaseRoute] = []
    for prefix in ("/api", "/apis"):
        routes += _both(prefix, _root(prefix))
    for group_version in group_versions():
        group = group_version.rpartition("/")[0]
        prefix = f"/apis/{group_version}" if group else f"/api/{group_version}"
        routes += _both(prefix, _plain(_resource_list, group_version))
        if group:
            routes += _both(f"/apis/{group}", _plain(_group, group))
    return routes


def _both(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> list[BaseRoute]:
    """A path with and without a slash at its end, which some clients send."""
    return [Route(one, endpoint, methods=["GET"]) for one in (path, f"{path}/")]


def _root(prefix: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        for one in parse_accept(request.headers.get("accept", "")):
            group, version, kind = one.kind
            if (group, kind) == _AGGREGATED and version in _AGGREGATED_VERSIONS:
                media_type = f"application/json;g={group};v={version};as={kind}"
                return respond(request, _aggregated(prefix, version), media_type)
            if not kind and one.takes("application/json"):
                break
        return respond(request, _legacy(prefix))

    return endpoint


def _plain(make: Callable[[str], Document], name: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return respond(request, make(name))

    return endpoint


@cache
def _legacy(prefix: str) -> Document:
    if prefix == "/api":
        address = {"clientCIDR": "0.0.0.0/0", "serverAddress": ""}
        return Document.of({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]})
    groups = [_group_object(group) for group in _groups() if group]
    return Document.of({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})


@cache
def _group(group: str) -> Document:
    return Document.of({"kind": "APIGroup", "apiVersion": "v1", **_group_object(group)})


def _group_object(group: str) -> dict[str, Any]:
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in _versions(group)]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


@cache
def _resource_list(group_version: str) -> Document:
    items: list[dict[str, Any]] = []
    for one in _resources(group_version):
        items.append(_resource_object(one))
        items += [_subresource_object(one, below) for below in one.subresources]
    return Document.of(
        {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": items}
    )


def _resource_object(one: Resource) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": one.plural,
        "singularName": one.singular,
        "namespaced": one.namespaced,
        "kind": one.kind,
        "verbs": one.verbs,
    }
    return found | _short(one)


def _subresource_object(one: Resource, below: Subresource) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": f"{one.plural}/{below.name}",
        "singularName": "",
        "namespaced": one.namespaced,
        "kind": below.kind,
        "verbs": below.verbs,
    }
    return found | ({"group": below.group, "version": below.version} if below.version else {})


def _short(one: Resource) -> dict[str, Any]:
    named = {"shortNames": one.short_names, "categories": one.categories}
    return {key: value for key, value in named.items() if value}


@cache
def _aggregated(prefix: str, version: str) -> Document:
    groups = [group for group in _groups() if (prefix == "/api") == (group == "")]
    return Document.of(
        {
            "kind": _AGGREGATED[1],
            "apiVersion": f"{_AGGREGATED[0]}/{version}",
            "metadata": {},
            "items": [_discovered_group(group) for group in groups],
        }
    )


def _discovered_group(group: str) -> dict[str, Any]:
    versions = [
        {
            "version": version,
            "resources": [_discovered(one) for one in _resources(f"{group}/{version}" if group else version)],
            "freshness": "Current",
        }
        for version in _versions(group)
    ]
    return {"metadata": {"name": group} if group else {}, "versions": versions}


def _discovered(one: Resource) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resource": one.plural,
        "responseKind": {"group": one.group, "version": one.version, "kind": one.kind},
        "scope": "Namespaced" if one.namespaced else "Cluster",
        "singularResource": one.singular,
        "verbs": one.verbs,
        **_short(one),
    }
    below = [
        {
            "subresource": sub.name,
            "responseKind": {
                "group": sub.group if sub.version else one.group,
                "version": sub.version or one.version,
                "kind": sub.kind,
            },
            "verbs": sub.verbs,
        }
        for sub in one.subresources
    ]
    return found | ({"subresources": below} if below else {})


def _groups() -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.group for one in RESOURCES))


def _versions(group: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.version for one in RESOURCES if one.group == group))


def _resources(group_version: str) -> Iterator[Resource]:
    return (one for one in RESOURCES if one.group_version == group_version)
