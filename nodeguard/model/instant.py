"""Instants as text: UNIX seconds to RFC 3339."""

from __future__ import annotations

from time import gmtime, strftime


def rfc3339(at: float) -> str:
    """``at`` as Kubernetes prints ``metav1.Time``: whole seconds, UTC."""
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(at))


def rfc3339_micro(at: float) -> str:
    """``at`` as Kubernetes prints ``metav1.MicroTime``: microseconds, UTC."""
    micros = round(at * 1_000_000)
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(micros // 1_000_000)) + f".{micros % 1_000_000:06d}Z"
