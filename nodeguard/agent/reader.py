"""How the value of a setting is read: from what YAML or a flag's text holds to a typed value.

Every reader raises ValueError, saying what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nodeguard.model.duration import read_duration
from nodeguard.model.eviction import EvictionMode
from nodeguard.model.quantity import Quantity
from nodeguard.model.threshold import ThresholdValue

Reader = Callable[[Any], Any]

TRANSITION_PERIOD_NS = 5 * 60 * 10**9
MINIMUM_GC_AGE_NS = 2 * 60 * 10**9
AGGREGATION_PERIOD_NS = 60 * 10**9


def show_plain(value: Any) -> Any:
    """The value as it is: a number or a boolean."""
    return value


def show_list(value: tuple[str, ...]) -> list[str]:
    """The words of a list."""
    return list(value)


def show_threshold(value: ThresholdValue | None) -> str:
    """A threshold as given; ``off`` when it is switched off."""
    return "off" if value is None else str(value)


def duration(*, least: str, most: str) -> Reader:
    """Reads a duration within these bounds, as nanoseconds."""

    def read(value: Any) -> int:
        nanoseconds = read_duration(value)
        if not read_duration(least) <= nanoseconds <= read_duration(most):
            raise ValueError(f"{value} is out of range; allowed are {least} to {most}")
        return nanoseconds

    return read


def integer(*, least: int, most: int = (1 << 31) - 1) -> Reader:
    """Reads a whole number within these bounds."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{value!r} is not a whole number; allowed are {least} to {most}")
        if not least <= value <= most:
            raise ValueError(f"{value} is out of range; allowed are {least} to {most}")
        return value

    return read


def read_max_pods(value: Any) -> int:
    """0 means the default, as in the kubelet."""
    count: int = integer(least=0)(value)
    return count or 110


def read_boolean(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not a boolean; allowed are true and false")
    return value


def choice(*words: str) -> Reader:
    """Reads one of these words."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"{value!r} is not allowed; allowed are {', '.join(word for word in words if word)}")
        return value

    return read


def read_throttling_factor(value: Any) -> float:
    """A number above 0, up to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ValueError(f"{value!r} is not allowed; allowed are numbers above 0, up to 1")
    return float(value)


def read_directory(value: Any) -> Path:
    """The absolute path of a directory other than ``/``."""
    if not isinstance(value, str) or not value.startswith("/") or ".." in value.split("/") or not value.isprintable():
        raise ValueError(f"{value!r} is not the absolute path of a directory (no '..')")
    path = Path(value)
    if path == Path("/"):
        raise ValueError("the root directory itself is not allowed")
    return path


def read_cgroup(value: Any) -> str:
    """The path of a cgroup."""
    if value == "/":
        return "/"
    parts = value.split("/") if isinstance(value, str) else []
    if len(parts) < 2 or parts[0] or any(part in ("", ".", "..") or not part.isprintable() for part in parts[1:]):
        raise ValueError(f"{value!r} is not the path of a cgroup; allowed are paths such as / or /nodes/a")
    return "/".join(parts)


def read_own_cgroup(value: Any) -> str:
    """The path of a cgroup below the root cgroup."""
    path = read_cgroup(value)
    if path == "/":
        raise ValueError("the root cgroup itself is not allowed; name a cgroup below it, such as /nodeguard")
    return path


_ENFORCEMENTS = (
    "pods",
    "system-reserved",
    "system-reserved-compressible",
    "kube-reserved",
    "kube-reserved-compressible",
    "none",
)


def read_enforcement(value: Any) -> tuple[str, ...]:
    """The words of ``enforceNodeAllocatable``.

    Source: kubernetes, pkg/kubelet/apis/config/validation/validation.go.
    """
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list):
        raise ValueError(f"{value!r} is not a list; allowed in it are {', '.join(_ENFORCEMENTS)}")
    words = [word for word in words if word != ""]
    for word in words:
        if word not in _ENFORCEMENTS:
            raise ValueError(f"{word!r} is not allowed; allowed are {', '.join(_ENFORCEMENTS)}")
    if len(set(words)) != len(words):
        raise ValueError("each word may stand in the list once")
    if "none" in words and len(words) > 1:
        raise ValueError("'none' excludes every other word")
    for kind in ("system-reserved", "kube-reserved"):
        if kind in words and f"{kind}-compressible" in words:
            raise ValueError(f"{kind} and {kind}-compressible exclude each other")
    return tuple(word for word in words if word != "none")


def read_quantity(value: Any) -> Quantity:
    """A quantity, also a negative one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is not a quantity, such as 500m or 1Gi")
    return Quantity.parse(value)


def read_reservation(value: Any) -> Quantity:
    """A quantity from zero."""
    quantity = read_quantity(value)
    if quantity.nano < 0:
        raise ValueError(f"{value} is negative; allowed are quantities from 0")
    return quantity


def read_capacity(value: Any) -> Quantity:
    """A quantity above zero."""
    quantity = read_quantity(value)
    if quantity.nano <= 0:
        raise ValueError(f"{value} is not above 0")
    return quantity


def read_transition_period(value: Any) -> int:
    """0 means the default, as in the kubelet's file."""
    return read_grace_period(value) or TRANSITION_PERIOD_NS


def read_minimum_gc_age(value: Any) -> int:
    """0 means the default, as in the kubelet's file."""
    return read_grace_period(value) or MINIMUM_GC_AGE_NS


def read_aggregation_period(value: Any) -> int:
    """0 means the default, as in the kubelet's file; a negative one switches the regular walks off."""
    return read_duration(value) or AGGREGATION_PERIOD_NS


def read_frequency(value: Any) -> int | None:
    """A second at least; 0 means that nothing is set, as in the kubelet's file."""
    return duration(least="1s", most="24h")(value) if read_duration(value) else None


def read_eviction_mode(value: Any) -> EvictionMode:
    """One of the modes; YAML reads a bare ``off`` as false."""
    return EvictionMode(choice(*EvictionMode)("off" if value is False else value))


def read_grace_period(value: Any) -> int:
    """A duration from zero, as nanoseconds.

    Source: kubernetes, pkg/kubelet/eviction/helpers.go, parseGracePeriods.
    """
    nanoseconds = read_duration(value)
    if nanoseconds < 0:
        raise ValueError(f"{value!r} is negative; allowed are durations from 0s")
    return nanoseconds


def read_log_size(value: Any) -> int:
    """Bytes, 1Ki at least."""
    size = read_quantity(value).value()
    if size < 1024:
        raise ValueError(f"{value} is too small for a log file; allowed are 1Ki and more")
    return size
