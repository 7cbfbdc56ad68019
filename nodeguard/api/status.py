"""Answers that are no objects: Status, with the codes, reasons and words that clients of Kubernetes know.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/api/errors/errors.go; pkg/apis/meta/v1/types.go, StatusReason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nodeguard.errors import NodeguardError


@dataclass(frozen=True, slots=True)
class Cause:
    """One of a Status' ``details.causes``; ``reason`` such as ``FieldValueInvalid``, ``field`` such as ``spec.os``."""

    reason: str
    message: str
    field: str

    def wire(self) -> dict[str, str]:
        """As JSON has it."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


class ApiError(NodeguardError):
    """A request ends here; ``object()`` is the Status that says why."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details, self.headers = details, dict(headers or {})

    def object(self) -> dict[str, Any]:
        """The ``v1 Status``."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            **({"reason": self.reason} if self.reason else {}),
            **({"details": dict(self.details)} if self.details is not None else {}),
            "code": self.code,
        }


def qualified(plural: str, group: str) -> str:
    """``priorityclasses.scheduling.k8s.io``, the way messages name a resource."""
    return f"{plural}.{group}" if group else plural


def _details(plural: str, group: str, name: str, **more: Any) -> dict[str, Any]:
    named = {"name": name, "group": group, "kind": plural}
    return {**{key: value for key, value in named.items() if value}, **more}


def not_found(plural: str, group: str, name: str) -> ApiError:
    """There is no object of this name."""
    message = f'{qualified(plural, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, details=_details(plural, group, name))


def no_such_path() -> ApiError:
    """There is nothing at this path at all. The empty details are what tells it from an object that is missing."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """An object of this name is there."""
    message = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=_details(plural, group, name))


def conflict(plural: str, group: str, name: str, because: str) -> ApiError:
    """The object is another one by now than the one the request was made for."""
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {because}'
    return ApiError(409, "Conflict", message, details=_details(plural, group, name))


def apply_conflict(causes: Iterable[Cause], message: str) -> ApiError:
    """Fields that would be applied belong to other managers."""
    return ApiError(409, "Conflict", message, details={"causes": _cause_objects(causes)})


def forbidden(plural: str, group: str, name: str, because: str) -> ApiError:
    """The request makes sense, and is not allowed."""
    message = f'{qualified(plural, group)} "{name}" is forbidden: {because}'
    return ApiError(403, "Forbidden", message, details=_details(plural, group, name))


def invalid(kind: str, group: str, name: str, causes: Iterable[Cause]) -> ApiError:
    """The object breaks rules; all of them are named."""
    found = tuple(dict.fromkeys(causes))
    texts = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in found]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = _details(kind, group, name, causes=_cause_objects(found))
    return ApiError(422, "Invalid", f'{qualified(kind, group)} "{name}" is invalid: {listed}', details=details)


def bad_request(message: str) -> ApiError:
    """The request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def method_not_allowed(plural: str, group: str, verb: str) -> ApiError:
    """The resource exists and cannot do this."""
    message = f"{verb} is not supported on resources of kind {qualified(plural, group)!r}".replace("'", '"')
    return ApiError(405, "MethodNotAllowed", message, details=_details(plural, group, ""))


def unsupported_media_type(found: str, allowed: Iterable[str]) -> ApiError:
    """The body is of a type that is not read."""
    message = f"the body of the request was in an unknown format ({found}) - accepted media types include: "
    return ApiError(415, "UnsupportedMediaType", message + ", ".join(allowed))


def not_acceptable(allowed: Iterable[str]) -> ApiError:
    """The answer cannot be given in any of the types the client takes."""
    message = f"only the following media types are accepted: {', '.join(allowed)}"
    return ApiError(406, "NotAcceptable", message)


def expired(message: str = "The resourceVersion for the provided watch is too old.") -> ApiError:
    """What is asked for is further back than what is kept: list anew."""
    return ApiError(410, "Expired", message)


def too_large_version(wanted: int, current: int) -> ApiError:
    """The client has seen a version that is not there yet."""
    return ApiError(
        504,
        "Timeout",
        f"Too large resource version: {wanted}, current: {current}",
        details={
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
        headers={"Retry-After": "1"},
    )


def too_large_entity(limit_bytes: int) -> ApiError:
    """The body is longer than what is read."""
    message = f"Request entity too large: limit is {limit_bytes}"
    return ApiError(413, "RequestEntityTooLarge", message)


def internal_error(message: str) -> ApiError:
    """A fault of ours."""
    return ApiError(
        500,
        "InternalError",
        f"Internal error occurred: {message}",
        details={"causes": [{"message": message}]},
    )


def insufficient_storage(message: str) -> ApiError:
    """The disk takes no more; reading goes on."""
    return ApiError(507, "InsufficientStorage", message, headers={"Retry-After": "5"})


def unavailable(message: str) -> ApiError:
    """It would work later."""
    return ApiError(503, "ServiceUnavailable", message, details={"retryAfterSeconds": 1}, headers={"Retry-After": "1"})


def success(plural: str, group: str, name: str, uid: str) -> dict[str, Any]:
    """The Status of a deletion that is done."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": _details(plural, group, name, **({"uid": uid} if uid else {})),
    }


def _cause_objects(causes: Iterable[Cause]) -> list[dict[str, str]]:
    return [cause.wire() for cause in causes]
