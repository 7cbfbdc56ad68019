"""The paths of OpenAPI: what can be asked of each resource, and with which parameters.

Source: kubernetes, api/openapi-spec/v3/api__v1_openapi.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nodeguard.api.openapi_schema import Schemas
from nodeguard.api.resource import Resource, Subresource
from nodeguard.model.apitable import API_OBJECTS

_METHODS = {
    "get": "get",
    "list": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}
_ACTIONS = {"create": "post", "update": "put"}
_PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_JSON = ("application/json", "application/yaml")
_OF_WRITES = (
    ("dryRun", "string", "All: nothing is changed."),
    ("fieldManager", "string", "Who makes the change."),
    ("fieldValidation", "string", "What unknown fields lead to: Ignore, Warn or Strict."),
)
_OF_DELETES = (
    ("dryRun", "string", "All: nothing is changed."),
    ("gracePeriodSeconds", "integer", "Time between SIGTERM and SIGKILL; 0 kills at once."),
    ("propagationPolicy", "string", "What becomes of objects that belong to it."),
)
_OF_LISTS = (
    ("allowWatchBookmarks", "boolean", "Whether a watch tells how far it is."),
    ("continue", "string", "Token of the list's next part."),
    ("fieldSelector", "string", "Which objects, by fields."),
    ("labelSelector", "string", "Which objects, by labels."),
    ("limit", "integer", "Most objects in one answer."),
    ("resourceVersion", "string", "State to begin from."),
    ("resourceVersionMatch", "string", "How resourceVersion counts."),
    ("sendInitialEvents", "boolean", "Whether a watch begins with what there is."),
    ("timeoutSeconds", "integer", "How long a watch lasts."),
    ("watch", "boolean", "Changes as they come, in place of a list."),
)
_PARAMETERS = {
    "create": _OF_WRITES,
    "update": _OF_WRITES,
    "patch": (*_OF_WRITES, ("force", "boolean", "Apply: take fields from others.")),
    "list": _OF_LISTS,
    "delete": _OF_DELETES,
    "deletecollection": (*_OF_DELETES, *_OF_LISTS),
}


def paths(resources: Iterable[Resource], schemas: Schemas, *, version: int) -> dict[str, Any]:
    """Every path of these resources, in the words of OpenAPI v2 or v3."""
    found: dict[str, Any] = {}
    for one in resources:
        base = (
            f"{one.api_path}/namespaces/{{namespace}}/{one.plural}"
            if one.namespaced
            else f"{one.api_path}/{one.plural}"
        )
        maker = _Maker(one, schemas, version)
        collection = [verb for verb in ("list", "create", "deletecollection") if verb in one.verbs]
        item = [verb for verb in ("get", "update", "patch", "delete") if verb in one.verbs]
        if one.namespaced and "list" in one.verbs:
            found[f"{one.api_path}/{one.plural}"] = maker.path(["list"], ())
        around = ("namespace",) if one.namespaced else ()
        if collection:
            found[base] = maker.path(collection, around)
        if item:
            found[f"{base}/{{name}}"] = maker.path(item, (*around, "name"))
        for below in one.subresources:
            found[f"{base}/{{name}}/{below.name}"] = maker.path(list(below.verbs), (*around, "name"), below)
    return found


class _Maker:
    def __init__(self, resource: Resource, schemas: Schemas, version: int) -> None:
        self._resource = resource
        self._schemas = schemas
        self._version = version

    def path(self, verbs: Sequence[str], around: tuple[str, ...], below: Subresource | None = None) -> dict[str, Any]:
        """One path with its operations; ``around`` are the names in it."""
        path: dict[str, Any] = {_METHODS[verb]: self._operation(verb, below) for verb in verbs}
        if around:
            path["parameters"] = [self._parameter(name, "path", "string", f"{name} of the object") for name in around]
        return path

    def _operation(self, verb: str, below: Subresource | None) -> dict[str, Any]:
        one = self._resource
        group, version, kind = one.group, one.version, one.kind
        if below is not None:
            kind = below.kind
            group, version = (below.group, below.version) if below.version else (group, version)
        table_name = one.table_name if kind == one.kind else kind
        operation: dict[str, Any] = {
            "x-kubernetes-action": _ACTIONS.get(verb, verb),
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
            "tags": [one.group_version],
        }
        parameters = [self._parameter(name, "query", type_, doc) for name, type_, doc in _PARAMETERS.get(verb, ())]
        answer = self._answer(verb, table_name)
        if self._version == 3:
            if verb in ("create", "update", "patch", "delete", "deletecollection") and answer is not None:
                types = _PATCH_TYPES if verb == "patch" else _JSON
                body = (
                    self._schemas.refer("DeleteOptions") if verb.startswith("delete") else self._body(verb, table_name)
                )
                operation["requestBody"] = {"content": {name: {"schema": body} for name in types}}
            content = {"content": {"application/json": {"schema": answer}}} if answer is not None else {}
            operation["responses"] = {"200": {"description": "OK", **content}}
        else:
            operation["produces"] = ["application/json"]
            if verb == "patch":
                operation["consumes"] = list(_PATCH_TYPES)
            if verb in ("create", "update", "patch") and answer is not None:
                body = self._body(verb, table_name)
                parameters.append({"name": "body", "in": "body", "required": True, "schema": body})
            operation["responses"] = {
                "200": {"description": "OK", **({"schema": answer} if answer is not None else {})}
            }
        if parameters:
            operation["parameters"] = parameters
        return operation

    def _body(self, verb: str, table_name: str) -> dict[str, Any]:
        if verb == "patch":
            return {"type": "object", "description": "A patch."}
        return self._schemas.refer(table_name)

    def _answer(self, verb: str, table_name: str) -> dict[str, Any] | None:
        """What comes back; None for what is no object, such as logs and streams."""
        if table_name not in API_OBJECTS:
            return None
        if verb == "list":
            return self._schemas.refer_to_list(table_name, self._resource.kind)
        return self._schemas.refer("Status" if verb.startswith("delete") else table_name)

    def _parameter(self, name: str, place: str, type: str, doc: str) -> dict[str, Any]:  # noqa: A002 - OpenAPI's word
        found: dict[str, Any] = {"name": name, "in": place, "description": doc}
        if place == "path":
            found["required"] = True
        return found | ({"schema": {"type": type}} if self._version == 3 else {"type": type})
