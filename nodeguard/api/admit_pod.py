"""Pods: what admission fills in, what it refuses, and what never changes.

Source: kubernetes, pkg/registry/core/pod/strategy.go; plugin/pkg/admission: priority, serviceaccount,
defaulttolerationseconds; pkg/apis/core/validation/validation.go, ValidatePodUpdate.
"""

from __future__ import annotations

import copy
from typing import Any

from nodeguard.api.placement import place
from nodeguard.api.status import Cause, forbidden, internal_error, invalid
from nodeguard.api.store.entry import Key
from nodeguard.api.store.store import Store
from nodeguard.errors import RuntimeFailed
from nodeguard.model.decode import decode
from nodeguard.model.document import Document
from nodeguard.model.instant import rfc3339
from nodeguard.model.meta import ObjectMeta
from nodeguard.model.pod import Pod, PriorityClass
from nodeguard.policy.priority import resolve
from nodeguard.policy.qos import qos_class
from nodeguard.runtime.image import classify

Object = dict[str, Any]

_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_TOLERATED_SECONDS = 300
_UPDATE_REFUSED = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_IMAGE_REFUSED = (
    "Forbidden: this node does not replace containers of a pod that exists; delete the pod and create it anew"
)
MIRROR = "kubernetes.io/config.mirror"
CLASSES = "priorityclasses.scheduling.k8s.io"


def admit_new_pod(store: Store, node_name: str, obj: Object) -> None:
    """Give the pod its account, priority, tolerations, node and first status.

    Raises:
        ApiError: its PriorityClass or account is not there, or an image cannot be had.
    """
    metadata, spec = obj["metadata"], obj["spec"]
    name, namespace = metadata["name"], metadata["namespace"]
    if MIRROR in (metadata.get("annotations") or {}):
        raise forbidden("pods", "", name, f"the annotation {MIRROR} is the node's own, for pods of its manifests")
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account
    if store.latest(Key("serviceaccounts", namespace, account)) is None:
        because = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
        raise forbidden("pods", "", name, because)
    pod = _decoded(obj)
    resolution = resolve(pod, priority_classes(store))
    if resolution.errors:
        raise forbidden("pods", "", name, "; ".join(str(fault) for fault in resolution.errors))
    resolved = resolution.pod
    spec["priority"] = resolved.priority
    spec["preemptionPolicy"] = resolved.preemption_policy
    if resolved.priority_class_name:
        spec["priorityClassName"] = resolved.priority_class_name
    if faults := _image_faults(pod):
        raise invalid("Pod", "", name, faults)
    _tolerate(spec)
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(pod).qos.value}
    node = store.latest(Key("nodes", "", node_name))
    place(obj, node_name, node.object() if node is not None else None, metadata["creationTimestamp"])


def priority_classes(store: Store) -> list[PriorityClass]:
    """The PriorityClasses of the store, as the rules want them."""
    return [_priority_class(entry.object()) for entry in store.entries(CLASSES)]


def pod_update_faults(new: Object, old: Object) -> list[Cause]:
    """What a change of a pod would change and must not."""
    given, kept = copy.deepcopy(new["spec"]), copy.deepcopy(old["spec"])
    faults = _toleration_faults(given, kept)
    if (new["metadata"].get("annotations") or {}).get(MIRROR) != (old["metadata"].get("annotations") or {}).get(MIRROR):
        message = f"Forbidden: may not be changed: {MIRROR}"
        faults.append(Cause("FieldValueForbidden", message, "metadata.annotations"))
    for spec in (given, kept):
        spec.pop("tolerations", None)
    _accept_deadline(given, kept)
    if (kept.get("terminationGracePeriodSeconds") or 0) < 0 and given.get("terminationGracePeriodSeconds") == 1:
        kept["terminationGracePeriodSeconds"] = 1
    for key in ("containers", "initContainers"):
        of_both = zip(given.get(key) or (), kept.get(key) or (), strict=False)
        for position, (one, other) in enumerate(of_both):
            if one.get("image") != other.get("image"):
                faults.append(Cause("FieldValueForbidden", _IMAGE_REFUSED, f"spec.{key}[{position}].image"))
            _carry_image(other, one)
    if given != kept:
        changed = sorted(key for key in {*given, *kept} if given.get(key) != kept.get(key))
        faults.append(Cause("FieldValueForbidden", f"{_UPDATE_REFUSED}\nchanged: {', '.join(changed)}", "spec"))
    return faults


def _carry_image(container: Object, source: Object) -> None:
    if "image" in source:
        container["image"] = source["image"]
    else:
        container.pop("image", None)


def terminating(pod: Object, grace_seconds: int, now: float) -> None:
    """Mark a pod as one that ends within the grace period; a second mark can only shorten it."""
    metadata = pod["metadata"]
    earlier = metadata.get("deletionGracePeriodSeconds")
    if metadata.get("deletionTimestamp") and earlier is not None and earlier <= grace_seconds:
        return
    metadata["deletionTimestamp"] = rfc3339(now + grace_seconds)
    metadata["deletionGracePeriodSeconds"] = grace_seconds
    if "generation" in metadata:
        metadata["generation"] += 1


def _decoded(obj: Object) -> Pod:
    found = decode([Document(value=obj, source="")])
    if not found.pods:
        raise internal_error("a pod that was found valid could not be decoded: " + "; ".join(map(str, found.errors)))
    return found.pods[0]


def _priority_class(obj: Object) -> PriorityClass:
    return PriorityClass(
        meta=ObjectMeta(name=obj["metadata"]["name"], namespace=""),
        value=obj["value"],
        global_default=obj.get("globalDefault", False),
        preemption_policy=obj.get("preemptionPolicy") or "PreemptLowerPriority",
        description=obj.get("description", ""),
    )


def _image_faults(pod: Pod) -> list[Cause]:
    """Images that cannot be had here; nothing is read but names."""
    faults = []
    for key, containers in (("initContainers", pod.init_containers), ("containers", pod.containers)):
        for position, container in enumerate(containers):
            try:
                classify(container.image)
            except RuntimeFailed as e:
                message = f'Invalid value: "{str(container.image)[:200]}": {e.reason}: {e}'
                faults.append(Cause("FieldValueInvalid", message, f"spec.{key}[{position}].image"))
    return faults


def _tolerate(spec: Object) -> None:
    tolerations = spec.setdefault("tolerations", [])
    for key in _TOLERATED:
        if not any(_bears(one, key) for one in tolerations):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATED_SECONDS}
            )


def _bears(toleration: Object, key: str) -> bool:
    return toleration.get("key", "") in ("", key) and toleration.get("effect", "") in ("", "NoExecute")


def _toleration_faults(given: Object, kept: Object) -> list[Cause]:
    def without_time(toleration: Object) -> Object:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    present = [without_time(one) for one in given.get("tolerations") or ()]
    missing = [one for one in kept.get("tolerations") or () if without_time(one) not in present]
    if not missing:
        return []
    message = "Forbidden: existing toleration can not be modified except its tolerationSeconds"
    return [Cause("FieldValueForbidden", message, "spec.tolerations")]


def _accept_deadline(given: Object, kept: Object) -> None:
    """A deadline may be set, or brought forward."""
    wanted, is_now = given.get("activeDeadlineSeconds"), kept.get("activeDeadlineSeconds")
    if wanted is not None and (is_now is None or wanted <= is_now):
        kept["activeDeadlineSeconds"] = wanted
