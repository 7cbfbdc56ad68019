"""How the list or map at a path of an object is merged: the type at the path, and its rule."""

from __future__ import annotations

from collections.abc import Sequence

from nodeguard.api.resource import Resource
from nodeguard.model.apitable import API_OBJECTS
from nodeguard.model.field import element_type
from nodeguard.model.mergetable import ATOMIC_OBJECTS, MERGES, REPLACED, Merge

_PLAIN = Merge()


def merge_key(resource: Resource, path: Sequence[str]) -> Merge:
    """The rule at a path such as ``("spec", "containers", "env")``: field names only, no list positions, no map keys.

    A list without a rule is atomic; a map or an object without one is merged by its keys; below what the field table
    does not know, everything is.
    """
    around, field_type = "", resource.table_name
    for name in path:
        around = element_type(field_type)
        field = API_OBJECTS.get(around, {}).get(name)
        if field is None:
            return _PLAIN
        field_type = field.type
    rule = MERGES.get(around, {}).get(path[-1]) if path else None
    if rule is not None:
        return rule
    return REPLACED if field_type.startswith("[]") or field_type in ATOMIC_OBJECTS else _PLAIN
