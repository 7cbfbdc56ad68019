"""Values as the plain objects of our own JSON outputs, and the JSON Schema that describes them.

Field names become camelCase; a trailing underscore, which keeps a name off Python's keywords, goes. The metadata of a
field can say otherwise.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from nodeguard.model.instant import rfc3339

_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}


def wire_name(field_name: str) -> str:
    """``cpu_quota_us`` as ``cpuQuotaUs``."""
    first, *others = field_name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in others)


INSTANT: Mapping[str, Any] = {"is_instant": True}
"""The metadata of a field with UNIX seconds that goes to the wire as RFC 3339."""


def named(name: str) -> Mapping[str, Any]:
    """The metadata of a field with another name on the wire."""
    return {"wire_name": name}


def to_wire(value: Any, *, omit_unknown: bool = False) -> Any:
    """The value as dicts, lists and scalars, ready for JSON or YAML.

    With ``omit_unknown``, as Kubernetes' own objects have it, what is None, or empty as by default, is left out;
    otherwise None is null.
    """
    if is_dataclass(value):
        found = {}
        for f in fields(value):
            item = getattr(value, f.name)
            if omit_unknown and _is_left_out(f, item):
                continue
            is_instant = f.metadata.get("is_instant") and item is not None
            found[_name_of(f)] = rfc3339(item) if is_instant else to_wire(item, omit_unknown=omit_unknown)
        return found
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_wire(item, omit_unknown=omit_unknown) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_wire(item, omit_unknown=omit_unknown) for item in value]
    return value


def json_schema(kind: type, *, omit_unknown: bool = False) -> dict[str, Any]:
    """A JSON Schema of what ``to_wire`` makes of a dataclass; fields may be added later, so others are allowed."""
    definitions: dict[str, Any] = {}
    root = _schema(kind, definitions, omit_unknown)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": definitions}


def _name_of(f: Field[Any]) -> str:
    return f.metadata.get("wire_name") or wire_name(f.name)


def _is_left_out(f: Field[Any], item: Any) -> bool:
    return item is None or (item == () and f.default == ())


def _schema(kind: Any, definitions: dict[str, Any], omit_unknown: bool) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return {}
    if kind in _SCALARS:
        return {"type": _SCALARS[kind]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(choice, definitions, omit_unknown) for choice in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], definitions, omit_unknown)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions, omit_unknown)}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    if isinstance(kind, type) and is_dataclass(kind):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}  # a type may hold itself
            definitions[kind.__name__] = _object_schema(kind, definitions, omit_unknown)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    raise TypeError(f"no JSON Schema for {kind!r}")


def _object_schema(kind: type, definitions: dict[str, Any], omit_unknown: bool) -> dict[str, Any]:
    hints = get_type_hints(kind)
    schema: dict[str, Any] = {"type": "object"}
    if kind.__doc__:
        schema["description"] = kind.__doc__.split("\n\n")[0].strip()
    properties, required = {}, []
    for f in fields(kind):
        name, hint = _name_of(f), hints[f.name]
        may_be_missing = omit_unknown and (f.default is None or f.default == ())
        if may_be_missing:
            hint = _without_none(hint)
        else:
            required.append(name)
        is_instant = f.metadata.get("is_instant")
        properties[name] = (
            {"type": "string", "format": "date-time"} if is_instant else _schema(hint, definitions, omit_unknown)
        )
    schema["properties"] = properties
    schema["required"] = required
    return schema


def _without_none(hint: Any) -> Any:
    """What is left out when it is None is never null."""
    if get_origin(hint) in (Union, types.UnionType):
        choices = tuple(choice for choice in get_args(hint) if choice is not types.NoneType)
        return Union[choices]  # noqa: UP007 - made of a tuple
    return hint
