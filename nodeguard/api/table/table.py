"""``meta.k8s.io/v1 Table`` of any objects.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go, Table;
staging/src/k8s.io/apiserver/pkg/endpoints/handlers/response.go, asTable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from nodeguard.api.resource import Resource
from nodeguard.api.table.cluster import CLUSTER
from nodeguard.api.table.column import NAME, Cells, Column, Object, Printer
from nodeguard.api.table.pod import POD

Include = Literal["Metadata", "Object", "None"]


def _plain_cells(obj: Object, now: float) -> Cells:  # noqa: ARG001 - what every printer gets
    meta = obj.get("metadata", {})
    return [meta.get("name", ""), meta.get("creationTimestamp")]


_PLAIN = Printer((NAME, Column("Created At", "When it was created.", format="date")), _plain_cells)
_PRINTERS = {**CLUSTER, "Pod": POD}


def table(
    resource: Resource,
    objects: Iterable[Object],
    *,
    now: float,
    include: Include = "Metadata",
    meta: Mapping[str, Any] | None = None,
    version: str = "v1",
    headers: bool = True,
) -> dict[str, Any]:
    """The objects as rows. ``now`` is UNIX seconds, ``meta`` the list's metadata.

    ``include`` is what comes with each row. ``version`` is that of meta.k8s.io: v1 or v1beta1. ``headers`` False
    leaves the columns out, as all events of a watch but the first do.
    """
    printer = _PRINTERS.get(resource.table_name, _PLAIN)
    result: dict[str, Any] = {"kind": "Table", "apiVersion": f"meta.k8s.io/{version}", "metadata": dict(meta or {})}
    result["columnDefinitions"] = [_definition(column) for column in printer.columns] if headers else None
    result["rows"] = [_row(printer, obj, now, include, version) for obj in objects]
    return result


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.doc,
        "priority": column.priority,
    }


def _row(printer: Printer, obj: Object, now: float, include: Include, version: str) -> dict[str, Any]:
    row: dict[str, Any] = {"cells": printer.cells(obj, now)}
    conditions = printer.conditions(obj) if printer.conditions else ()
    if conditions:
        row["conditions"] = conditions
    if include == "Object":
        row["object"] = obj
    elif include == "Metadata":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": f"meta.k8s.io/{version}",
            "metadata": obj.get("metadata", {}),
        }
    return row
