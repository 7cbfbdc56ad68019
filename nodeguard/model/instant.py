"""Instants as text: UNIX seconds to RFC 3339 and back."""

from __future__ import annotations

import re
from time import gmtime, strftime

_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def rfc3339(at: float) -> str:
    """``at`` as Kubernetes prints ``metav1.Time``: whole seconds, UTC."""
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(at))


def rfc3339_micro(at: float) -> str:
    """``at`` as Kubernetes prints ``metav1.MicroTime``: microseconds, UTC."""
    micros = round(at * 1_000_000)
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(micros // 1_000_000)) + f".{micros % 1_000_000:06d}Z"


def parse_rfc3339(text: str) -> float | None:
    """UNIX seconds of an instant such as ``2026-08-26T12:00:00Z`` or ``…T14:00:00.5+02:00``; None when it is none."""
    from datetime import datetime  # rarely needed

    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    seconds, fraction, zone = match.groups(default="")
    try:
        return datetime.fromisoformat(seconds + zone).timestamp() + float(f"0{fraction}")
    except ValueError:  # the 30th of February
        return None
