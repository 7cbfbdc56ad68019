"""JSON patch. Source: RFC 6902; RFC 6901 for pointers."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from nodeguard.api.patch.fault import PatchFault

MAX_OPERATIONS = 10_000
MAX_COPIED_BYTES = 3 << 20
"""What all ``copy`` operations together may add: a few lines of them could double an object thousands of times."""


def json_patch(document: Any, patch: Any) -> Any:
    """What the patch makes of the document, which stays as it is.

    Raises:
        PatchFault: it makes no sense, or a test fails; then none of it is done.
    """
    if not isinstance(patch, list):
        raise PatchFault("a JSON patch is a list of operations")
    if len(patch) > MAX_OPERATIONS:
        raise PatchFault(f"a JSON patch has at most {MAX_OPERATIONS} operations, found {len(patch)}")
    root = [copy.deepcopy(document)]  # so that the whole document has a place like any other value
    copied_bytes = 0
    for position, operation in enumerate(patch):
        if not isinstance(operation, dict):
            raise PatchFault(f"operation {position} is no object")
        try:
            copied_bytes += _apply(root, operation)
        except PatchFault as e:
            raise PatchFault(f"operation {position}: {e}", is_unprocessable=e.is_unprocessable) from None
        except RecursionError:
            raise PatchFault(f"operation {position}: the object would be nested too deep") from None
        if copied_bytes > MAX_COPIED_BYTES:
            raise PatchFault(f"operation {position}: more than {MAX_COPIED_BYTES} bytes would be copied")
    return root[0]


def _apply(root: list[Any], operation: dict[str, Any]) -> int:
    """Do one operation; how many bytes it copied."""
    path = _pointer(operation, "path")
    match operation.get("op"):
        case "add":
            _add(root, path, copy.deepcopy(_value(operation)))
        case "remove":
            _remove(root, path)
        case "replace":
            _value(operation)
            _find(root, path)
            _set(root, path, copy.deepcopy(operation["value"]))
        case "move":
            source = _pointer(operation, "from")
            if path[: len(source)] == source and path != source:
                raise _unfit("a value cannot be moved into itself")
            _add(root, path, _remove(root, source))
        case "copy":
            value = copy.deepcopy(_find(root, _pointer(operation, "from")))
            _add(root, path, value)
            return len(json.dumps(value))
        case "test":
            if not _equal(_find(root, path), _value(operation)):
                raise _unfit(f"the test of {operation['path']!r} failed")
        case other:
            raise PatchFault(f"unknown operation {str(other)[:40]!r}")
    return 0


def _pointer(operation: dict[str, Any], key: str) -> tuple[str, ...]:
    text = operation.get(key)
    if not isinstance(text, str):
        raise PatchFault(f"{key!r} is missing, or no text")
    if not text:
        return ()
    if not text.startswith("/"):
        raise PatchFault(f"{key!r} does not begin with '/'")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise PatchFault("'value' is missing")
    return operation["value"]


def _find(root: list[Any], path: Sequence[str]) -> Any:
    value = root[0]
    for step in path:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list):
            value = value[_index(step, len(value) - 1)]
        else:
            raise _unfit(f"there is no {'/' + '/'.join(path)!r}")
    return value


def _place(root: list[Any], path: Sequence[str]) -> tuple[Any, str]:
    return (_find(root, path[:-1]), path[-1]) if path else (root, "0")


def _set(root: list[Any], path: Sequence[str], value: Any) -> None:
    around, step = _place(root, path)
    if isinstance(around, list):
        around[_index(step, len(around) - 1)] = value
    else:
        around[step] = value


def _add(root: list[Any], path: Sequence[str], value: Any) -> None:
    if not path:
        root[0] = value
        return
    around, step = _place(root, path)
    if isinstance(around, list):
        around.insert(len(around) if step == "-" else _index(step, len(around)), value)
    elif isinstance(around, dict):
        around[step] = value
    else:
        raise _unfit(f"there is no {'/' + '/'.join(path[:-1])!r} to add to")


def _remove(root: list[Any], path: Sequence[str]) -> Any:
    if not path:
        raise _unfit("the whole object cannot be removed")
    value = _find(root, path)
    around, step = _place(root, path)
    if isinstance(around, list):
        del around[_index(step, len(around) - 1)]
    else:
        del around[step]
    return value


def _index(step: str, highest: int) -> int:
    if not (step.isascii() and step.isdigit()) or (step != "0" and step.startswith("0")) or len(step) > 9:
        raise _unfit(f"{step[:40]!r} is no position in a list")
    if int(step) > highest:
        raise _unfit(f"the list has no position {step}")
    return int(step)


def _equal(one: Any, other: Any) -> bool:
    """JSON's equality: true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _unfit(message: str) -> PatchFault:
    return PatchFault(message, is_unprocessable=True)
