"""What the query string of a request asks for.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go: ListOptions, CreateOptions, …;
pkg/apis/meta/v1/validation.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nodeguard.api.status import ApiError, Cause, bad_request, invalid

FIELD_VALIDATION = ("Strict", "Warn", "Ignore")
_MAX_INT64 = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """Of a list, a watch, or a deletecollection."""

    label_selector: str
    field_selector: str
    resource_version: str
    resource_version_match: str
    limit: int
    start_after: tuple[int, str, str] | None
    """From ``continue``: the revision of the list's first part, and the last namespace and name it had."""
    watch: bool
    bookmarks: bool
    send_initial_events: bool | None
    timeout_seconds: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """Of a create, update or patch."""

    dry_run: bool
    field_manager: str
    field_validation: str
    force: bool


def is_true(text: str | None) -> bool:
    """A bool of a query string; a key without a value is true."""
    return text is not None and text.lower() not in ("false", "0", "f", "no")


def list_options(query: Mapping[str, str]) -> ListOptions:
    """The options, checked.

    Raises:
        ApiError: they make no sense.
    """
    options = ListOptions(
        label_selector=query.get("labelSelector", ""),
        field_selector=query.get("fieldSelector", ""),
        resource_version=query.get("resourceVersion", ""),
        resource_version_match=query.get("resourceVersionMatch", ""),
        limit=_number(query, "limit") or 0,
        start_after=_start_after(query.get("continue", "")),
        watch=is_true(query.get("watch")),
        bookmarks=is_true(query.get("allowWatchBookmarks")),
        send_initial_events=is_true(query["sendInitialEvents"]) if "sendInitialEvents" in query else None,
        timeout_seconds=_number(query, "timeoutSeconds"),
    )
    causes = list(_list_faults(options, is_continued=bool(query.get("continue"))))
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)
    return options


def _list_faults(options: ListOptions, *, is_continued: bool) -> list[Cause]:
    """Source: staging/src/k8s.io/apimachinery/pkg/apis/meta/internalversion/validation/validation.go."""
    found = []

    def forbid(field: str, message: str) -> None:
        found.append(Cause("FieldValueForbidden", f"Forbidden: {message}", field))

    match = options.resource_version_match
    if options.watch:
        if options.send_initial_events is not None and match != "NotOlderThan":
            forbid("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        if options.send_initial_events is None and match:
            forbid(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            )
        if options.send_initial_events and not options.bookmarks:
            forbid("allowWatchBookmarks", "sendInitialEvents requires allowWatchBookmarks")
        return found
    if options.send_initial_events is not None:
        forbid("sendInitialEvents", "sendInitialEvents is forbidden for list")
    if match:
        if not options.resource_version:
            forbid("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
        if is_continued:
            forbid("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
        if match not in ("Exact", "NotOlderThan"):
            words = 'supported values: "Exact", "NotOlderThan"'
            found.append(
                Cause("FieldValueNotSupported", f'Unsupported value: "{match}": {words}', "resourceVersionMatch")
            )
        if match == "Exact" and options.resource_version == "0":
            forbid("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if is_continued and options.resource_version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    return found


def write_options(query: Mapping[str, str], user_agent: str) -> WriteOptions:
    """The options, checked. Without ``fieldManager`` the manager is the first word of the client's name.

    Raises:
        ApiError: they make no sense.
    """
    manager = query.get("fieldManager", "")
    if len(manager) > 128 or not manager.isprintable():
        message = "Invalid value: must be printable and at most 128 characters"
        raise invalid("PatchOptions", "meta.k8s.io", "", [Cause("FieldValueInvalid", message, "fieldManager")])
    validation = query.get("fieldValidation", "")
    if validation not in ("", *FIELD_VALIDATION):
        message = f'Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
        raise invalid("CreateOptions", "meta.k8s.io", "", [Cause("FieldValueNotSupported", message, "fieldValidation")])
    return WriteOptions(
        dry_run=parse_dry_run(query.get("dryRun")),
        field_manager=manager or user_agent.split("/")[0][:128] or "unknown",
        field_validation=validation or "Warn",
        force=is_true(query.get("force")),
    )


def parse_dry_run(value: Any) -> bool:
    """Whether nothing is to be changed; ``All`` is the only word, alone or in a list.

    Raises:
        ApiError: it is another one.
    """
    words = value if isinstance(value, list) else [value] if value else []
    if not words:
        return False
    if words == ["All"]:
        return True
    message = f'Unsupported value: {json.dumps(words)[:100]}: supported values: "All"'
    raise invalid("DeleteOptions", "meta.k8s.io", "", [Cause("FieldValueNotSupported", message, "dryRun")])


def parse_revision(text: str) -> int:
    """The number in a resourceVersion.

    Raises:
        ApiError: it is none.
    """
    if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= _MAX_INT64:
        return int(text)
    message = f'Invalid value: "{text[:40]}": must be a number'
    raise invalid("ListOptions", "meta.k8s.io", "", [Cause("FieldValueInvalid", message, "resourceVersion")])


def continue_token(revision: int, namespace: str, name: str) -> str:
    """What ``_start_after`` reads."""
    return base64.urlsafe_b64encode(json.dumps([revision, namespace, name]).encode()).decode().rstrip("=")


def _start_after(token: str) -> tuple[int, str, str] | None:
    if not token:
        return None
    try:
        revision, namespace, name = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise bad_request("continue key is not valid") from None
    if type(revision) is not int or not isinstance(namespace, str) or not isinstance(name, str):
        raise bad_request("continue key is not valid")
    return revision, namespace, name


def _number(query: Mapping[str, str], key: str) -> int | None:
    text = query.get(key, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ApiError(400, "BadRequest", f'{key}: "{text[:40]}" is no number')
    return int(text)
