"""Pods as the link carries them: a v1 Pod object to the typed pod."""

from __future__ import annotations

from typing import Any

from nodeguard.errors import InvalidInput
from nodeguard.model.decode import decode_items
from nodeguard.model.document import Document
from nodeguard.model.pod import Pod

SOURCE = "API"
_METADATA_OF_THE_STORE = ("managedFields", "resourceVersion", "generation", "selfLink")


def read_pod(value: dict[str, Any]) -> Pod:
    """The pod. Of its status only the QoS class counts, which never changes: all else this agent knows better.

    Raises:
        InvalidInput: it is no pod that can be run, with every reason.
    """
    metadata = value.get("metadata")
    if isinstance(metadata, dict):
        value = {**value, "metadata": {k: v for k, v in metadata.items() if k not in _METADATA_OF_THE_STORE}}
    status = value.get("status")
    qos_class = status.get("qosClass") if isinstance(status, dict) else None
    value = {**value, "status": {"qosClass": qos_class} if qos_class else {}}
    found = decode_items(Document(value=value, source=SOURCE), (), [value], "Pod")
    if found.errors or not found.pods:
        raise InvalidInput(found.errors)
    pod = found.pods[0]
    if not pod.meta.uid or not pod.meta.name:
        raise InvalidInput(["a pod without name or uid"])
    return pod


def identity_of(value: dict[str, Any]) -> tuple[str, str, str]:
    """uid, namespace and name of any object; what is missing or no text is empty."""
    metadata = value.get("metadata")
    found = metadata if isinstance(metadata, dict) else {}
    texts = (found.get(key) for key in ("uid", "namespace", "name"))
    uid, namespace, name = (text if isinstance(text, str) else "" for text in texts)
    return uid, namespace or "default", name
