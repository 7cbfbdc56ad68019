"""Namespaces: those every cluster has, how a new one begins, and whether objects may be made in one.

Source: kubernetes, pkg/registry/core/namespace/strategy.go; plugin NamespaceLifecycle
(staging/src/k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go).
"""

from __future__ import annotations

from typing import Any

from nodeguard.api.resource import Resource
from nodeguard.api.status import forbidden, not_found
from nodeguard.api.store.entry import Key
from nodeguard.api.store.store import Store

Object = dict[str, Any]

BUILT_IN = ("default", "kube-node-lease", "kube-public", "kube-system")
FOREVER = BUILT_IN
"""What cannot be deleted. Upstream lets kube-node-lease go, and makes it again."""


def begin_namespace(namespace: Object) -> None:
    """Fill in what every namespace has."""
    namespace["spec"] = {"finalizers": ["kubernetes"]}
    namespace["status"] = {"phase": "Active"}
    metadata = namespace["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}


def check_namespace(store: Store, resource: Resource, namespace: str, name: str) -> None:
    """Refuse a new object in a namespace that is not there, or is about to go.

    Raises:
        ApiError: 404 or 403.
    """
    entry = store.latest(Key("namespaces", "", namespace))
    if entry is None:
        raise not_found("namespaces", "", namespace)
    if entry.object()["metadata"].get("deletionTimestamp"):
        because = f"unable to create new content in namespace {namespace} because it is being terminated"
        error = forbidden(resource.plural, resource.group, name, because)
        cause = {"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated"}
        error.details = {**(error.details or {}), "causes": [{**cause, "field": "metadata.namespace"}]}
        raise error
