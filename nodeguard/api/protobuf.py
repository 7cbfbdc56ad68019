"""Objects that arrive in Protocol Buffers, as plain values.

kubectl writes so what it makes with its typed clients (``create configmap``, ``auth can-i``, ``drain``, …) and asks for
answers in the same form or in JSON; answers are JSON.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/runtime/serializer/protobuf/protobuf.go (the envelope);
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from nodeguard.api.protobuf_table import Field, messages
from nodeguard.api.status import bad_request

PROTOBUF = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\x00"
_MAX_DEPTH = 40
_MAX_VARINT_BYTES = 10

Wire = int | bytes


class _Malformed(ValueError):
    """The bytes are no message."""


def parse_protobuf(body: bytes) -> dict[str, Any]:
    """The object of a request.

    Raises:
        ApiError: 400, it is none, or of a kind that is not read in this form.
    """
    if not body.startswith(_MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix 'k8s\\0'")
    try:
        return _unwrapped(body[len(_MAGIC) :])
    except (ValueError, OverflowError, OSError) as e:  # the last two are a time after the end of time
        raise bad_request(f"the body is no valid protobuf message: {e}") from None


def _unwrapped(envelope: bytes) -> dict[str, Any]:
    outer = dict(_fields(envelope))
    kind = {number: _text(value) for number, value in _fields(_bytes(outer.get(1, b"")))}
    name = kind.get(2, "")
    if name not in messages():
        raise bad_request(f'objects of kind "{name[:60]}" are not read from {PROTOBUF}; send JSON')
    return {"apiVersion": kind.get(1, ""), "kind": name, **_message(name, _bytes(outer.get(2, b"")), 0)}


def _message(name: str, data: bytes, depth: int) -> dict[str, Any]:
    """The fields of a message. Numbers that are not in the table are passed over, as upstream does."""
    if depth > _MAX_DEPTH:
        raise _Malformed(f"nested deeper than {_MAX_DEPTH} levels")
    table = messages()[name]
    found: dict[str, Any] = {}
    for number, wire in _fields(data):
        field = table.get(number)
        if field is None:
            continue
        if field.shape == "{}":
            key, value = _pair(field, _bytes(wire), depth)
            found.setdefault(field.name, {})[key] = value
            continue
        value = _value(field.type, wire, depth)
        if field.name == ".":
            found.update(value)
        elif field.shape == "[]":
            found.setdefault(field.name, []).append(value)
        elif value is not None and (value or field.is_kept):
            found[field.name] = value
    return found


def _pair(field: Field, data: bytes, depth: int) -> tuple[str, Any]:
    """An entry of a map: field 1 is its key, 2 its value."""
    parts = dict(_fields(data))
    empty: Wire = 0 if field.type in ("int", "bool") else b""
    return _text(parts.get(1, b"")), _value(field.type, parts.get(2, empty), depth)


def _value(kind: str, wire: Wire, depth: int) -> Any:
    match kind:
        case "string":
            return _text(wire)
        case "int":
            return _integer(wire)
        case "bool":
            return _integer(wire) != 0
        case "bytes":
            return base64.b64encode(_bytes(wire)).decode()
        case "raw":
            return json.loads(_text(dict(_fields(_bytes(wire))).get(1, b"{}")))
        case "quantity":
            return _text(dict(_fields(_bytes(wire))).get(1, b""))
        case "strings":
            return [_text(item) for _, item in _fields(_bytes(wire))]
        case "intorstring":
            parts = dict(_fields(_bytes(wire)))
            return _text(parts.get(3, b"")) if parts.get(1) else _integer(parts.get(2, 0))
        case "time" | "microtime":
            return _instant(dict(_fields(_bytes(wire))), digits=6 if kind == "microtime" else 0)
        case _:
            return _message(kind, _bytes(wire), depth + 1)


def _instant(parts: dict[int, Wire], *, digits: int) -> str | None:
    """RFC 3339; None for the zero time, which has no fields."""
    if not parts:
        return None
    at = datetime.fromtimestamp(_integer(parts.get(1, 0)), UTC)
    fraction = f".{_integer(parts.get(2, 0)) // 1000:06}" if digits else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _fields(data: bytes) -> Iterator[tuple[int, Wire]]:
    """Number and value of each field, as they come."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        match tag & 7:
            case 0:
                value, position = _varint(data, position)
                yield tag >> 3, value
            case 2:
                length, position = _varint(data, position)
                if length > len(data) - position:
                    raise _Malformed("a field is longer than its message")
                yield tag >> 3, data[position : position + length]
                position += length
            case 1 | 5 as width:  # none of the fields here, but they may be passed over
                position += 8 if width == 1 else 4
            case other:
                raise _Malformed(f"unknown wire type {other}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for count, byte in enumerate(data[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, position + count + 1
    raise _Malformed("a number does not end")


def _integer(wire: Wire) -> int:
    """A signed number of 64 bits."""
    if not isinstance(wire, int):
        raise _Malformed("a number was expected")
    wire &= (1 << 64) - 1
    return wire - (1 << 64) if wire >> 63 else wire


def _bytes(wire: Wire) -> bytes:
    if not isinstance(wire, bytes):
        raise _Malformed("bytes were expected")
    return wire


def _text(wire: Wire) -> str:
    return _bytes(wire).decode()
