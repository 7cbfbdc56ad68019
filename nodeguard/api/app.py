"""The application: every route, in the order in which they are tried."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from nodeguard.api.context import Context
from nodeguard.api.discovery import discovery_routes
from nodeguard.api.openapi import openapi_routes
from nodeguard.api.rest.health import health_routes
from nodeguard.api.rest.respond import json_response
from nodeguard.api.rest.route import rest_routes
from nodeguard.api.status import ApiError, internal_error, no_such_path
from nodeguard.api.stream.route import stream_routes


def make_app(context: Context) -> Starlette:
    """The ASGI application over this context."""
    streams = stream_routes(context, context.now)
    app = Starlette(
        routes=[*health_routes(), *discovery_routes(), *openapi_routes(), *streams, *rest_routes(context)],
        exception_handlers={ApiError: _api_error, HTTPException: _http_error, Exception: _fault},
    )
    app.state.context = context
    return app


async def _api_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return json_response(error.object(), error.code, error.headers)


async def _http_error(_: Request, error: Exception) -> Response:
    """What Starlette itself refuses: a path or a method that no route has."""
    code = error.status_code if isinstance(error, HTTPException) else 500
    if code == 405:
        status = ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    else:
        status = no_such_path()
    return json_response(status.object(), status.code)


async def _fault(_: Request, error: Exception) -> Response:
    """Starlette raises the exception again after this answer, and uvicorn logs it with its traceback."""
    return json_response(internal_error(type(error).__name__).object(), 500)
