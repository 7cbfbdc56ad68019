"""``metadata.managedFields``: which manager set which field last.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/util/managedfields; KEP 555.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nodeguard.api.patch.fieldset import FieldSet, changed_fields, difference, fields_of, is_field_set, union
from nodeguard.api.resource import Resource
from nodeguard.model.instant import rfc3339

Object = dict[str, Any]

APPLY, UPDATE = "Apply", "Update"
_MAX_UPDATERS = 10
"""Beyond it the oldest updaters are one, ``ancient-changes``."""


@dataclass(slots=True)
class Share:
    """What one manager owns by one operation on one subresource."""

    manager: str
    operation: str
    subresource: str
    fields: FieldSet
    api_version: str
    time: str

    @property
    def id(self) -> tuple[str, str, str]:
        """Shares with the same are one."""
        return self.manager, self.operation, self.subresource


def read_shares(obj: Object) -> list[Share]:
    """The shares an object tells; what makes no sense in them is left out."""
    found = []
    for entry in obj["metadata"].get("managedFields") or ():
        manager, operation, fields = entry.get("manager"), entry.get("operation"), entry.get("fieldsV1")
        if not isinstance(manager, str) or operation not in (APPLY, UPDATE) or not is_field_set(fields):
            continue
        texts = [
            entry.get(key) if isinstance(entry.get(key), str) else "" for key in ("subresource", "apiVersion", "time")
        ]
        found.append(Share(manager, operation, str(texts[0]), fields, str(texts[1]), str(texts[2])))
    return found


def write_shares(obj: Object, shares: list[Share]) -> None:
    """Have the object tell these shares, those without a field left out."""
    kept = [share for share in shares if share.fields]
    updaters = [share for share in kept if share.operation == UPDATE]
    if len(updaters) > _MAX_UPDATERS:
        updaters.sort(key=lambda share: share.time)
        ancient = updaters[: len(updaters) - _MAX_UPDATERS + 1]
        merged: FieldSet = {}
        for share in ancient:
            merged = union(merged, share.fields)
            kept.remove(share)
        last = ancient[-1]
        kept.append(Share("ancient-changes", UPDATE, "", merged, last.api_version, last.time))
    kept.sort(key=lambda share: (share.operation, share.time, share.manager))
    if kept:
        obj["metadata"]["managedFields"] = [_entry(share) for share in kept]
    else:
        obj["metadata"].pop("managedFields", None)


def track(resource: Resource, old: Object | None, new: Object, manager: str, now: float, subresource: str) -> None:
    """Have ``managedFields`` of the new object tell that this manager made it what it is."""
    shares = read_shares(new)
    changed = changed_fields(resource, old or {}, new)
    gone = difference(fields_of(resource, old), fields_of(resource, new)) if old is not None else {}
    if not changed and not gone and shares:
        write_shares(new, shares)
        return
    own = None
    for share in shares:
        share.fields = difference(share.fields, gone)
        if share.id == (manager, UPDATE, subresource):
            own = share
        else:
            share.fields = difference(share.fields, changed)
    if own is None:
        own = Share(manager, UPDATE, subresource, {}, resource.group_version, "")
        shares.append(own)
    if changed:
        own.fields = union(own.fields, changed)
        own.time, own.api_version = rfc3339(now), resource.group_version
    write_shares(new, shares)


def _entry(share: Share) -> Object:
    return {
        "manager": share.manager,
        "operation": share.operation,
        "apiVersion": share.api_version,
        **({"time": share.time} if share.time else {}),
        "fieldsType": "FieldsV1",
        "fieldsV1": share.fields,
        **({"subresource": share.subresource} if share.subresource else {}),
    }
