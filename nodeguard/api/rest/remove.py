"""Delete and deletecollection.

Source: kubernetes, staging/src/k8s.io/apiserver/pkg/endpoints/handlers/delete.go, pkg/registry/rest/delete.go,
pkg/registry/generic/registry/store.go (deletionFinalizersForGarbageCollection); pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nodeguard.api.admit_meta import modified, other_uid
from nodeguard.api.admit_namespace import FOREVER
from nodeguard.api.admit_pod import terminating
from nodeguard.api.context import Context
from nodeguard.api.events_group import as_events_group
from nodeguard.api.forgotten import take_away
from nodeguard.api.resource import Resource
from nodeguard.api.rest.body import media_type, parse_body, read_bytes
from nodeguard.api.rest.form import choose_form
from nodeguard.api.rest.option import ListOptions, is_true, parse_dry_run
from nodeguard.api.rest.read import target_selector
from nodeguard.api.rest.respond import body_response, encode, json_response
from nodeguard.api.rest.target import Target
from nodeguard.api.rest.write import may_go
from nodeguard.api.status import ApiError, Cause, bad_request, forbidden, invalid, not_found, success
from nodeguard.api.store.entry import Entry, Object
from nodeguard.model.instant import rfc3339
from nodeguard.policy.priority import SYSTEM_CLASSES

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_POLICIES = {"Background": "", "Foreground": FOREGROUND, "Orphan": ORPHAN}
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """How to delete; ``policy`` is a word of ``propagationPolicy``."""

    grace_seconds: int | None = None
    uid: str = ""
    resource_version: str = ""
    policy: str = ""
    dry_run: bool = False


async def read_delete_options(request: Request) -> DeleteOptions:
    """The options of the body, or, where it says nothing, of the query.

    Raises:
        ApiError: they make no sense.
    """
    body = await read_bytes(request)
    given: Any = {}
    if body.strip():
        given = parse_body(media_type(request), body)
    if not isinstance(given, dict):
        raise bad_request("DeleteOptions: expected an object")
    if given.get("kind", "DeleteOptions") != "DeleteOptions":
        raise bad_request(f"expected DeleteOptions, found {str(given['kind'])[:60]}")
    return parse_delete_options(given, request.query_params)


def parse_delete_options(given: Mapping[str, Any], query: Mapping[str, str]) -> DeleteOptions:
    """The options of an object and a query.

    Raises:
        ApiError: they make no sense.
    """
    grace: Any = given.get("gracePeriodSeconds")
    if grace is None and (text := query.get("gracePeriodSeconds")):
        grace = int(text) if text.lstrip("-").isdigit() and len(text) < 12 else text
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise bad_request("gracePeriodSeconds: expected a whole number")
    if grace is not None and not 0 <= grace < 2**31:
        raise _wrong("gracePeriodSeconds", str(grace)[:20], "must be greater than or equal to 0")
    conditions = given.get("preconditions")
    if conditions is None:
        conditions = {}
    if not isinstance(conditions, dict):
        raise bad_request("preconditions: expected an object")
    policy = given.get("propagationPolicy") or query.get("propagationPolicy") or ""
    orphans = given.get("orphanDependents")
    if orphans is None and "orphanDependents" in query:
        orphans = is_true(query["orphanDependents"])
    if policy and orphans is not None:
        raise _wrong("propagationPolicy", str(policy)[:40], "orphanDependents and propagationPolicy cannot be both set")
    if policy not in ("", *_POLICIES):
        raise _wrong("propagationPolicy", str(policy)[:40], "needs to be one of Background, Foreground, Orphan")
    return DeleteOptions(
        grace_seconds=grace,
        uid=str(conditions.get("uid") or ""),
        resource_version=str(conditions.get("resourceVersion") or ""),
        policy=policy or ("Orphan" if orphans else ""),
        dry_run=parse_dry_run(given.get("dryRun") or query.get("dryRun")),
    )


async def delete(context: Context, target: Target, request: Request) -> Response:
    """Delete one object: gone is answered with a Status, still going with the object."""
    options = await read_delete_options(request)
    entry = context.store.latest(target.key)
    resource = target.resource
    if entry is None:
        raise not_found(resource.plural, resource.group, target.name)
    outcome, is_gone = await remove(context, resource, entry, options)
    if is_gone and resource.kind != "Pod":
        return json_response(success(resource.plural, resource.group, target.name, entry.uid))
    shown = as_events_group(outcome) if resource.group == "events.k8s.io" else outcome
    form = choose_form(resource, request.headers.get("accept", ""), request.query_params.get("includeObject", ""))
    return body_response(form.object(shown, context.now()))


async def delete_collection(context: Context, target: Target, request: Request, options: ListOptions) -> Response:
    """Delete what the selectors select; answered with what it was."""
    how = await read_delete_options(request)
    selector = target_selector(target, options)
    found = [e for e in context.store.entries(target.storage, target.namespace) if selector.matches(e)]
    outcomes = await asyncio.gather(
        *(remove(context, target.resource, entry, how) for entry in found), return_exceptions=True
    )
    shown = []
    for outcome in outcomes:
        if isinstance(outcome, ApiError) and outcome.code == 404:
            continue
        if isinstance(outcome, BaseException):
            raise outcome
        shown.append(outcome[0])
    metadata = {"resourceVersion": str(context.store.revision)}
    accept = request.headers.get("accept", "")
    form = choose_form(target.resource, accept, "", is_list=True)
    if target.resource.group == "events.k8s.io":
        shown = [as_events_group(obj) for obj in shown]
    return body_response(form.objects(shown, context.now(), metadata))


async def remove(context: Context, resource: Resource, entry: Entry, options: DeleteOptions) -> tuple[Object, bool]:
    """Delete an object, or begin to: what it is now, and whether it is gone.

    ``entry`` may be an earlier state of it: whoever waited since does not undo what others have put meanwhile.

    Raises:
        ApiError: it is another one than the one meant, must not go, or has gone already.
    """
    latest = context.store.latest(entry.key)
    if latest is None or latest.uid != entry.uid:
        raise not_found(resource.plural, resource.group, entry.key.name)
    entry = latest
    check_meant(resource, entry, options)
    obj = entry.object()
    metadata = obj["metadata"]
    _check_may_go(resource, entry.key.name)
    is_begun = bool(metadata.get("deletionTimestamp"))
    _begin(resource, obj, options, context)
    is_gone = may_go(obj)
    if options.dry_run:
        return obj, is_gone
    if is_gone:
        await take_away(context, entry.key, obj)
    elif not is_begun or encode(obj) != entry.body:
        await context.store.put(entry.key, obj, urgent=True)
    return obj, is_gone


def check_meant(resource: Resource, entry: Entry, options: DeleteOptions) -> None:
    """The preconditions hold.

    Raises:
        ApiError: 409, it is another object, or in another state.
    """
    if options.uid and options.uid != entry.uid:
        raise other_uid(resource, entry.object()["metadata"], options.uid[:60])
    if options.resource_version and options.resource_version != str(entry.revision):
        raise modified(resource, entry.key.name)


def _check_may_go(resource: Resource, name: str) -> None:
    if resource.kind == "Namespace" and name in FOREVER:
        raise forbidden("namespaces", "", name, "this namespace may not be deleted")
    if resource.kind == "PriorityClass" and any(name == one.meta.name for one in SYSTEM_CLASSES):
        because = "this is a system priority class and cannot be deleted"
        raise forbidden(resource.plural, resource.group, name, because)


def _begin(resource: Resource, obj: Object, options: DeleteOptions, context: Context) -> None:
    """Mark the object as one that is being deleted."""
    metadata = obj["metadata"]
    if options.policy:
        finalizers = [one for one in metadata.get("finalizers") or () if one not in (FOREGROUND, ORPHAN)]
        if word := _POLICIES[options.policy]:
            finalizers.append(word)
        if finalizers:
            metadata["finalizers"] = finalizers
        else:
            metadata.pop("finalizers", None)
    if resource.kind == "Pod":
        terminating(obj, _grace_seconds(obj, options, context.node_name), context.now())
        return
    if not metadata.get("deletionTimestamp"):
        metadata["deletionTimestamp"] = rfc3339(context.now())
        if resource.kind != "Namespace":
            metadata["deletionGracePeriodSeconds"] = 0
    if resource.kind == "Namespace":
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}


def _grace_seconds(pod: Object, options: DeleteOptions, node_name: str) -> int:
    """Source: pkg/registry/core/pod/strategy.go, CheckGracefulDelete; pkg/controller/podgc for pods of other nodes."""
    spec, status = pod["spec"], pod.get("status") or {}
    grace = options.grace_seconds
    if grace is None:
        grace = spec.get("terminationGracePeriodSeconds")
        grace = 30 if grace is None else grace
    if spec.get("nodeName") != node_name or status.get("phase") in _ENDED:
        return 0
    return max(0, int(grace))


def _wrong(field: str, value: str, message: str) -> ApiError:
    cause = Cause("FieldValueInvalid", f'Invalid value: "{value}": {message}', field)
    return invalid("DeleteOptions", "", "", [cause])
