"""``metadata``: what the server sets, what it keeps, what it refuses.

Source: kubernetes, staging/src/k8s.io/apiserver/pkg/registry/rest/create.go, update.go, meta.go;
staging/src/k8s.io/apimachinery/pkg/api/validation/objectmeta.go; pkg/storage/names/generate.go.
"""

from __future__ import annotations

import json
import secrets
import uuid
from typing import Any

from nodeguard.api.resource import Resource
from nodeguard.api.status import ApiError, Cause, bad_request, conflict
from nodeguard.model.instant import rfc3339
from nodeguard.model.syntax import annotation_key, dns_label, dns_subdomain, label_value, name_prefix, qualified_name

Object = dict[str, Any]

MAX_ANNOTATION_BYTES = 256 * 1024
_RANDOM = "bcdfghjklmnpqrstvwxz2456789"
_SERVERS = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "resourceVersion",
)
_WITH_GENERATION = frozenset(("Pod", "Lease"))


def check_identity(resource: Resource, obj: Object, namespace: str, name: str) -> None:
    """Refuse an object that is not of the path it was sent to; what it does not say is filled in.

    Raises:
        ApiError: 400.
    """
    expected = (resource.group_version, resource.kind)
    given = (obj.get("apiVersion") or expected[0], obj.get("kind") or expected[1])
    if given != expected:
        found = f'{str(given[1])[:60]} in version "{str(given[0])[:60]}"'
        raise bad_request(
            f"{found} cannot be handled as a {resource.kind}: the path is for {expected[0]} {expected[1]}"
        )
    obj["apiVersion"], obj["kind"] = expected
    metadata = obj.setdefault("metadata", {})
    if metadata is None:
        metadata = obj["metadata"] = {}
    if not isinstance(metadata, dict):
        raise bad_request(f"{resource.kind} cannot be handled: metadata is no object")
    if resource.namespaced:
        if (metadata.get("namespace") or namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)
    if name and (metadata.get("name") or name) != name:
        raise bad_request(
            f"the name of the object ({str(metadata['name'])[:260]}) does not match the name on the URL ({name[:260]})"
        )
    if name:
        metadata["name"] = name


def begin_metadata(resource: Resource, obj: Object, now: float) -> None:
    """A new object's metadata: a name, a uid, a beginning.

    Raises:
        ApiError: 400, it carries a resourceVersion.
    """
    metadata = obj["metadata"]
    if metadata.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    for key in _SERVERS:
        metadata.pop(key, None)
    metadata.pop("generation", None)
    if not metadata.get("name") and metadata.get("generateName") and isinstance(metadata["generateName"], str):
        metadata["name"] = metadata["generateName"][:58] + "".join(secrets.choice(_RANDOM) for _ in range(5))
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = rfc3339(now)
    if resource.kind in _WITH_GENERATION:
        metadata["generation"] = 1


def keep_metadata(resource: Resource, new: Object, old: Object) -> None:
    """Carry over what a client cannot change.

    Raises:
        ApiError: 409, the object meant is another one, or an older state of it.
    """
    given, kept = new["metadata"], old["metadata"]
    uid, version = given.get("uid"), given.get("resourceVersion")
    if uid and uid != kept.get("uid"):
        because = (
            f"Precondition failed: UID in precondition: {str(uid)[:60]}, UID in object meta: {kept.get('uid', '')}"
        )
        raise conflict(resource.plural, resource.group, kept["name"], because)
    if version and version != kept.get("resourceVersion"):
        raise modified(resource, kept["name"])
    for key in (*_SERVERS, "generateName", "generation"):
        if key in kept:
            given[key] = kept[key]
        else:
            given.pop(key, None)
    if "managedFields" in kept:
        given.setdefault("managedFields", kept["managedFields"])


def other_uid(resource: Resource, metadata: Object, wanted: str) -> ApiError:
    """The object of that name is another one."""
    because = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {metadata.get('uid', '')}"
    return conflict(resource.plural, resource.group, metadata["name"], because)


def modified(resource: Resource, name: str) -> ApiError:
    """Somebody else changed the object meanwhile."""
    because = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource.plural, resource.group, name, because)


def metadata_faults(resource: Resource, obj: Object) -> list[Cause]:
    """Every rule that ``metadata`` breaks, its shape being right; for kinds that have no closer look of their own."""
    metadata = obj["metadata"]
    found: list[Cause] = []

    def refuse(field: str, value: Any, message: str) -> None:
        found.append(Cause("FieldValueInvalid", f"Invalid value: {json.dumps(value)[:200]}: {message}", field))

    name, prefix = metadata.get("name") or "", metadata.get("generateName") or ""
    if not name:
        found.append(Cause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name"))
    elif (fault := (dns_label if resource.kind == "Namespace" else dns_subdomain)(name)) is not None:
        refuse("metadata.name", name, fault)
    if prefix and (fault := name_prefix(prefix)) is not None:
        refuse("metadata.generateName", prefix, fault)
    for key, value in (metadata.get("labels") or {}).items():
        if (fault := qualified_name(key)) is not None:
            refuse("metadata.labels", key, fault)
        if (fault := label_value(value)) is not None:
            refuse("metadata.labels", value, fault)
    total = 0
    for key, value in (metadata.get("annotations") or {}).items():
        total += len(key) + len(value.encode())
        if (fault := annotation_key(key)) is not None:
            refuse("metadata.annotations", key, fault)
    if total > MAX_ANNOTATION_BYTES:
        message = f"Too long: may not be more than {MAX_ANNOTATION_BYTES} bytes"
        found.append(Cause("FieldValueTooLong", message, "metadata.annotations"))
    for finalizer in metadata.get("finalizers") or ():
        if (fault := qualified_name(finalizer)) is not None:
            refuse("metadata.finalizers", finalizer, fault)
    found += _owner_faults(metadata.get("ownerReferences") or ())
    return found


def _owner_faults(owners: Any) -> list[Cause]:
    controllers = [owner.get("name", "") for owner in owners if owner.get("controller")]
    found = []
    if len(controllers) > 1:
        message = "Invalid value: Only one reference can have Controller set to true. Found " + ", ".join(
            f'"true" in references for {name}' for name in controllers
        )
        found.append(Cause("FieldValueInvalid", message, "metadata.ownerReferences"))
    found += [
        Cause("FieldValueInvalid", "Invalid value: Event is disallowed from being an owner", "metadata.ownerReferences")
        for owner in owners
        if owner.get("kind") == "Event"
    ]
    return found


def shape_faults(obj: Object) -> list[str]:
    """Where ``metadata`` is not even of the right types, as texts; nothing else may look at it then."""
    metadata = obj["metadata"]
    found = [
        f"metadata.{key}: expected a string"
        for key in ("name", "namespace", "generateName", "uid", "resourceVersion")
        if metadata.get(key) is not None and not isinstance(metadata[key], str)
    ]
    for key in ("labels", "annotations"):
        value = metadata.get(key)
        if value is None:
            metadata.pop(key, None)
        elif not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            found.append(f"metadata.{key}: expected strings by name")
    finalizers = metadata.get("finalizers") or []
    if not isinstance(finalizers, list) or not all(isinstance(item, str) for item in finalizers):
        found.append("metadata.finalizers: expected a list of strings")
    owners = metadata.get("ownerReferences") or []
    if not isinstance(owners, list) or not all(_is_owner(owner) for owner in owners):
        found.append("metadata.ownerReferences: expected a list of objects with apiVersion, kind, name and uid")
    managed = metadata.get("managedFields")
    if managed is not None and (not isinstance(managed, list) or not all(isinstance(item, dict) for item in managed)):
        found.append("metadata.managedFields: expected a list of objects")
    return found


def _is_owner(owner: Any) -> bool:
    keys = ("apiVersion", "kind", "name", "uid")
    return isinstance(owner, dict) and all(isinstance(owner.get(key), str) and owner[key] for key in keys)
