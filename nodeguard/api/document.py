"""Documents about the API that change with the program only: discovery, OpenAPI. Made when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from nodeguard.api.rest.respond import encode


class Document(NamedTuple):
    """Its bytes, and the tag by which a client knows that it has them already."""

    body: bytes
    tag: str

    @classmethod
    def of(cls, value: object) -> Document:
        """The document of a JSON value."""
        body = encode(value)
        return cls(body, f'"{sha256(body).hexdigest().upper()}"')


def respond(request: Request, document: Document, media_type: str = "application/json", **headers: str) -> Response:
    """The document, or 304 when the client has it."""
    named: Mapping[str, str] = {key.replace("_", "-"): value for key, value in headers.items()}
    common = {"etag": document.tag, "vary": "Accept", "cache-control": "public", **named}
    known = request.headers.get("if-none-match", "")
    if document.tag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return Response(status_code=304, headers=common)
    return Response(document.body, headers={**common, "content-type": media_type})
