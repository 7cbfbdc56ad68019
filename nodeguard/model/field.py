"""The field table: every field of Pod, PriorityClass and List, with what nodeguard does with it.

The same table checks manifests and documents them, so the two cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from nodeguard.model.containertable import CONTAINER, PROBE
from nodeguard.model.fieldtype import Field, Support, Table
from nodeguard.model.placetable import PLACE
from nodeguard.model.podtable import KINDS, META, POD
from nodeguard.model.volumetable import VOLUME

OBJECTS: Table = {**KINDS, **META, **POD, **CONTAINER, **PROBE, **VOLUME, **PLACE}
"""Every object, by name; a type that is not in here is a plain one."""


def element_type(type: str) -> str:  # noqa: A002 - the column's name
    """What a list or map type is made of: ``Container`` for ``[]Container``."""
    return type.removeprefix("[]").removeprefix("map[string]")


def find_field(path: str) -> Field | None:
    """The field at a path such as ``pod.spec.containers.resources``; None when there is none.

    The first part is the kind, in any case; list positions are left out.
    """
    kind, *names = path.split(".")
    fields = next((OBJECTS[name] for name in KINDS if name.lower() == kind.lower()), {})
    found: Field | None = None
    for name in names:
        found = fields.get(name)
        if found is None:
            return None
        fields = OBJECTS.get(element_type(found.type), {})
    return found


def walk_fields(kind: str) -> Iterator[tuple[str, Field, Support]]:
    """Every field of a kind: its path (``spec.containers[].name``), itself, and its support.

    Below a field that is refused or only warned of, the same holds.
    """

    def walk(name: str, prefix: str, around: Support) -> Iterator[tuple[str, Field, Support]]:
        for key, field in OBJECTS[name].items():
            support = max(around, field.support, key=_STRENGTH.index)
            yield prefix + key, field, support
            inner = element_type(field.type)
            if inner in OBJECTS:
                mark = "[]" if field.type.startswith("[]") else ""
                yield from walk(inner, f"{prefix}{key}{mark}.", support)

    yield from walk(kind, "", Support.HONOURED)


_STRENGTH = (Support.HONOURED, Support.WARNING, Support.UNSUPPORTED)
