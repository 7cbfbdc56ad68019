"""PriorityClasses: at most one is the default.

Source: kubernetes, plugin/pkg/admission/priority/admission.go, validatePriorityClass.
"""

from __future__ import annotations

from typing import Any

from nodeguard.api.admit_pod import CLASSES
from nodeguard.api.status import forbidden
from nodeguard.api.store.store import Store

Object = dict[str, Any]


def check_default(store: Store, obj: Object) -> None:
    """Refuse a second default.

    Raises:
        ApiError: 403.
    """
    name = obj["metadata"]["name"]
    if not obj.get("globalDefault"):
        return
    for entry in store.entries(CLASSES):
        if entry.key.name != name and entry.object().get("globalDefault"):
            because = f"PriorityClass {entry.key.name} is already marked as default. Only one default can exist"
            raise forbidden("priorityclasses", "scheduling.k8s.io", name, because)
