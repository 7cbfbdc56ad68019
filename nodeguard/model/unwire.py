"""The way back from ``to_wire``: dataclasses from the plain objects of our own JSON."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from nodeguard.model.wire import wire_name

Kind = TypeVar("Kind")


def from_wire(kind: type[Kind], value: Any) -> Kind:
    """The dataclass ``kind`` that ``to_wire`` made ``value`` of.

    Fields that it does not know are left out, fields that are missing get their defaults: what an older or newer
    version wrote is still read.

    Raises:
        ValueError: it is none of that kind.
    """
    found = _read(kind, value, kind.__name__)
    assert isinstance(found, kind)
    return found


def _read(hint: Any, value: Any, place: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin is Literal:
        return value
    if origin in (Union, types.UnionType):
        if value is None and types.NoneType in arguments:
            return None
        return _read(next(one for one in arguments if one is not types.NoneType), value, place)
    if origin is tuple and isinstance(value, list):
        return tuple(_read(arguments[0], item, f"{place}[{number}]") for number, item in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, dict):
        return {key: _read(arguments[1], item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(hint, type) and is_dataclass(hint) and isinstance(value, dict):
        return _object(hint, value, place)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if hint is float and type(value) is int:
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise ValueError(f"{place}: {value!r:.40} is not what is expected there")


def _object(kind: type, value: dict[str, Any], place: str) -> Any:
    given = {}
    for name, key, hint in _fields(kind):
        if key in value:
            given[name] = _read(hint, value[key], f"{place}.{key}")
    try:
        return kind(**given)
    except TypeError as e:  # a field without default is missing
        raise ValueError(f"{place}: {e}") from e


@cache
def _fields(kind: type) -> tuple[tuple[str, str, Any], ...]:
    """Name, name on the wire, type."""
    hints = get_type_hints(kind)
    return tuple((f.name, f.metadata.get("wire_name") or wire_name(f.name), hints[f.name]) for f in fields(kind))
