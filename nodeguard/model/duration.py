"""Durations in Go's notation: ``1h30m``, ``100ms``.

Source: Go, time.ParseDuration.
"""

from __future__ import annotations

import re
from typing import Any

_DURATION = re.compile(r"([-+]?)((?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_DURATION_PART = re.compile(r"([0-9.]+)(ns|us|µs|μs|ms|s|m|h)")
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


def read_duration(value: Any) -> int:
    """Nanoseconds of a Go duration: ``1h30m``, ``100ms``, ``1.5s``, ``0``."""
    text = str(value) if isinstance(value, str) or value == 0 else ""
    match = _DURATION.fullmatch(text)
    if text.lstrip("+-") == "0" and len(text) <= 2:
        return 0
    if match is None or isinstance(value, bool):
        raise ValueError(
            f"{value!r} is not a duration; allowed are numbers with the units h m s ms us ns, such as 1m30s"
        )
    nanoseconds = 0
    for number, unit in _DURATION_PART.findall(match[2]):
        whole, _, fraction = number.partition(".")
        scale = _NANOSECONDS[unit]
        nanoseconds += int(whole or "0") * scale
        if fraction:
            nanoseconds += int(fraction) * scale // 10 ** len(fraction)
    if nanoseconds >= 1 << 63:
        raise ValueError(f"{value!r} is too long; the longest duration is 2562047h")
    return -nanoseconds if match[1] == "-" else nanoseconds


def format_duration(nanoseconds: int) -> str:
    """The shortest single-unit text, such as ``100ms`` or ``5m``."""
    if nanoseconds == 0:
        return "0s"
    unit = next(unit for unit in ("h", "m", "s", "ms", "us", "ns") if nanoseconds % _NANOSECONDS[unit] == 0)
    return f"{nanoseconds // _NANOSECONDS[unit]}{unit}"
