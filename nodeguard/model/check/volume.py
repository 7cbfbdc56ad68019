"""Volumes: one source each, sound paths.

Source: kubernetes, pkg/apis/core/validation/validation.go, ValidateVolumes.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.check.report import Report, shown
from nodeguard.model.check.resource import page_size
from nodeguard.model.check.source import (
    FILE_FIELDS,
    check_field_ref,
    check_object_name,
    check_one_source,
    check_resource_ref,
)
from nodeguard.model.document import Path
from nodeguard.model.field import OBJECTS
from nodeguard.model.finding import Fault

_SOURCES = tuple(name for name in OBJECTS["Volume"] if name != "name")


def check_volumes(report: Report, volumes: list[dict[str, Any]], containers: frozenset[str], path: Path) -> None:
    """``spec.volumes``, their defaults applied; ``containers`` are the names of the pod's containers."""
    first: dict[str, int] = {}
    for position, volume in enumerate(volumes):
        place = (*path, position)
        name = volume.get("name")
        if name is not None:
            if name in first:
                there = report.where((*path, first[name], "name"))
                report.error((*place, "name"), f"duplicate volume {name!r}, first {there}", Fault.DUPLICATE)
            first.setdefault(name, position)
        check_one_source(report, volume, _SOURCES, place, or_none=True)
        if "hostPath" in volume:
            _check_host_path(report, volume["hostPath"], (*place, "hostPath"))
        if "emptyDir" in volume:
            _check_empty_dir(report, volume["emptyDir"], (*place, "emptyDir"))
        if "downwardAPI" in volume:
            _check_files(report, volume["downwardAPI"], containers, (*place, "downwardAPI"))
        if "configMap" in volume:
            _check_object_files(report, volume["configMap"], "name", (*place, "configMap"))
        if "secret" in volume:
            _check_object_files(report, volume["secret"], "secretName", (*place, "secret"))
        if "projected" in volume:
            _check_projected(report, volume["projected"], containers, (*place, "projected"))


def _check_host_path(report: Report, host_path: dict[str, Any], path: Path) -> None:
    text = host_path.get("path")
    if text is None:
        return
    if ".." in text.split("/"):
        report.error((*path, "path"), f"found {shown(text)}; must not contain '..'")
    elif not text.startswith("/"):
        report.unsupported((*path, "path"), f"found {shown(text)}; must be an absolute path, beginning with '/'")


def _check_empty_dir(report: Report, empty_dir: dict[str, Any], path: Path) -> None:
    medium = empty_dir.get("medium", "")
    if medium not in ("", "Memory", "HugePages"):
        size = page_size(medium.removeprefix("HugePages-")) if medium.startswith("HugePages-") else None
        if size is None:
            report.error(
                (*path, "medium"), f"found {shown(medium)}; allowed are Memory, HugePages, HugePages-<size> or nothing"
            )
    limit = empty_dir.get("sizeLimit")
    if limit is not None and limit.nano < 0:
        report.error((*path, "sizeLimit"), f"found {limit}; must not be negative")


def _check_object_files(report: Report, source: dict[str, Any], name_key: str, path: Path) -> None:
    check_object_name(report, source, name_key, path)
    seen: set[str] = set()
    for position, item in enumerate(source.get("items", ())):
        file = item.get("path")
        if file in seen:
            report.error((*path, "items", position, "path"), f"duplicate file {shown(file)}", Fault.DUPLICATE)
        elif file is not None:
            seen.add(file)


def _check_projected(report: Report, projected: dict[str, Any], containers: frozenset[str], path: Path) -> None:
    for position, source in enumerate(projected.get("sources", ())):
        place = (*path, "sources", position)
        check_one_source(report, source, tuple(OBJECTS["VolumeProjection"]), place)
        for kind in ("configMap", "secret"):
            if kind in source:
                _check_object_files(report, source[kind], "name", (*place, kind))
        if "downwardAPI" in source:
            _check_files(report, source["downwardAPI"], containers, (*place, "downwardAPI"))


def _check_files(report: Report, volume: dict[str, Any], containers: frozenset[str], path: Path) -> None:
    seen: set[str] = set()
    for position, item in enumerate(volume.get("items", ())):
        place = (*path, "items", position)
        file = item.get("path")
        if file in seen:
            report.error((*place, "path"), f"duplicate file {shown(file)}", Fault.DUPLICATE)
        elif file is not None:
            seen.add(file)
        check_one_source(report, item, ("fieldRef", "resourceFieldRef"), place)
        if "fieldRef" in item:
            check_field_ref(report, item["fieldRef"], FILE_FIELDS, (*place, "fieldRef"))
        if "resourceFieldRef" in item:
            reference = item["resourceFieldRef"]
            check_resource_ref(report, reference, containers, (*place, "resourceFieldRef"))
            if not reference.get("containerName"):
                report.missing((*place, "resourceFieldRef", "containerName"), "required in a volume")
