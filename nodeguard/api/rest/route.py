"""From path and method to what is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from nodeguard.api.context import Context
from nodeguard.api.rest.metrics import metrics
from nodeguard.api.rest.option import list_options
from nodeguard.api.rest.patching import patch
from nodeguard.api.rest.read import get_object, list_objects
from nodeguard.api.rest.remove import delete, delete_collection
from nodeguard.api.rest.review import review
from nodeguard.api.rest.subresource import bind, evict, finalize, proxy
from nodeguard.api.rest.target import Target, parse_target
from nodeguard.api.rest.watch import watch_objects
from nodeguard.api.rest.write import create, update
from nodeguard.api.status import method_not_allowed, no_such_path

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_OF_ONE = {"GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}
_OF_ALL = {
    "GET": "list",
    "HEAD": "list",
    "POST": "create",
    "DELETE": "deletecollection",
    "PUT": "update",
    "PATCH": "patch",
}

Handler = Callable[[Context, Target, Request], Awaitable[Any]]
_BELOW: dict[str, Handler] = {"eviction": evict, "binding": bind, "finalize": finalize, "proxy": proxy}


def rest_routes(context: Context) -> list[BaseRoute]:
    """Every path below ``/api`` and ``/apis`` that no other route has."""

    async def core(request: Request) -> Any:
        return await _serve(context, parse_target("", "v1", request.path_params["path"]), request)

    async def grouped(request: Request) -> Any:
        given = request.path_params
        return await _serve(context, parse_target(given["group"], given["version"], given["path"]), request)

    return [
        Route("/api/v1/{path:path}", core, methods=_METHODS),
        Route("/apis/{group}/{version}/{path:path}", grouped, methods=_METHODS),
    ]


async def _serve(context: Context, target: Target, request: Request) -> Any:
    resource = target.resource
    verb = (_OF_ONE if target.name else _OF_ALL)[request.method]
    if target.subresource:
        of_subresource = resource.subresource(target.subresource)
        allowed = of_subresource.verbs if of_subresource is not None else ()
    else:
        allowed = resource.verbs
    if verb not in allowed or (target.name and verb == "create" and not target.subresource):
        raise method_not_allowed(resource.plural, resource.group, verb)
    special = _special(target)
    if special is not None:
        return await special(context, target, request)
    match verb:
        case "list" | "get":
            options = list_options(request.query_params)
            if options.watch:
                return watch_objects(context, target, request, options)
            return (
                list_objects(context, target, request, options)
                if verb == "list"
                else get_object(context, target, request)
            )
        case "create":
            return await create(context, target, request)
        case "update":
            return await update(context, target, request)
        case "patch":
            return await patch(context, target, request)
        case "delete":
            return await delete(context, target, request)
        case _:
            return await delete_collection(context, target, request, list_options(request.query_params))


def _special(target: Target) -> Handler | None:
    """What is done where it is neither an object of the store nor its status; None otherwise."""
    if target.subresource not in ("", "status"):
        if target.subresource in _BELOW:
            return _BELOW[target.subresource]
        raise no_such_path()  # the streams have routes of their own
    if target.resource.storage:
        return None
    if target.resource.kind == "Binding":
        return bind
    return metrics if target.resource.group == "metrics.k8s.io" else review
