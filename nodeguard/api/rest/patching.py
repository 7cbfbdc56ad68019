"""Patch: which kind it is, and what it makes of the object.

Source: kubernetes, staging/src/k8s.io/apiserver/pkg/endpoints/handlers/patch.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nodeguard.api.admit_meta import check_identity, modified, other_uid
from nodeguard.api.context import Context
from nodeguard.api.patch.apply import Manager, apply
from nodeguard.api.patch.fault import PatchFault
from nodeguard.api.patch.jsonpatch import json_patch
from nodeguard.api.patch.merge import merge_patch
from nodeguard.api.patch.strategic import strategic_merge
from nodeguard.api.rest.body import APPLY, check_plain, media_type, parse_json, parse_yaml, read_bytes
from nodeguard.api.rest.option import WriteOptions, write_options
from nodeguard.api.rest.target import Target
from nodeguard.api.rest.write import change_object, create_object
from nodeguard.api.status import ApiError, Cause, bad_request, invalid, unsupported_media_type
from nodeguard.api.store.entry import Object

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
KINDS = (JSON_PATCH, MERGE, STRATEGIC, APPLY)


async def patch(context: Context, target: Target, request: Request) -> Response:
    """Change the object as the body says; what is applied is made where it is not there."""
    options = write_options(request.query_params, request.headers.get("user-agent", ""))
    kind = media_type(request)
    body = await read_bytes(request)
    if kind == APPLY:
        return await _apply(context, target, request, options, parse_yaml(body))
    if kind not in KINDS:
        raise unsupported_media_type(kind, KINDS)
    change = _change(target, kind, parse_json(body))
    return await change_object(context, target, request, options, change)


def _change(target: Target, kind: str, value: Any) -> Callable[[Object], Object]:
    def change(old: Object) -> Object:
        try:
            if kind == JSON_PATCH:
                patched = json_patch(old, value)
            elif kind == MERGE:
                patched = merge_patch(old, value)
            else:
                patched = strategic_merge(target.resource, old, value)
        except PatchFault as e:
            if e.is_unprocessable:
                message = f"the server rejected our request due to an error in our request: {e}"
                raise ApiError(422, "Invalid", message, details={}) from None
            raise bad_request(str(e)) from None
        if not isinstance(patched, dict):
            raise bad_request("the patch makes something else of the object than an object")
        check_plain(patched)
        return patched

    return change


async def _apply(context: Context, target: Target, request: Request, options: WriteOptions, config: Any) -> Response:
    resource = target.resource
    if not request.query_params.get("fieldManager"):
        cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
        raise invalid("PatchOptions", "meta.k8s.io", "", [cause])
    if not isinstance(config, dict):
        raise bad_request("what is applied is an object")
    check_identity(resource, config, target.namespace, target.name)
    metadata = config["metadata"]
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    manager = Manager(name=options.field_manager, force=options.force, subresource=target.subresource)
    entry = context.store.latest(target.key)
    if entry is None and not target.subresource:
        if metadata.get("uid"):
            raise other_uid(resource, {"name": target.name}, str(metadata["uid"])[:60])
        if metadata.get("resourceVersion"):
            raise modified(resource, target.name)
        made = apply(resource, None, config, manager, context.now())
        return await create_object(context, target, request, made, options, is_tracked=False)

    def change(old: Object) -> Object:
        return apply(resource, old, config, manager, context.now())

    return await change_object(context, target, request, options, change, is_tracked=False)
