"""Whether the server is well, and what it is.

Source: kubernetes, staging/src/k8s.io/apiserver/pkg/server/healthz, pkg/version; kubectl version.
"""

from __future__ import annotations

import platform

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from nodeguard import __version__
from nodeguard.api.rest.respond import json_response

LIKE = (1, 37)
"""The Kubernetes whose API this is; kubectl warns when it is more than one minor version apart."""


def health_routes() -> list[BaseRoute]:
    """``/healthz`` and the others, ``/version``."""
    probes = [Route(path, _healthy, methods=["GET"]) for path in ("/healthz", "/livez", "/readyz")]
    return [*probes, Route("/version", _version, methods=["GET"])]


async def _healthy(request: Request) -> Response:
    """While this runs, the store is open and the agent is there: without either the process ends."""
    if "verbose" in request.query_params:
        checks = "".join(f"[+]{check} ok\n" for check in ("ping", "store", "agent"))
        return PlainTextResponse(f"{checks}{request.url.path.strip('/')} check passed\n")
    return PlainTextResponse("ok")


async def _version(_: Request) -> Response:
    major, minor = LIKE
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return json_response(
        {
            "major": str(major),
            "minor": str(minor),
            "gitVersion": f"v{major}.{minor}.0+nodeguard-{__version__}",
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "",
            "compiler": f"python {platform.python_version()}",
            "platform": f"linux/{machine}",
        }
    )
