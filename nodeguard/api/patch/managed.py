"""``metadata.managedFields``: which manager set which field last."""

from __future__ import annotations

from typing import Any

from nodeguard.api.resource import Resource


def track(
    resource: Resource,
    old: dict[str, Any] | None,
    new: dict[str, Any],
    manager: str,
    operation: str,
    now: float,
    subresource: str,
) -> None:
    """Have ``managedFields`` of the new object tell who changed what."""
