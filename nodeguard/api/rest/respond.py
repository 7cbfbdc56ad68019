"""Answers in JSON: objects as they are stored, lists glued together from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import Response

JSON = "application/json"


def encode(value: Any) -> bytes:
    """The value as compact UTF-8 JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def json_response(value: Any, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with this value."""
    return Response(encode(value), code, dict(headers or {}), JSON)


def body_response(body: bytes, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that is encoded already."""
    return Response(body, code, dict(headers or {}), JSON)


def list_body(kind: str, api_version: str, metadata: Mapping[str, Any], bodies: Iterable[bytes]) -> bytes:
    """A list of objects that are encoded already."""
    head = encode({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    return head[:-1] + b',"items":[' + b",".join(bodies) + b"]}"


def warning_headers(warnings: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """One ``Warning`` header for each text. Source: RFC 7234 5.5; KEP 1693."""
    found = []
    for text in list(warnings)[:_MAX_WARNINGS]:
        plain = "".join(c if c.isprintable() else " " for c in text)[:_MAX_WARNING]
        quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
        found.append((b"warning", f'299 - "{quoted}"'.encode()))
    return found


_MAX_WARNINGS = 32
_MAX_WARNING = 512
