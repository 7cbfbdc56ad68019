"""The field table of the API: that of manifests, with the statuses, the other kinds, and what only requests carry.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go.
"""

from __future__ import annotations

from nodeguard.model.clustertable import CLUSTER
from nodeguard.model.field import OBJECTS
from nodeguard.model.fieldtype import Table
from nodeguard.model.fieldtype import honoured as h
from nodeguard.model.nodetable import NODE
from nodeguard.model.podtable import KINDS, META, POD
from nodeguard.model.statustable import STATUS

_KIND = {
    "apiVersion": h("string", "Version of the kind's schema."),
    "kind": h("string", "What the object is."),
}

_META: Table = {
    "ObjectMeta": {
        **META["ObjectMeta"],
        "ownerReferences": h("[]OwnerReference", "Objects this one belongs to; it is deleted with the last of them."),
        "finalizers": h("[]string", "What must be done before the object is gone.", syntax="qualified_name"),
        "creationTimestamp": h("time", "When it was created. Set by the system.", syntax="timestamp"),
        "managedFields": h("[]ManagedFieldsEntry", "Who set which field. Set by the system."),
    },
    "ManagedFieldsEntry": {
        "manager": h("string", "Who."),
        "operation": h("string", "Apply or Update."),
        "apiVersion": h("string", "Version of the fields."),
        "time": h("time", "When."),
        "fieldsType": h("string", "FieldsV1."),
        "fieldsV1": h("any", "The fields."),
        "subresource": h("string", "Through which subresource."),
    },
    "ListMeta": {
        "selfLink": h("string", "Never set."),
        "resourceVersion": h("string", "State of the list; a watch begins there."),
        "continue": h("string", "Token for the next part of the list."),
        "remainingItemCount": h("int64", "How many items follow."),
        "shardInfo": h("any", "Never set."),
    },
    "DeleteOptions": {
        **_KIND,
        "gracePeriodSeconds": h("int64", "Time between SIGTERM and SIGKILL; 0 kills at once.", low=0),
        "preconditions": h("Preconditions", "What must hold, or nothing is deleted."),
        "orphanDependents": h("bool", "Old form of propagationPolicy."),
        "propagationPolicy": h(
            "string", "What becomes of objects that belong to it.", words=("Orphan", "Background", "Foreground")
        ),
        "dryRun": h("[]string", "All: nothing is changed.", words=("All",)),
        "ignoreStoreReadErrorWithClusterBreakingPotential": h("bool", "Has no effect here."),
    },
    "Preconditions": {
        "uid": h("string", "Uid the object must have."),
        "resourceVersion": h("string", "State the object must have."),
    },
    "Status": {
        **_KIND,
        "metadata": h("ListMeta", "Nothing."),
        "status": h("string", "Success or Failure."),
        "message": h("string", "What happened."),
        "reason": h("string", "What happened, in one word."),
        "details": h("StatusDetails", "What it is about."),
        "code": h("int32", "HTTP status code."),
    },
    "StatusDetails": {
        "name": h("string", "Name."),
        "group": h("string", "Group."),
        "kind": h("string", "Kind or resource."),
        "uid": h("string", "Uid."),
        "causes": h("[]StatusCause", "Every fault."),
        "retryAfterSeconds": h("int32", "When to try again."),
    },
    "StatusCause": {
        "reason": h("string", "Kind of fault."),
        "message": h("string", "The fault in words."),
        "field": h("string", "Where it is."),
    },
}

_POD_SPEC: Table = {
    "PodSpec": {
        **POD["PodSpec"],
        "nodeName": h("string", "Node to run on; the system's word when missing.", syntax="dns_subdomain"),
        "tolerations": h("[]Toleration", "Taints of the node that the pod bears."),
    }
}
"""What `run` has no use for: there the host is nobody else's, and has no taints."""

API_OBJECTS: Table = {
    **OBJECTS,
    **STATUS,
    **NODE,
    **CLUSTER,
    **_META,
    **_POD_SPEC,
    "Pod": {**KINDS["Pod"], "status": h("PodStatus", "What the pod does. Set by the system.")},
}
"""Every object of the API, by name."""
