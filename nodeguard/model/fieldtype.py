"""How the field table describes one field of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Support(StrEnum):
    """What nodeguard does with a field that Kubernetes knows."""

    HONOURED = "honoured"
    WARNING = "warning"
    """Accepted with one warning per pod."""
    UNSUPPORTED = "unsupported"
    """Valid, but ``run`` refuses it."""


class Field(NamedTuple):
    """One field: its type, what is allowed in it, what nodeguard does with it.

    ``type`` is ``string``, ``bool``, ``int32``, ``int64``, ``quantity``, ``intOrString``, ``time``, ``bytes`` (base64),
    ``any``, the name of an object of the table, ``[]`` and a type, or ``map[string]`` and a type. ``low`` and ``high``
    bound a number, ``words`` a string; ``syntax`` names a rule of ``model/syntax.py``. ``quiet`` values need neither
    warning nor refusal, just as empty ones and the Kubernetes default.
    """

    type: str
    doc: str
    support: Support = Support.HONOURED
    reason: str = ""
    required: bool = False
    words: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    syntax: str = ""
    default: Any = None
    quiet: tuple[Any, ...] = ()


Table = Mapping[str, Mapping[str, Field]]
"""Object name to field name to field."""

ONE_HOST = "accepted, has no effect on one host"


def not_yet(consequence: str) -> str:
    """The warning for a field that will be honoured one day."""
    return f"accepted, not acted on yet: {consequence}"


def honoured(type: str, doc: str, **more: Any) -> Field:  # noqa: A002 - the column's name
    """A field nodeguard acts on; ``!`` after the type means required."""
    return Field(type.removesuffix("!"), doc, required=type.endswith("!"), **more)


def warned(type: str, doc: str, reason: str, **more: Any) -> Field:  # noqa: A002 - the column's name
    """A field that is accepted with a warning."""
    return Field(type.removesuffix("!"), doc, Support.WARNING, reason, type.endswith("!"), **more)


def refused(type: str, doc: str, reason: str, **more: Any) -> Field:  # noqa: A002 - the column's name
    """A field that ``run`` refuses."""
    return Field(type.removesuffix("!"), doc, Support.UNSUPPORTED, reason, type.endswith("!"), **more)
