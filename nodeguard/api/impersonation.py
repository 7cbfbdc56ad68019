"""Requests in the name of somebody else (``kubectl --as``) are refused: everybody who comes in may do everything.

Served as if the headers were not there, they would be allowed what the user named in them might not be.

Source: kubernetes, staging/src/k8s.io/apiserver/pkg/endpoints/filters/impersonation (headers and words).
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from nodeguard.api.limits import refuse
from nodeguard.api.status import ApiError

_PREFIX = b"impersonate-"
_MESSAGE = "requests in the name of other users are not served: there are no others here"


class NoImpersonation:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless it has one of the headers."""
        if any(name.startswith(_PREFIX) for name, _ in scope.get("headers", ())):
            await refuse(scope, receive, send, ApiError(403, "Forbidden", _MESSAGE, details={}))
            return
        await self._app(scope, receive, send)
