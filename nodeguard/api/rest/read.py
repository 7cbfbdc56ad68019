"""Get and list.

Source: kubernetes, staging/src/k8s.io/apiserver/pkg/endpoints/handlers/get.go; API concepts, "Resource versions".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nodeguard.api.context import Context
from nodeguard.api.events_group import core_field
from nodeguard.api.rest.form import choose_form
from nodeguard.api.rest.option import ListOptions, continue_token, parse_revision
from nodeguard.api.rest.respond import body_response
from nodeguard.api.rest.selector import Selector, parse_selector
from nodeguard.api.rest.target import Target
from nodeguard.api.status import expired, not_found, too_large_version
from nodeguard.api.store.entry import FIELDS, Entry


def get_object(context: Context, target: Target, request: Request) -> Response:
    """One object.

    Raises:
        ApiError: 404; or the client wants a form that is not served.
    """
    form = choose_form(
        target.resource, request.headers.get("accept", ""), request.query_params.get("includeObject", "")
    )
    wanted = request.query_params.get("resourceVersion", "")
    check_not_ahead(context, parse_revision(wanted) if wanted else 0)
    entry = context.store.get(target.key)
    if entry is None:
        raise not_found(target.resource.plural, target.resource.group, target.name)
    return body_response(form.one(entry, context.now()))


def list_objects(context: Context, target: Target, request: Request, options: ListOptions) -> Response:
    """A list, or the part of it that ``limit`` and ``continue`` ask for.

    Raises:
        ApiError: the options make no sense, or ask for what is no longer, or not yet, there.
    """
    accept, include = request.headers.get("accept", ""), request.query_params.get("includeObject", "")
    form = choose_form(target.resource, accept, include, is_list=True)
    selector = target_selector(target, options)
    revision = _list_revision(context, target, options)
    found: Sequence[Entry] = context.store.entries(target.storage, target.namespace)
    if options.start_after is not None:
        after = options.start_after[1:]
        found = [entry for entry in found if (entry.key.namespace, entry.key.name) > after]
    if not selector.is_everything:
        found = [entry for entry in found if selector.matches(entry)]
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if options.limit and len(found) > options.limit:
        remaining = len(found) - options.limit
        found = found[: options.limit]
        metadata["continue"] = continue_token(revision, found[-1].key.namespace, found[-1].key.name)
        if selector.is_everything:
            metadata["remainingItemCount"] = remaining
    return body_response(form.many(found, context.now(), metadata))


def target_selector(target: Target, options: ListOptions) -> Selector:
    """The selector of a request; a name in the path counts as one.

    Raises:
        ApiError: 400.
    """
    known = FIELDS.get(target.storage, ())
    text = options.field_selector
    if target.resource.group == "events.k8s.io":
        text = ",".join(core_field(term) for term in text.split(","))
    selector = parse_selector(options.label_selector, text, known)
    if not target.name:
        return selector
    return Selector(labels=selector.labels, fields=(*selector.fields, ("metadata.name", target.name, True)))


def check_not_ahead(context: Context, revision: int) -> None:
    """Nobody can have seen a revision that is not there yet, but from a store that was lost.

    Raises:
        ApiError: 504, with the words at which clients begin anew.
    """
    if revision > context.store.revision:
        raise too_large_version(revision, context.store.revision)


def _list_revision(context: Context, target: Target, options: ListOptions) -> int:
    """The revision that the list tells.

    Parts after the first tell the first one's: who watches from there is told all that changed between the parts.
    """
    if options.start_after is not None:
        revision = options.start_after[0]
        check_not_ahead(context, revision)
        if revision < context.store.window(target.storage).complete_since:
            raise expired("The provided continue parameter is too old to display a consistent list result.")
        return revision
    wanted = parse_revision(options.resource_version) if options.resource_version else 0
    check_not_ahead(context, wanted)
    current = context.store.revision
    if options.resource_version_match == "Exact" and wanted != current:
        if context.store.window(target.storage).has_after(wanted):
            raise expired(f"The resourceVersion for the provided list is too old: {wanted}, current: {current}.")
        return wanted
    return current
