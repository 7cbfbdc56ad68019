"""A PriorityClass: reserved names and values.

Source: kubernetes, pkg/apis/scheduling/types.go, pkg/apis/scheduling/validation/validation.go.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.check.meta import check_meta
from nodeguard.model.check.report import Report, shown
from nodeguard.model.document import Path
from nodeguard.model.finding import Fault

HIGHEST_USER_PRIORITY = 1_000_000_000
SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def check_priority_class(report: Report, priority_class: dict[str, Any], path: Path) -> None:
    """The rules of a ``scheduling.k8s.io/v1 PriorityClass``, its shape checked."""
    meta = priority_class.get("metadata", {})
    check_meta(report, meta, (*path, "metadata"))
    name, value = meta.get("name", ""), priority_class.get("value")
    if name.startswith("system-"):
        if name not in SYSTEM_CLASSES:
            words = ", ".join(SYSTEM_CLASSES)
            report.error((*path, "metadata", "name"), f"found {shown(name)}; names with system- are reserved: {words}")
        elif value is not None and value != SYSTEM_CLASSES[name]:
            report.error((*path, "value"), f"found {value}; allowed for {name} is {SYSTEM_CLASSES[name]}")
        if priority_class.get("globalDefault"):
            report.error((*path, "globalDefault"), "must not be true for a class of the system", Fault.FORBIDDEN)
    elif value is not None and value > HIGHEST_USER_PRIORITY:
        report.error((*path, "value"), f"found {value}; allowed is at most {HIGHEST_USER_PRIORITY}")
