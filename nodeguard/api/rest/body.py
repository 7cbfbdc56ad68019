"""The body of a request as plain values: JSON, or YAML where kubectl sends that."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from starlette.requests import Request

from nodeguard.api.protobuf import PROTOBUF, parse_protobuf
from nodeguard.api.status import bad_request, too_large_entity, unsupported_media_type

MAX_BYTES = 3 * 1024 * 1024
"""Source: kubernetes, staging/src/k8s.io/apiserver/pkg/server/config.go, MaxRequestBodyBytes."""
MAX_DEPTH = 100

JSON = "application/json"
YAML = "application/yaml"
APPLY = "application/apply-patch+yaml"


async def read_bytes(request: Request) -> bytes:
    """The body.

    Raises:
        ApiError: 413, it is too long.
    """
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > MAX_BYTES:
            raise too_large_entity(MAX_BYTES)
    return bytes(found)


def media_type(request: Request) -> str:
    """The content type without its parameters; JSON when none is given."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower() or JSON


async def read_object(request: Request) -> dict[str, Any]:
    """The body as an object.

    Raises:
        ApiError: it is none, or in a form that is not read.
    """
    kind = media_type(request)
    body = await read_bytes(request)
    if kind not in (JSON, YAML, PROTOBUF):
        raise unsupported_media_type(kind, (JSON, YAML, PROTOBUF))
    value = parse_body(kind, body)
    if not isinstance(value, dict):
        raise bad_request("couldn't get version/kind; json parse error: the body is no object")
    return value


def parse_body(kind: str, body: bytes) -> Any:
    """The value of a body of one of the three media types; of anything else as if it were JSON.

    Raises:
        ApiError: 400, it is none.
    """
    if kind == YAML:
        return parse_yaml(body)
    if kind == PROTOBUF:
        value = parse_protobuf(body)
        check_plain(value)
        return value
    return parse_json(body)


def parse_json(body: bytes) -> Any:
    """The value of a JSON text, of bounded depth, without NaN and without halves of characters.

    Raises:
        ApiError: 400, it is none.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse, parse_float=_float)
    except RecursionError:
        raise bad_request(f"the body is nested deeper than {MAX_DEPTH} levels") from None
    except UnicodeDecodeError:
        raise bad_request("the body is not UTF-8") from None
    except ValueError as e:
        raise bad_request(f"the body is no valid JSON: {e}") from None
    check_plain(value)
    return value


def parse_yaml(body: bytes) -> Any:
    """The value of a YAML text of one document.

    Raises:
        ApiError: 400, it is none.
    """
    stripped = body.lstrip()
    if stripped.startswith((b"{", b"[")):
        return parse_json(body)
    from nodeguard.model.document import parse  # YAML is rare, and PyYAML is felt in memory

    documents = parse(body, "body")
    findings = [str(finding) for document in documents for finding in document.findings]
    if findings or len(documents) != 1:
        raise bad_request(
            f"the body is no valid YAML document: {'; '.join(findings)[:1000] or 'exactly one is needed'}"
        )
    check_plain(documents[0].value)
    return documents[0].value


def check_plain(value: Any) -> None:
    """Refuse what is nested too deep, and text that cannot be encoded again.

    Raises:
        ApiError: 400.
    """
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise bad_request(f"the body is nested deeper than {MAX_DEPTH} levels")
        if isinstance(one, dict):
            waiting.extend((item, depth + 1) for item in one.values())
            waiting.extend((key, depth) for key in one if not key.isascii())
        elif isinstance(one, list):
            waiting.extend((item, depth + 1) for item in one)
        elif isinstance(one, str) and not one.isascii():
            try:
                one.encode()
            except UnicodeEncodeError:
                raise bad_request("the body holds text that is no valid Unicode") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value
