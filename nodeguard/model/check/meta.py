"""Names, labels and annotations.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/api/validation/objectmeta.go.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.check.report import Report, shown
from nodeguard.model.document import Path
from nodeguard.model.syntax import annotation_key, label_value, qualified_name

_MAX_ANNOTATIONS_BYTES = 256 * 1024


def check_meta(report: Report, meta: dict[str, Any], path: Path) -> None:
    """``metadata`` of any object but for its name's presence."""
    check_label_map(report, meta.get("labels", {}), (*path, "labels"))
    annotations = meta.get("annotations", {})
    size = 0
    for key, value in annotations.items():
        size += len(key.encode()) + len(value.encode())
        wrong = annotation_key(key)
        if wrong is not None:
            report.error((*path, "annotations", key), f"key {shown(key)}: {wrong}")
    if size > _MAX_ANNOTATIONS_BYTES:
        report.error(
            (*path, "annotations"), f"found {size} bytes; allowed are at most {_MAX_ANNOTATIONS_BYTES} together"
        )


def check_label_map(report: Report, labels: dict[str, str], path: Path) -> None:
    """Keys and values of labels, or of a selector."""
    for key, value in labels.items():
        wrong = qualified_name(key)
        if wrong is not None:
            report.error((*path, key), f"key {shown(key)}: {wrong}")
        wrong = label_value(value)
        if wrong is not None:
            report.error((*path, key), f"found {shown(value)}; {wrong}")
