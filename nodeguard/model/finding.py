"""What is wrong, or merely worth knowing, about an input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """Kubernetes itself would refuse it, or it cannot be read."""
    UNSUPPORTED = "unsupported"
    """Valid for Kubernetes, but ``run`` cannot do it: an error for ``run``, a warning for ``explain``."""
    WARNING = "warning"
    """Accepted, but has no effect on one host, or not yet."""


class Fault(StrEnum):
    """What kind of error a finding is, in the words of a Status' causes.

    Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/util/validation/field/errors.go, ErrorType; the first is
    ours: upstream finds unknown fields before it validates.
    """

    UNKNOWN = "UnknownField"
    TYPE = "FieldValueTypeInvalid"
    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding; ``line`` counts from 1 (0: there is no line to point at), ``path`` is ``""`` for the whole input."""

    severity: Severity
    source: str
    line: int
    path: str
    message: str
    fault: Fault = Fault.INVALID

    def __str__(self) -> str:
        """``pod.yaml:12: spec.containers[0].foo: unknown field``."""
        place = f"{self.source}:{self.line}" if self.line else self.source
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


def in_file_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings sorted by line within each source; sources and equal lines keep their order."""
    found = list(findings)
    rank = {source: number for number, source in enumerate(dict.fromkeys(finding.source for finding in found))}
    return tuple(sorted(found, key=lambda finding: (rank[finding.source], finding.line)))
