"""Questions about who may do what: whoever gets through to this API may do everything.

Source: kubernetes, staging/src/k8s.io/api/authorization/v1/types.go, authentication/v1/types.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nodeguard.api.admit_meta import check_identity
from nodeguard.api.context import Context
from nodeguard.api.rest.body import read_object
from nodeguard.api.rest.option import write_options
from nodeguard.api.rest.target import Target
from nodeguard.api.rest.write import answer
from nodeguard.api.status import Cause, invalid

Object = dict[str, Any]

_EVERYTHING = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
_EVERY_PATH = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
_ALLOWED = {"allowed": True, "reason": "who reaches this API may do everything"}


async def review(context: Context, target: Target, request: Request) -> Response:
    """The question of the body, answered in its status."""
    write_options(request.query_params, "")
    question = await read_object(request)
    check_identity(target.resource, question, target.namespace, "")
    kind = target.resource.kind
    spec = question.get("spec")
    if kind != "SelfSubjectReview" and not isinstance(spec, dict):
        raise invalid(kind, target.resource.group, "", [Cause("FieldValueRequired", "Required value", "spec")])
    metadata = {**question["metadata"], "creationTimestamp": None}
    answered = {**question, "metadata": metadata, "status": _ANSWERS[kind](request, spec or {})}
    return answer(context, target, request, answered, 201)


def _access(_request: Request, _spec: Object) -> Object:
    return _ALLOWED


def _rules(_request: Request, _spec: Object) -> Object:
    return {"resourceRules": _EVERYTHING, "nonResourceRules": _EVERY_PATH, "incomplete": False}


def _self(request: Request, _spec: Object) -> Object:
    identity = request.scope.get("state", {}).get("identity")
    if identity is None:
        return {"userInfo": {"username": "system:admin", "groups": ["system:masters", "system:authenticated"]}}
    return {"userInfo": {"username": identity.username, "groups": list(identity.groups)}}


_ANSWERS: dict[str, Callable[[Request, Object], Object]] = {
    "LocalSubjectAccessReview": _access,
    "SelfSubjectAccessReview": _access,
    "SelfSubjectReview": _self,
    "SelfSubjectRulesReview": _rules,
    "SubjectAccessReview": _access,
}
