"""Schemas of OpenAPI, made of the field table: what ``kubectl explain`` prints, and clients validate with.

Source: kubernetes, api/openapi-spec/v3 (names of components, extensions x-kubernetes-…); OpenAPI 3.0.
"""

from __future__ import annotations

from typing import Any

from nodeguard.api.resource import RESOURCES
from nodeguard.model.apitable import API_OBJECTS
from nodeguard.model.fieldtype import Field, Support
from nodeguard.model.mergetable import ATOMIC_OBJECTS, MERGES, REPLACED, Merge

Schema = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_CORE = "io.k8s.api.core.v1."
_PACKAGES = {
    **dict.fromkeys(("ObjectMeta", "OwnerReference", "LabelSelector", "LabelSelectorRequirement", "ListMeta"), _META),
    **dict.fromkeys(("DeleteOptions", "Preconditions", "ManagedFieldsEntry"), _META),
    **dict.fromkeys(("Status", "StatusDetails", "StatusCause"), _META),
    "PriorityClass": "io.k8s.api.scheduling.v1.",
    **dict.fromkeys(("Lease", "LeaseSpec"), "io.k8s.api.coordination.v1."),
    "Eviction": "io.k8s.api.policy.v1.",
    **dict.fromkeys(("SelfSubjectReview", "SelfSubjectReviewStatus", "UserInfo"), "io.k8s.api.authentication.v1."),
    **dict.fromkeys(
        (
            *("SelfSubjectAccessReview", "SelfSubjectAccessReviewSpec", "SubjectAccessReview"),
            *("SubjectAccessReviewSpec", "SubjectAccessReviewStatus", "LocalSubjectAccessReview"),
            *("ResourceAttributes", "NonResourceAttributes", "SelfSubjectRulesReview", "SelfSubjectRulesReviewSpec"),
            *("SubjectRulesReviewStatus", "ResourceRule", "NonResourceRule"),
        ),
        "io.k8s.api.authorization.v1.",
    ),
    **dict.fromkeys(("NodeMetrics", "PodMetrics", "ContainerMetrics"), "io.k8s.metrics.pkg.apis.metrics.v1beta1."),
}
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_PLAIN: dict[str, Schema] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "bytes": {"type": "string", "format": "byte"},
    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
_SHARED = {"quantity": _QUANTITY, "intOrString": _INT_OR_STRING, "time": f"{_META}Time"}
_SHARED_SCHEMAS: dict[str, Schema] = {
    _QUANTITY: {
        "description": "Amount of a resource: a number with a suffix, such as 500m or 64Mi.",
        "oneOf": [{"type": "string"}, {"type": "number"}],
    },
    _INT_OR_STRING: {
        "description": "A port: its number or its name.",
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
    f"{_META}Time": {"description": "Instant, as RFC 3339.", "type": "string", "format": "date-time"},
}
_LIST_DOC = "List of objects."


def component_name(table_name: str) -> str:
    """What OpenAPI calls an object of the field table: ``io.k8s.api.core.v1.Pod``."""
    if table_name.startswith("events.k8s.io."):
        return f"io.k8s.api.events.v1.{table_name.removeprefix('events.k8s.io.')}"
    return f"{_PACKAGES.get(table_name, _CORE)}{table_name}"


class Schemas:
    """The components that one document needs; ``prefix`` is what references begin with."""

    def __init__(self, prefix: str = "#/components/schemas/") -> None:
        self.components: dict[str, Schema] = {}
        self._prefix = prefix

    def refer(self, table_name: str) -> Schema:
        """A reference to an object of the field table, which becomes one of the components."""
        name = component_name(table_name)
        if name not in self.components:
            self.components[name] = {}  # an object may hold itself
            self.components[name] = self._object(table_name)
        return {"$ref": self._prefix + name}

    def refer_to_list(self, table_name: str, kind: str) -> Schema:
        """A reference to the list of a kind."""
        name = f"{component_name(table_name)}List"
        if name not in self.components:
            group, version = _group_version(table_name)
            self.components[name] = {
                "description": _LIST_DOC,
                "type": "object",
                "required": ["items"],
                "properties": {
                    "apiVersion": {"type": "string", "description": "Version of the kind's schema."},
                    "kind": {"type": "string", "description": "What the object is."},
                    "metadata": {**self._all_of("ListMeta"), "description": "Metadata of the list."},
                    "items": {"type": "array", "items": self._all_of(table_name), "description": "The objects."},
                },
                "x-kubernetes-group-version-kind": [{"group": group, "version": version, "kind": f"{kind}List"}],
            }
        return {"$ref": self._prefix + name}

    def _object(self, table_name: str) -> Schema:
        fields = API_OBJECTS[table_name]
        schema: Schema = {"type": "object"}
        if table_name in _OBJECT_DOCS:  # all others: kubectl prints the field that holds them
            schema["description"] = _OBJECT_DOCS[table_name]
        # apiVersion and kind are required in a manifest; as upstream has it, the schema does not say so
        required = [key for key, field in fields.items() if field.required and key not in ("apiVersion", "kind")]
        if required:
            schema["required"] = required
        merges = MERGES.get(table_name, {})
        schema["properties"] = {key: self._field(field, merges.get(key)) for key, field in fields.items()}
        if table_name in ATOMIC_OBJECTS:
            schema["x-kubernetes-map-type"] = "atomic"
        kinds = [
            {"group": one.group, "version": one.version, "kind": one.kind}
            for one in RESOURCES
            if one.table_name == table_name
        ] or _OTHER_KINDS.get(table_name)
        if kinds:
            schema["x-kubernetes-group-version-kind"] = kinds
        return schema

    def _field(self, field: Field, merge: Merge | None) -> Schema:
        schema = {**self._type(field, field.type), "description": _doc(field)}
        if field.default is not None and "$ref" not in schema and "allOf" not in schema:
            schema["default"] = field.default
        if merge is None:
            merge = REPLACED if field.type.startswith("[]") else Merge()
        return schema | _extensions(merge, is_list=field.type.startswith("[]"))

    def _type(self, field: Field, type: str) -> Schema:  # noqa: A002 - the column's name
        if type.startswith("[]"):
            return {"type": "array", "items": self._type(field, type[2:])}
        if type.startswith("map[string]"):
            return {"type": "object", "additionalProperties": self._type(field, type[11:])}
        if type in API_OBJECTS:
            return self._all_of(type)
        if type in _SHARED:
            name = _SHARED[type]
            self.components.setdefault(name, _SHARED_SCHEMAS[name])
            return {"allOf": [{"$ref": self._prefix + name}]}
        schema = dict(_PLAIN[type])
        if field.words:
            schema["enum"] = list(field.words)
        bounds = {"minimum": field.low, "maximum": field.high} if schema["type"] == "integer" else {}
        return schema | {key: bound for key, bound in bounds.items() if bound is not None}

    def _all_of(self, table_name: str) -> Schema:
        """A reference beside which a description may stand."""
        return {"allOf": [self.refer(table_name)]}


_OTHER_KINDS: dict[str, list[dict[str, str]]] = {
    "Status": [{"group": "", "version": "v1", "kind": "Status"}],
    "DeleteOptions": [{"group": "", "version": "v1", "kind": "DeleteOptions"}],
    "Eviction": [{"group": "policy", "version": "v1", "kind": "Eviction"}],
}
_OBJECT_DOCS = {
    "Pod": "Containers that run together on this host, share its network namespaces, and live in one cgroup.",
    "Node": "This host, with what it has, what it gives to pods, and how it is.",
    "Namespace": "A room for names. Nothing else: it has no limits of its own.",
    "ConfigMap": "Values for pods, which read them as variables and files.",
    "Secret": "Values for pods that are nobody else's business.",
    "ServiceAccount": "Name of an account. Pods get no token.",
    "Event": "Something that happened to an object. Kept for an hour.",
    "events.k8s.io.Event": "Something that happened to an object. Kept for an hour. The same as core events.",
    "Lease": "Who holds something, and until when. The node's own tells that the agent lives.",
    "PriorityClass": "Name and value of a priority. Decides whom memory and disk pressure takes first.",
}


def _doc(field: Field) -> str:
    """The field's line, and what nodeguard does with it when that is not what it says."""
    if field.support is Support.WARNING:
        return f"{field.doc} On this host: {field.reason}."
    if field.support is Support.UNSUPPORTED:
        return f"{field.doc} Refused on this host: {field.reason}."
    return field.doc


def _extensions(merge: Merge, *, is_list: bool) -> Schema:
    found: Schema = {}
    if merge.strategy:
        found["x-kubernetes-patch-strategy"] = merge.strategy
    if merge.key:
        found["x-kubernetes-patch-merge-key"] = merge.key
    if merge.type and is_list:
        found["x-kubernetes-list-type"] = merge.type
        if merge.keys:
            found["x-kubernetes-list-map-keys"] = list(merge.keys)
    elif merge.type:
        found["x-kubernetes-map-type"] = merge.type
    return found


def _group_version(table_name: str) -> tuple[str, str]:
    return next((one.group, one.version) for one in RESOURCES if one.table_name == table_name)
