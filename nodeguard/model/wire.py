"""Values as the plain objects of our own JSON outputs, and the JSON Schema that describes them.

Field names become camelCase; a trailing underscore, which keeps a name off Python's keywords, goes.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}


def wire_name(field_name: str) -> str:
    """``cpu_quota_us`` as ``cpuQuotaUs``."""
    first, *others = field_name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in others)


def to_wire(value: Any) -> Any:
    """The value as dicts, lists and scalars, ready for JSON or YAML."""
    if is_dataclass(value):
        return {wire_name(f.name): to_wire(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_wire(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_wire(item) for item in value]
    return value


def json_schema(kind: type) -> dict[str, Any]:
    """A JSON Schema of what ``to_wire`` makes of a dataclass; fields may be added later, so others are allowed."""
    definitions: dict[str, Any] = {}
    root = _schema(kind, definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": definitions}


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _SCALARS:
        return {"type": _SCALARS[kind]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(choice, definitions) for choice in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    if isinstance(kind, type) and is_dataclass(kind):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}  # a type may hold itself
            definitions[kind.__name__] = _object_schema(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    raise TypeError(f"no JSON Schema for {kind!r}")


def _object_schema(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    schema: dict[str, Any] = {"type": "object"}
    if kind.__doc__:
        schema["description"] = kind.__doc__.split("\n\n")[0].strip()
    schema["properties"] = {wire_name(f.name): _schema(hints[f.name], definitions) for f in fields(kind)}
    schema["required"] = [wire_name(f.name) for f in fields(kind)]
    return schema
