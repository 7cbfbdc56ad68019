"""OpenAPI v3, one document for each group and version, and v2 in JSON: made of the resources and the field table.

kubectl asks for v3: paths tell it which verbs take ``fieldValidation`` and ``dryRun``, schemas what to explain and how
to merge.

Source: kubernetes, staging/src/k8s.io/kubectl: pkg/util/openapi, pkg/explain/v2; staging/src/k8s.io/cli-runtime:
pkg/resource/query_param_verifier_v3.go; KEP 2896 (OpenAPI v3).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from nodeguard import __version__
from nodeguard.api.accept import parse_accept
from nodeguard.api.document import Document, respond
from nodeguard.api.openapi_path import paths
from nodeguard.api.openapi_schema import Schemas
from nodeguard.api.resource import RESOURCES, group_versions
from nodeguard.api.status import not_acceptable

_JSON = "application/json"
_V2_PROTOBUF = (
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
)
"""The answer's name for it, and kubectl's."""
_INFO = {"title": "nodeguard", "version": __version__}


def openapi_routes() -> list[BaseRoute]:
    """``/openapi/v3``, the documents below it, and ``/openapi/v2``."""
    routes: list[BaseRoute] = [
        Route("/openapi/v3", _index_endpoint, methods=["GET"]),
        Route("/openapi/v2", _v2_endpoint, methods=["GET"]),
    ]
    return routes + [Route(_url(one), _endpoint(one), methods=["GET"]) for one in group_versions()]


async def _index_endpoint(request: Request) -> Response:
    _refuse_other_types(request)
    return respond(request, _index())


async def _v2_endpoint(request: Request) -> Response:
    accepted = parse_accept(request.headers.get("accept", ""))
    if any(one.name in _V2_PROTOBUF for one in accepted) and not any(one.takes(_JSON) for one in accepted):
        return respond(request, _v2_head(), _V2_PROTOBUF[0])
    _refuse_other_types(request)
    return respond(request, _v2())


def _endpoint(group_version: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        _refuse_other_types(request)
        document = _v3(group_version)
        wanted = request.query_params.get("hash")
        if wanted is None:
            return respond(request, document)
        if wanted != _hash(document):  # it was made by another version of this program
            return RedirectResponse(f"{_url(group_version)}?hash={_hash(document)}", 301)
        return respond(request, document, cache_control="public, immutable, max-age=31536000")

    return endpoint


def _refuse_other_types(request: Request) -> None:
    """Only JSON is spoken here: clients that want protocol buffers alone are told so."""
    if not any(one.takes(_JSON) for one in parse_accept(request.headers.get("accept", ""))):
        raise not_acceptable((_JSON,))


def _url(group_version: str) -> str:
    return f"/openapi/v3/{_name(group_version)}"


def _name(group_version: str) -> str:
    return f"apis/{group_version}" if "/" in group_version else f"api/{group_version}"


def _hash(document: Document) -> str:
    return document.tag.strip('"')


@cache
def _index() -> Document:
    urls = {_name(one): f"{_url(one)}?hash={_hash(_v3(one))}" for one in group_versions()}
    return Document.of({"paths": {name: {"serverRelativeURL": url} for name, url in urls.items()}})


@cache
def _v3(group_version: str) -> Document:
    schemas = Schemas()
    found = paths([one for one in RESOURCES if one.group_version == group_version], schemas, version=3)
    return Document.of(
        {
            "openapi": "3.0.0",
            "info": _INFO,
            "paths": found,
            "components": {"schemas": dict(sorted(schemas.components.items()))},
        }
    )


@cache
def _v2_head() -> Document:
    """Version and title alone, in Protocol Buffers.

    kubectl asks for it when an object is of a kind that v3 does not know. That v2 does not know it either is all it
    needs to say so; without an answer it would complain about the download.
    """

    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    info = field(1, _INFO["title"].encode()) + field(2, _INFO["version"].encode())
    body = field(1, b"2.0") + field(2, info)
    return Document(body, f'"{sha256(body).hexdigest().upper()}"')


@cache
def _v2() -> Document:
    schemas = Schemas("#/definitions/")
    found = paths(RESOURCES, schemas, version=2)
    definitions: dict[str, Any] = {name: _without_v3(schema) for name, schema in sorted(schemas.components.items())}
    return Document.of({"swagger": "2.0", "info": _INFO, "paths": found, "definitions": definitions})


def _without_v3(value: Any) -> Any:
    """The schema in the words of OpenAPI v2, which knows neither ``oneOf`` nor references beside other words."""
    if isinstance(value, list):
        return [_without_v3(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "oneOf" in value:
        return {"type": "string", **{key: item for key, item in value.items() if key != "oneOf"}}
    found = {key: _without_v3(item) for key, item in value.items() if key != "allOf"}
    for one in value.get("allOf", ()):
        found |= one
    return found
