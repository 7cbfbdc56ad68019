"""Sets of fields of an object, in the form in which ``managedFields`` has them.

``{"f:spec": {"f:containers": {"k:{\\"name\\":\\"a\\"}": {".": {}, "f:image": {}}}}}``: a field is ``f:`` and its name,
an entry of a list with keys ``k:`` and those, a value of a set ``v:`` and itself; what has nothing below it is in the
set, and so is what has ``.`` below it.

Source: structured-merge-diff, fieldpath/serialize.go, typed/merge.go; KEP 555.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nodeguard.api.mergekey import merge_key
from nodeguard.api.resource import Resource

FieldSet = dict[str, Any]
Path = tuple[str, ...]

SELF = "."
_KEY_DEFAULTS = {"protocol": "TCP"}
"""Source: kubernetes, types.go, ContainerPort.protocol: +default="TCP"; a list's key that may be left out."""

_NEVER_OWNED: FieldSet = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        f"f:{name}": {}
        for name in (
            *("name", "namespace", "uid", "selfLink", "resourceVersion", "generation", "managedFields"),
            *("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName"),
        )
    },
}


def fields_of(resource: Resource, obj: Mapping[str, Any]) -> FieldSet:
    """Every field of the object that somebody can own."""
    return difference(_children(resource, obj, ()), _NEVER_OWNED)


def changed_fields(resource: Resource, old: Mapping[str, Any], new: Mapping[str, Any]) -> FieldSet:
    """Every field of ``new`` that ``old`` has not, or has with another value."""
    return difference(_changed(resource, old, new, ()), _NEVER_OWNED)


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in either set."""
    result = dict(one)
    for key, below in other.items():
        result[key] = (
            _folded(union(_unfolded(result[key]), _unfolded(below))) if key in result and key != SELF else below
        )
    return result


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in ``one`` and not in ``other``."""
    result: FieldSet = {}
    for key, below in one.items():
        if key not in other:
            result[key] = below
        elif key != SELF and (left := difference(_unfolded(below), _unfolded(other[key]))):
            result[key] = _folded(left)
    return result


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in both sets."""
    result: FieldSet = {}
    for key, below in one.items():
        if key == SELF and key in other:
            result[key] = {}
        elif key in other and (common := intersection(_unfolded(below), _unfolded(other[key]))):
            result[key] = _folded(common)
    return result


def _unfolded(below: FieldSet) -> FieldSet:
    return below or {SELF: {}}


def _folded(below: FieldSet) -> FieldSet:
    return {} if below == {SELF: {}} else below


def list_key(resource: Resource, path: Path, item: Any) -> str | None:
    """How an entry of the list at ``path`` is called in a set; None when it cannot be told from others."""
    rule = merge_key(resource, path)
    if rule.type == "set" and not isinstance(item, dict | list):
        return "v:" + json.dumps(item, separators=(",", ":"))
    if rule.type != "map" or not isinstance(item, dict):
        return None
    keys = {key: item.get(key, _KEY_DEFAULTS.get(key)) for key in sorted(rule.keys)}
    if any(isinstance(value, dict | list) for value in keys.values()) or all(v is None for v in keys.values()):
        return None
    named = {key: value for key, value in keys.items() if value is not None}
    return "k:" + json.dumps(named, separators=(",", ":"))


def keyed(resource: Resource, path: Path, items: list[Any]) -> dict[str, Any] | None:
    """The entries of a list by their keys; None when the list is one value, or its entries cannot be told apart."""
    found: dict[str, Any] = {}
    for item in items:
        key = list_key(resource, path, item)
        if key is None or key in found:
            return None
        found[key] = item
    return found


def is_atomic(resource: Resource, path: Path) -> bool:
    """Whether the value at the path is owned and replaced as a whole."""
    return merge_key(resource, path).type == "atomic"


def paths(fields: FieldSet, prefix: str = "") -> list[str]:
    """Every field of a set as text: ``.spec.containers[name="a"].image``."""
    found: list[str] = []
    for key, below in fields.items():
        if key == SELF:
            found.append(prefix)
            continue
        kind, _, name = key.partition(":")
        text = f"{prefix}.{name}" if kind == "f" else f"{prefix}[{_bracketed(kind, name)}]"
        found += paths(below, text) if below else [text]
    return found


def is_field_set(value: Any, depth: int = 0) -> bool:
    """Whether a client's value is a set."""
    if not isinstance(value, dict) or depth > 60:
        return False
    return all(
        (key == SELF or key[:2] in ("f:", "k:", "v:", "i:")) and is_field_set(v, depth + 1) for key, v in value.items()
    )


def _bracketed(kind: str, name: str) -> str:
    try:
        value = json.loads(name)
    except ValueError:
        return name
    if kind == "k" and isinstance(value, dict):
        return ",".join(f"{key}={json.dumps(item)}" for key, item in value.items())
    return f"={name}" if kind == "v" else name


def _children(resource: Resource, value: Mapping[str, Any], path: Path) -> FieldSet:
    return {f"f:{key}": _below(resource, item, (*path, key)) for key, item in value.items()}


def _below(resource: Resource, value: Any, path: Path) -> FieldSet:
    if not value or is_atomic(resource, path):
        return {}
    if isinstance(value, dict):
        return _children(resource, value, path)
    if isinstance(value, list):
        items = keyed(resource, path, value)
        return {} if items is None else {key: _item(resource, item, path) for key, item in items.items()}
    return {}


def _item(resource: Resource, item: Any, path: Path) -> FieldSet:
    return {SELF: {}, **_children(resource, item, path)} if isinstance(item, dict) else {}


def _changed(resource: Resource, old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> FieldSet:
    found: FieldSet = {}
    for key, value in new.items():
        below = (*path, key)
        if key not in old:
            found[f"f:{key}"] = _below(resource, value, below)
        elif value != old[key]:
            changes = _changed_value(resource, old[key], value, below)
            if changes is not None:
                found[f"f:{key}"] = changes
    return found


def _changed_value(resource: Resource, old: Any, new: Any, path: Path) -> FieldSet | None:
    """The changes below a value that differs; None when there is none but what is gone."""
    if is_atomic(resource, path):
        return {}
    if isinstance(old, dict) and isinstance(new, dict):
        return _changed(resource, old, new, path) or None
    if isinstance(old, list) and isinstance(new, list):
        before, after = keyed(resource, path, old), keyed(resource, path, new)
        if before is None or after is None:
            return {}
        found: FieldSet = {}
        for key, item in after.items():
            if key not in before:
                found[key] = _item(resource, item, path)
            elif item != before[key]:
                found[key] = _changed(resource, before[key], item, path)
        return {key: below for key, below in found.items() if below or key not in before} or None
    return _below(resource, new, path)
