"""What a client takes as an answer: the ``Accept`` header.

Source: RFC 9110 12.5.1; kubernetes, staging/src/k8s.io/apiserver/pkg/endpoints/handlers/negotiation/negotiate.go
(the parameters as, g and v).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_MAX_TYPES = 64


class MediaType(NamedTuple):
    """One type that is taken; ``parameters`` without ``q``."""

    name: str
    parameters: Mapping[str, str]

    @property
    def kind(self) -> tuple[str, str, str]:
        """Group, version and kind that the object is wanted as; empty texts when it is wanted as it is."""
        return self.parameters.get("g", ""), self.parameters.get("v", ""), self.parameters.get("as", "")

    def takes(self, name: str) -> bool:
        """Whether an answer of this media type will do."""
        return self.name in (name, "*/*", name.partition("/")[0] + "/*")


def parse_accept(header: str) -> list[MediaType]:
    """The types of an ``Accept`` header, the most wanted first; everything when there is no header."""
    found: list[tuple[float, MediaType]] = []
    for text in (header or "*/*").split(",")[:_MAX_TYPES]:
        name, *rest = (part.strip() for part in text.split(";"))
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        weight = _weight(parameters.pop("q", "1"))
        if weight > 0 and name:
            found.append((weight, MediaType(name.lower(), parameters)))
    return [one for _, one in sorted(found, key=lambda pair: -pair[0])]


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
