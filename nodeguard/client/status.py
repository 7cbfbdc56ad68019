"""What the API says when it refuses, as our errors with their exit codes. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nodeguard.errors import (
    AgentUnreachable,
    Conflict,
    Expired,
    InvalidInput,
    NodeguardError,
    NotFound,
    PermissionDenied,
    Rejected,
    TimedOut,
    UsageError,
)

_BY_CODE: dict[int, type[NodeguardError]] = {
    401: PermissionDenied,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    410: Expired,
    429: Rejected,
    503: AgentUnreachable,
    504: TimedOut,
}


def error_of(code: int, body: bytes, *, sent: bool = False) -> NodeguardError:
    """The error for an answer of 400 or above. ``sent``: an object was sent, so 400 finds fault with that.

    Source: kubernetes, apimachinery/pkg/apis/meta/v1/types.go, Status and StatusReason.
    """
    status = status_of(body)
    message = str(status.get("message") or body.decode(errors="replace").strip()[:500] or f"the API answers {code}")
    if code == 422 or (code == 400 and sent):
        return InvalidInput(_findings(status) or [message])
    if code == 400:
        return UsageError(message)
    return _BY_CODE.get(code, NodeguardError)(message)


def error_of_event(status: Mapping[str, Any]) -> NodeguardError:
    """The error of a watch's ``ERROR`` event, which carries a Status."""
    return error_of(int(status.get("code") or 500), json.dumps(status).encode())


def status_of(body: bytes) -> Mapping[str, Any]:
    """The v1 Status in an answer; empty when it is none."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) and value.get("kind") == "Status" else {}


def _findings(status: Mapping[str, Any]) -> list[str]:
    """A line for each cause, with the object's name in front."""
    details = status.get("details") or {}
    name = f"{details.get('kind', '')}/{details.get('name', '')}: " if details.get("name") else ""
    return [
        f"{name}{cause.get('field', '')}: {cause.get('message', '')}".replace(": : ", ": ")
        for cause in details.get("causes") or ()
    ]
