"""Create, update and patch: one way from a request to the store.

What is read, decided and put happens without waiting in between, so nobody else's change can come into it.

Source: kubernetes, staging/src/k8s.io/apiserver/pkg/endpoints/handlers/create.go, update.go, patch.go;
pkg/registry/generic/registry/store.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nodeguard.api.admit import Admitted, Desk, admit_changed, admit_new, admit_status
from nodeguard.api.admit_meta import begin_metadata, check_identity, keep_metadata
from nodeguard.api.admit_namespace import check_namespace
from nodeguard.api.context import Context
from nodeguard.api.events_group import as_core_group, as_events_group
from nodeguard.api.forgotten import take_away
from nodeguard.api.patch.managed import track
from nodeguard.api.rest.body import read_object
from nodeguard.api.rest.form import choose_form
from nodeguard.api.rest.option import WriteOptions, write_options
from nodeguard.api.rest.respond import warning_headers
from nodeguard.api.rest.target import Target
from nodeguard.api.status import already_exists, method_not_allowed, not_found
from nodeguard.api.store.entry import Entry, Object

_NAME_ATTEMPTS = 8


async def create(context: Context, target: Target, request: Request) -> Response:
    """Make the object of the body."""
    options = write_options(request.query_params, request.headers.get("user-agent", ""))
    obj = await read_object(request)
    return await create_object(context, target, request, obj, options)


async def create_object(
    context: Context, target: Target, request: Request, obj: Object, options: WriteOptions, *, is_tracked: bool = True
) -> Response:
    """Make an object and answer with it.

    Raises:
        ApiError: why it is not made.
    """
    resource = target.resource
    if resource.namespaced and not target.namespace:
        raise method_not_allowed(resource.plural, resource.group, "create")
    check_identity(resource, obj, target.namespace, target.name)
    name = str(obj["metadata"].get("name") or "")
    if resource.namespaced:
        check_namespace(context.store, resource, target.namespace, name)
    for attempt in range(_NAME_ATTEMPTS):
        begin_metadata(resource, obj, context.now())
        key = target.key._replace(name=str(obj["metadata"].get("name") or ""))
        if context.store.latest(key) is None:
            break
        if name or attempt == _NAME_ATTEMPTS - 1:
            raise already_exists(resource.plural, resource.group, key.name)
        obj["metadata"].pop("name")
    desk = Desk(store=context.store, node_name=context.node_name)
    admitted = admit_new(desk, resource, obj, options.field_validation)
    made = admitted.object
    if is_tracked and admitted.sent is not None:
        track(resource, None, admitted.sent, options.field_manager, context.now(), "")
        made["metadata"]["managedFields"] = admitted.sent["metadata"].get("managedFields", [])
    if resource.group == "events.k8s.io":
        made = as_core_group(made)
    if options.dry_run:
        return answer(context, target, request, made, 201, admitted.warnings)
    done = context.store.put(key, made)
    return answer(context, target, request, await done, 201, admitted.warnings)


async def update(context: Context, target: Target, request: Request) -> Response:
    """Replace the object by the body."""
    options = write_options(request.query_params, request.headers.get("user-agent", ""))
    obj = await read_object(request)
    return await change_object(context, target, request, options, lambda _: obj)


async def change_object(
    context: Context,
    target: Target,
    request: Request,
    options: WriteOptions,
    change: Callable[[Object], Object],
    *,
    is_tracked: bool = True,
) -> Response:
    """Put what ``change`` makes of the object, if that is another one, and answer with it.

    Raises:
        ApiError: why it is not changed.
    """
    resource, store = target.resource, context.store
    entry = store.latest(target.key)
    if entry is None:
        raise not_found(resource.plural, resource.group, target.name)
    old = entry.object()
    admitted = change_admitted(context, target, old, change, options)
    new = admitted.object
    if is_tracked:
        track(resource, old, new, options.field_manager, context.now(), target.subresource)
    if is_same(old, new):
        if not options.dry_run:
            await store.committed(target.key)
        return answer(context, target, request, entry, 200, admitted.warnings)
    if options.dry_run:
        return answer(context, target, request, new, 200, admitted.warnings)
    done = take_away(context, target.key, new) if may_go(new) else store.put(target.key, new)
    return answer(context, target, request, await done, 200, admitted.warnings)


def change_admitted(
    context: Context, target: Target, old: Object, change: Callable[[Object], Object], options: WriteOptions
) -> Admitted:
    """What ``change`` makes of the object, admitted.

    Raises:
        ApiError: every fault of it.
    """
    resource = target.resource
    is_event = resource.group == "events.k8s.io"
    shown = as_events_group(old) if is_event else old
    new = change(shown)
    check_identity(resource, new, target.namespace, target.name)
    keep_metadata(resource, new, old)
    if target.subresource == "status":
        return admit_status(resource, new, old)
    desk = Desk(store=context.store, node_name=context.node_name)
    admitted = admit_changed(desk, resource, new, shown, options.field_validation)
    if is_event:
        return Admitted(object=as_core_group(admitted.object), warnings=admitted.warnings)
    return admitted


def may_go(obj: Object) -> bool:
    """Whether nothing holds an object any longer that is being deleted."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if obj["kind"] == "Namespace" and obj.get("spec", {}).get("finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds")


def is_same(old: Object, new: Object) -> bool:
    """Whether nothing but bookkeeping differs."""
    return _without_bookkeeping(old) == _without_bookkeeping(new)


def answer(
    context: Context,
    target: Target,
    request: Request,
    outcome: Entry | Object,
    code: int,
    warnings: Sequence[str] = (),
) -> Response:
    """The object, stored or not, in the form the client wants."""
    accept, include = request.headers.get("accept", ""), request.query_params.get("includeObject", "")
    form = choose_form(target.resource, accept, include)
    if isinstance(outcome, Entry):
        body = form.one(outcome, context.now())
    else:
        shown = as_events_group(outcome) if target.resource.group == "events.k8s.io" else outcome
        body = form.object(shown, context.now())
    response = Response(body, code, media_type="application/json")
    response.raw_headers.extend(warning_headers(warnings))
    return response


def _without_bookkeeping(obj: Object) -> Mapping[str, Any]:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in ("managedFields", "resourceVersion")}
    return {**obj, "metadata": metadata, "managers": _owned(obj)}


def _owned(obj: Object) -> list[Mapping[str, Any]]:
    """Who owns what, without the times."""
    entries = obj["metadata"].get("managedFields") or ()
    return [{key: value for key, value in entry.items() if key != "time"} for entry in entries]
