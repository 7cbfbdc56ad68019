"""Patch: which kind it is, and what it makes of the object."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from nodeguard.api.context import Context
from nodeguard.api.patch.merge import merge_patch
from nodeguard.api.rest.body import media_type, parse_json, read_bytes
from nodeguard.api.rest.option import write_options
from nodeguard.api.rest.target import Target
from nodeguard.api.rest.write import change_object
from nodeguard.api.status import bad_request, unsupported_media_type
from nodeguard.api.store.entry import Object

MERGE = "application/merge-patch+json"


async def patch(context: Context, target: Target, request: Request) -> Response:
    """Change the object as the body says."""
    options = write_options(request.query_params, request.headers.get("user-agent", ""))
    kind = media_type(request)
    value = parse_json(await read_bytes(request))
    if kind != MERGE:
        raise unsupported_media_type(kind, (MERGE,))

    def change(old: Object) -> Object:
        patched = merge_patch(old, value)
        if not isinstance(patched, dict):
            raise bad_request("the patch makes something else of the object than an object")
        return patched

    return await change_object(context, target, request, options, change)
