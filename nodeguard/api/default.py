"""What the apiserver fills in for each kind.

Source: kubernetes, pkg/apis/core/v1/defaults.go, pkg/apis/scheduling/v1/defaults.go.
"""

from __future__ import annotations

from typing import Any

from nodeguard.api.check import examine
from nodeguard.api.resource import Resource


def default_object(resource: Resource, obj: dict[str, Any]) -> None:
    """Bring an object into the form in which it is stored, in place: see ``Examination.object``."""
    stored = examine(resource, obj).object
    obj.clear()
    obj.update(stored)
