"""Strategic merge patch: a merge patch that knows which lists have entries with names.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/util/strategicpatch/patch.go (mergeMap, mergeSlice,
normalizeElementOrder); contributors/devel/sig-api-machinery/strategic-merge-patch.md.
"""

from __future__ import annotations

import copy
import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from nodeguard.api.mergekey import merge_key
from nodeguard.api.patch.fault import PatchFault
from nodeguard.api.resource import Resource

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"

Object = dict[str, Any]
Path = tuple[str, ...]


def strategic_merge(resource: Resource, original: Object, patch: Any) -> Object:
    """What the patch makes of an object of the resource, which stays as it is.

    Raises:
        PatchFault: the patch makes no sense.
    """
    if not isinstance(patch, dict):
        raise PatchFault("a strategic merge patch is an object")
    return _Merge(resource).map(copy.deepcopy(original), patch, ())


class _Merge:
    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    def map(self, original: Object, patch: Object, path: Path) -> Object:
        """The original, changed."""
        directive = patch.get(_DIRECTIVE)
        if directive == "replace":
            return self.map({}, {key: value for key, value in patch.items() if key != _DIRECTIVE}, path)
        if directive == "delete":
            return {}
        if directive not in (None, "merge"):
            raise PatchFault(f"unknown patch type {str(directive)[:40]!r} at {_text(path)}")
        self._retain(original, patch, path)
        ordered = {key.removeprefix(_ORDER): value for key, value in patch.items() if key.startswith(_ORDER)}
        for key, value in patch.items():
            if key.startswith(_DELETE_FROM):
                self._delete_from(original, key.removeprefix(_DELETE_FROM), value, path)
            elif key not in (_DIRECTIVE, _RETAIN) and not key.startswith(_ORDER):
                before = original.get(key)
                self._entry(original, key, value, (*path, key))
                if key in ordered and isinstance(original.get(key), list):
                    server = before if isinstance(before, list) else []
                    original[key] = self._in_order(original[key], ordered[key], server, (*path, key))
        for key, order in ordered.items():
            if key not in patch and isinstance(original.get(key), list):
                original[key] = self._in_order(original[key], order, list(original[key]), (*path, key))
        return original

    def _retain(self, original: Object, patch: Object, path: Path) -> None:
        if _RETAIN not in patch:
            return
        kept = patch[_RETAIN]
        if not isinstance(kept, list) or not all(isinstance(key, str) for key in kept):
            raise PatchFault(f"{_RETAIN} at {_text(path)} is no list of names")
        named = [key for key, value in patch.items() if not key.startswith("$") and value is not None]
        if missing := [key for key in named if key not in kept]:
            raise PatchFault(
                f"{_RETAIN} at {_text(path)} does not name what the patch sets: {', '.join(missing)[:200]}"
            )
        for key in [key for key in original if key not in kept]:
            del original[key]

    def _delete_from(self, original: Object, key: str, values: Any, path: Path) -> None:
        if not isinstance(values, list):
            raise PatchFault(f"{_DELETE_FROM}{key[:100]} at {_text(path)} is no list")
        if isinstance(original.get(key), list):
            original[key] = [one for one in original[key] if one not in values]

    def _entry(self, original: Object, key: str, value: Any, path: Path) -> None:
        if value is None:
            original.pop(key, None)
            return
        known = original.get(key)
        rule = merge_key(self._resource, path)
        if isinstance(value, dict):
            around = known if isinstance(known, dict) and rule.strategy != "replace" else {}
            original[key] = self.map(around, value, path)
        elif isinstance(value, list):
            before = known if isinstance(known, list) else []
            original[key] = self._list(before, value, path)
        else:
            original[key] = value

    def _list(self, original: list[Any], patch: list[Any], path: Path) -> list[Any]:
        rule = merge_key(self._resource, path)
        if not rule.strategy.startswith("merge"):
            return copy.deepcopy(patch)
        if not rule.key:
            if any(isinstance(one, dict | list) for one in patch):
                raise PatchFault(f"{_text(path)} is a list of plain values")
            merged = list(original)
            merged += [one for one in dict.fromkeys(patch) if one not in original]
            return _with_patch_first(merged, patch, original, "")
        _check_keys(patch, rule.key, path)
        if any(one.get(_DIRECTIVE) == "replace" for one in patch):
            return [self.map({}, one, path) for one in patch if _DIRECTIVE not in one]
        gone = {_identity(one, rule.key) for one in patch if one.get(_DIRECTIVE) == "delete"}
        merged = [one for one in original if _identity(one, rule.key) not in gone]
        kept = [one for one in patch if one.get(_DIRECTIVE) != "delete"]
        places = _places(merged, rule.key)
        for one in kept:
            position = places.setdefault(_identity(one, rule.key), len(merged))
            if position == len(merged):
                merged.append(self.map({}, one, path))
            else:
                merged[position] = self.map(merged[position], one, path)
        return _with_patch_first(merged, kept, original, rule.key)

    def _in_order(self, merged: list[Any], order: Any, server: list[Any], path: Path) -> list[Any]:
        if not isinstance(order, list):
            raise PatchFault(f"{_ORDER}{path[-1][:100]} is no list")
        rule = merge_key(self._resource, path)
        if not rule.strategy.startswith("merge"):
            raise PatchFault(f"{_ORDER}{path[-1][:100]}: the list is not merged")
        if rule.key:
            _check_keys(order, rule.key, path)
        elif any(isinstance(one, dict | list) for one in order):
            raise PatchFault(f"{_ORDER}{path[-1][:100]} is a list of plain values")
        return _with_patch_first(merged, order, server, rule.key)


def _with_patch_first(merged: list[Any], order: Sequence[Any], server: list[Any], key: str) -> list[Any]:
    """Entries of ``order`` in its order, the others where they stood on the server relative to those.

    What has no place relative to them comes after: so a new entry comes first.
    """
    ordered, on_server = _places(order, key), _places(server, key)
    known = [(_identity(one, key), one) for one in merged]
    named = deque(sorted((pair for pair in known if pair[0] in ordered), key=lambda pair: ordered[pair[0]]))
    last = len(server)
    others = deque(sorted((pair for pair in known if pair[0] not in ordered), key=lambda p: on_server.get(p[0], last)))
    result: list[Any] = []
    while named and others:
        left, right = on_server.get(others[0][0]), on_server.get(named[0][0])
        is_before = left is not None and right is not None and left < right
        result.append((others if is_before else named).popleft()[1])
    return result + [one for _, one in (*named, *others)]


def _places(entries: Sequence[Any], key: str) -> dict[str, int]:
    """Where each entry stands first."""
    places: dict[str, int] = {}
    for position, one in enumerate(entries):
        places.setdefault(_identity(one, key), position)
    return places


def _identity(one: Any, key: str) -> str:
    """The same for what counts as the same entry: the value of its key, or the plain value itself."""
    if not key:
        return json.dumps(one, sort_keys=True)
    return json.dumps(one[key], sort_keys=True) if isinstance(one, dict) and key in one else f"none {id(one)}"


def _check_keys(entries: list[Any], key: str, path: Path) -> None:
    for one in entries:
        if not isinstance(one, dict):
            raise PatchFault(f"{_text(path)} is a list of objects")
        if key not in one and one.get(_DIRECTIVE) != "replace":
            raise PatchFault(f"an entry of {_text(path)} does not contain the declared merge key: {key}")
        if isinstance(one.get(key), dict | list):
            raise PatchFault(f"an entry of {_text(path)} has a {key} that is no plain value")


def _text(path: Path) -> str:
    return ".".join(path)[:200] or "the top"
