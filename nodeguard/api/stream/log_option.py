"""What a log request asks for.

Source: kubernetes, pkg/apis/core/validation/validation.go (ValidatePodLogOptions).
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import QueryParams

from nodeguard.api.status import Cause, bad_request, invalid
from nodeguard.api.stream.query import read_flag, read_integer
from nodeguard.model.instant import parse_rfc3339

_STREAMS = {"All": ("stdout", "stderr"), "Stdout": ("stdout",), "Stderr": ("stderr",)}
_POSITIVE = "must be greater than 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """The options, checked; ``since`` in UNIX seconds."""

    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: float | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None
    streams: tuple[str, ...] = _STREAMS["All"]


def read_log_options(query: QueryParams, pod: str, now: float) -> LogOptions:
    """The options of a query.

    Raises:
        ApiError: some make no sense; all of these are named.
    """
    causes: list[Cause] = []
    tail_lines, limit_bytes = read_integer(query, "tailLines"), read_integer(query, "limitBytes")
    since_seconds, since_time = read_integer(query, "sinceSeconds"), query.get("sinceTime", "")
    stream = query.get("stream", "") or "All"
    if tail_lines is not None and tail_lines < 0:
        causes.append(_bad("tailLines", tail_lines, "must be greater than or equal to 0"))
    if limit_bytes is not None and limit_bytes < 1:
        causes.append(_bad("limitBytes", limit_bytes, _POSITIVE))
    if since_seconds is not None and since_time:
        message = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        causes.append(Cause("FieldValueForbidden", message, ""))
    elif since_seconds is not None and since_seconds < 1:
        causes.append(_bad("sinceSeconds", since_seconds, _POSITIVE))
    if stream not in _STREAMS:
        known = ", ".join(f'"{each}"' for each in _STREAMS)
        message = f'Unsupported value: "{stream}": supported values: {known}'
        causes.append(Cause("FieldValueNotSupported", message, "stream"))
    elif stream != "All" and tail_lines is not None:
        message = "Forbidden: `tailLines` and specific `stream` are mutually exclusive for now"
        causes.append(Cause("FieldValueForbidden", message, ""))
    if causes:
        raise invalid("PodLogOptions", "", pod, causes)
    since = None if since_seconds is None else now - since_seconds
    if since_time and (since := parse_rfc3339(since_time)) is None:
        raise bad_request(f'unable to parse sinceTime: "{since_time}" is no RFC 3339 time')
    return LogOptions(
        container=query.get("container", ""),
        follow=read_flag(query, "follow"),
        previous=read_flag(query, "previous"),
        timestamps=read_flag(query, "timestamps"),
        since=since,
        tail_lines=tail_lines,
        limit_bytes=limit_bytes,
        streams=_STREAMS[stream],
    )


def _bad(field: str, value: int, because: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {value}: {because}", field)
