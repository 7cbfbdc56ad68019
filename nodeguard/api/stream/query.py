"""The options of a streaming request, from its query string."""

from __future__ import annotations

from starlette.datastructures import QueryParams

from nodeguard.api.status import bad_request


def read_flag(query: QueryParams, name: str, *, default: bool = False) -> bool:
    """A boolean as Kubernetes reads it from a query: present and neither ``0`` nor ``false`` is true.

    Source: kubernetes, apimachinery/pkg/runtime/conversion.go (Convert_Slice_string_To_bool).
    """
    if name not in query:
        return default
    return query[name].lower() not in ("0", "false")


def read_integer(query: QueryParams, name: str) -> int | None:
    """A whole number; None when it is not given.

    Raises:
        ApiError: it is no number.
    """
    text = query.get(name, "")
    if not text:
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise bad_request(f'unable to parse {name}: strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)
