"""Server-side apply: a manager says what it wants, and owns what it says.

Source: KEP 555; structured-merge-diff, merge/update.go; kubernetes,
staging/src/k8s.io/apimachinery/pkg/util/managedfields/internal/conflict.go (the words).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nodeguard.api.patch.fieldset import (
    SELF,
    FieldSet,
    Path,
    changed_fields,
    difference,
    fields_of,
    intersection,
    is_atomic,
    keyed,
    list_key,
    paths,
    union,
)
from nodeguard.api.patch.managed import APPLY, UPDATE, Share, read_shares, write_shares
from nodeguard.api.resource import Resource
from nodeguard.api.status import ApiError, Cause, apply_conflict
from nodeguard.model.instant import rfc3339

Object = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KUBECTL = "kubectl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """Who applies; with ``force`` it takes what belongs to others."""

    name: str
    force: bool
    subresource: str = ""


def apply(resource: Resource, live: Object | None, config: Object, manager: Manager, now: float) -> Object:
    """What the configuration makes of the live object, with its new owners; without one, of nothing.

    Raises:
        ApiError: 409, it would change what others own.
    """
    wanted = fields_of(resource, config)
    shares = read_shares(live) if live is not None else []
    id_ = (manager.name, APPLY, manager.subresource)
    own = next((share for share in shares if share.id == id_), None)
    others = [share for share in shares if share is not own]
    if live is not None and others:
        contested = _contested(resource, live, config, wanted)
        conflicts = [(share, common) for share in others if (common := intersection(share.fields, contested))]
        barred = [] if manager.force else _barred(resource, live, manager, conflicts)
        if barred:
            raise _conflict(barred)
        for share, common in conflicts:
            share.fields = difference(share.fields, common)
    merged = _merged(resource, copy.deepcopy(live) if live is not None else {}, config, ())
    if own is not None:
        kept = wanted
        for share in others:
            kept = union(kept, share.fields)
        _remove(resource, merged, difference(own.fields, kept), kept, ())
    if own is None or own.fields != wanted:
        shares = [*others, Share(*id_, wanted, resource.group_version, rfc3339(now))]
    merged["metadata"].pop("managedFields", None)
    write_shares(merged, shares)
    return merged


def _contested(resource: Resource, live: Object, config: Object, wanted: FieldSet) -> FieldSet:
    """What the configuration wants otherwise than it is."""
    return intersection(changed_fields(resource, live, _merged(resource, copy.deepcopy(live), config, ())), wanted)


def _barred(
    resource: Resource, live: Object, manager: Manager, conflicts: list[tuple[Share, FieldSet]]
) -> list[tuple[Share, FieldSet]]:
    """The conflicts that count. For who goes over from client-side apply what was applied so does not.

    Source: staging/src/k8s.io/apimachinery/pkg/util/managedfields/internal/lastappliedmanager.go.
    """
    if manager.name != _KUBECTL:
        return conflicts
    annotations = live["metadata"].get("annotations") or {}
    try:
        applied = json.loads(annotations.get(LAST_APPLIED, ""))
    except ValueError:
        return conflicts
    if not isinstance(applied, dict):
        return conflicts
    allowed = difference(fields_of(resource, applied), changed_fields(resource, live, applied))
    return [(share, rest) for share, common in conflicts if (rest := difference(common, allowed))]


def _merged(resource: Resource, live: Any, config: Mapping[str, Any], path: Path) -> Object:
    result: Object = live if isinstance(live, dict) else {}
    for key, value in config.items():
        below = (*path, key)
        if isinstance(value, dict) and not is_atomic(resource, below):
            result[key] = _merged(resource, result.get(key), value, below)
        elif isinstance(value, list) and not is_atomic(resource, below):
            result[key] = _merged_list(resource, result.get(key), value, below)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _merged_list(resource: Resource, live: Any, config: list[Any], path: Path) -> list[Any]:
    known = keyed(resource, path, live) if isinstance(live, list) else {}
    wanted = keyed(resource, path, config)
    if known is None or wanted is None:
        return copy.deepcopy(config)
    merged = dict(known)
    for key, item in wanted.items():
        merged[key] = _merged(resource, known.get(key), item, path) if isinstance(item, dict) else item
    return list(merged.values())


def _remove(resource: Resource, value: Any, fields: FieldSet, kept: FieldSet, path: Path) -> None:
    """Take out what nobody wants any longer."""
    for key, below in fields.items():
        kind, _, name = key.partition(":")
        kept_below = kept.get(key, {})
        if kind == "f" and isinstance(value, dict) and name in value:
            inner, at = value[name], (*path, name)
            if below:
                _remove(resource, inner, below, kept_below, at)
            if (not below and not kept_below) or (isinstance(inner, dict | list) and not inner and key not in kept):
                del value[name]
    if isinstance(value, list):
        _remove_items(resource, value, fields, kept, path)


def _remove_items(resource: Resource, items: list[Any], fields: FieldSet, kept: FieldSet, path: Path) -> None:
    left = []
    for item in items:
        key = list_key(resource, path, item)
        if key is None or key not in fields:
            left.append(item)
            continue
        below = fields[key]
        if (not below or SELF in below) and key not in kept:
            continue
        rest = {name: value for name, value in below.items() if name != SELF and not _is_key_of(name, key)}
        _remove(resource, item, rest, kept.get(key, {}), path)
        left.append(item)
    items[:] = left


def _is_key_of(field: str, key: str) -> bool:
    """Whether the field is one by which the entry is known; it stays as long as the entry does."""
    return key.startswith("k:") and field.removeprefix("f:") in json.loads(key[2:])


def _conflict(conflicts: list[tuple[Share, FieldSet]]) -> ApiError:
    causes, parts = [], []
    for share, fields in conflicts:
        who = f'"{share.manager}"'
        if share.subresource:
            who += f' with subresource "{share.subresource}"'
        if share.operation == UPDATE:
            who += f" using {share.api_version}" + (f" at {share.time}" if share.time else "")
        found = paths(fields)
        causes += [Cause("FieldManagerConflict", f"conflict with {who}", path) for path in found]
        listed = f" {found[0]}" if len(found) == 1 else "\n" + "\n".join(f"- {path}" for path in found)
        parts.append(f"conflict{'s' if len(found) > 1 else ''} with {who}:{listed}")
    plural = "s" if len(causes) > 1 else ""
    return apply_conflict(causes, f"Apply failed with {len(causes)} conflict{plural}: " + "\n".join(parts))
