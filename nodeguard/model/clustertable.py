"""The fields of what is in the API beside pods, as of Kubernetes 1.37.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go, events/v1, coordination/v1, policy/v1, authentication/v1,
authorization/v1; staging/src/k8s.io/metrics/pkg/apis/metrics/v1beta1/types.go.
"""

from __future__ import annotations

from nodeguard.model.fieldtype import ONE_HOST, Field, Table
from nodeguard.model.fieldtype import honoured as h
from nodeguard.model.fieldtype import warned as w
from nodeguard.model.podtable import OBJECT
from nodeguard.model.statustable import CONDITION

_TYPE = h("string", "Normal or Warning.")
_ACTION = h("string", "What was done.")
_REASON = h("string", "Why it happened, in one word.")
_RELATED = h("ObjectReference", "A second object.")
_INSTANCE = h("string", "Which one of those that tell.")
_MICRO = h("time", "When it was seen first, to the microsecond.")
_DATA = "Values by key; pods read them as variables and as files, which follow changes."
_IMMUTABLE = h("bool", "True: the data can never change again.")
_EXTRA = h("map[string][]string", "Further facts about the user.")
_RULE_VERBS = h("[]string", "What may be done.")
_USAGE = h("map[string]quantity", "Use of cpu and memory.")
_TIMES: dict[str, Field] = {
    "timestamp": h("time", "When it was measured."),
    "window": h("string", "Time over which it was measured, such as 10s."),
}
_ACCESS: dict[str, Field] = {
    "resourceAttributes": h("ResourceAttributes", "What is asked about an object."),
    "nonResourceAttributes": h("NonResourceAttributes", "What is asked about a path."),
}
_WHO: dict[str, Field] = {
    "user": h("string", "Who is asked about."),
    "groups": h("[]string", "Groups of that user."),
    "extra": _EXTRA,
    "uid": h("string", "Id of that user."),
}
_MAY = h("SubjectAccessReviewStatus", "The answer.")

CLUSTER: Table = {
    "Node": {**OBJECT, "spec": h("NodeSpec", "What users want of the node."), "status": h("NodeStatus", "How it is.")},
    "Namespace": {
        **OBJECT,
        "spec": h("NamespaceSpec", "What keeps the namespace."),
        "status": h("NamespaceStatus", "Whether it is being deleted."),
    },
    "NamespaceSpec": {"finalizers": h("[]string", "What must be done before it is gone.")},
    "NamespaceStatus": {
        "phase": h("string", "Active or Terminating."),
        "conditions": h("[]NamespaceCondition", "How the deletion goes on."),
    },
    "NamespaceCondition": {key: field for key, field in CONDITION.items() if key != "observedGeneration"},
    "ConfigMap": {
        **OBJECT,
        "data": h("map[string]string", _DATA),
        "binaryData": h("map[string]bytes", "The same in base64, for what is no text."),
        "immutable": _IMMUTABLE,
    },
    "Secret": {
        **OBJECT,
        "data": h("map[string]bytes", f"{_DATA} In base64."),
        "stringData": h("map[string]string", "Values as they are; go to data when the object is written."),
        "type": h("string", "What it is for.", default="Opaque"),
        "immutable": _IMMUTABLE,
    },
    "ServiceAccount": {
        **OBJECT,
        "secrets": w("[]ObjectReference", "Secrets pods of this account may use.", ONE_HOST),
        "imagePullSecrets": w("[]LocalObjectReference", "Secrets for registries.", ONE_HOST),
        "automountServiceAccountToken": w("bool", "Whether a token is mounted.", ONE_HOST),
    },
    "ObjectReference": {
        "kind": h("string", "Kind."),
        "namespace": h("string", "Namespace."),
        "name": h("string", "Name."),
        "uid": h("string", "Uid."),
        "apiVersion": h("string", "Version of the kind's schema."),
        "resourceVersion": h("string", "Which state of the object."),
        "fieldPath": h("string", "Part of the object, such as spec.containers{web}."),
    },
    "Event": {
        **OBJECT,
        "involvedObject": h("ObjectReference!", "What it is about."),
        "reason": _REASON,
        "message": h("string", "What happened."),
        "source": h("EventSource", "Who tells."),
        "firstTimestamp": h("time", "When it was seen first."),
        "lastTimestamp": h("time", "When it was seen last."),
        "count": h("int32", "How often it was seen."),
        "type": _TYPE,
        "eventTime": _MICRO,
        "series": h("EventSeries", "More than one of the same."),
        "action": _ACTION,
        "related": _RELATED,
        "reportingComponent": h("string", "Who tells."),
        "reportingInstance": _INSTANCE,
    },
    "EventSource": {"component": h("string", "Which program."), "host": h("string", "Which node.")},
    "EventSeries": {"count": h("int32", "How many."), "lastObservedTime": h("time", "When it was seen last.")},
    "events.k8s.io.Event": {
        **OBJECT,
        "eventTime": _MICRO,
        "series": h("EventSeries", "More than one of the same."),
        "reportingController": h("string", "Who tells."),
        "reportingInstance": _INSTANCE,
        "action": _ACTION,
        "reason": _REASON,
        "regarding": h("ObjectReference", "What it is about."),
        "related": _RELATED,
        "note": h("string", "What happened."),
        "type": _TYPE,
        "deprecatedSource": h("EventSource", "Who tells."),
        "deprecatedFirstTimestamp": h("time", "When it was seen first."),
        "deprecatedLastTimestamp": h("time", "When it was seen last."),
        "deprecatedCount": h("int32", "How often it was seen."),
    },
    "Lease": {**OBJECT, "spec": h("LeaseSpec", "Who holds it, and until when.")},
    "LeaseSpec": {
        "holderIdentity": h("string", "Who holds it; for the node's own lease the node."),
        "leaseDurationSeconds": h("int32", "How long it holds without being renewed.", low=1),
        "acquireTime": h("time", "When it was taken."),
        "renewTime": h("time", "When it was renewed last."),
        "leaseTransitions": h("int32", "How often its holder changed.", low=0),
        "strategy": h("string", "How the next holder is chosen."),
        "preferredHolder": h("string", "Who should hold it."),
    },
    "Binding": {**OBJECT, "target": h("ObjectReference!", "Node to run on.")},
    "Eviction": {**OBJECT, "deleteOptions": h("DeleteOptions", "How the pod is deleted.")},
    "SelfSubjectReview": {**OBJECT, "status": h("SelfSubjectReviewStatus", "The answer.")},
    "SelfSubjectReviewStatus": {"userInfo": h("UserInfo", "Who asks.")},
    "UserInfo": {
        "username": h("string", "Name."),
        "uid": h("string", "Id."),
        "groups": h("[]string", "Groups."),
        "extra": _EXTRA,
    },
    "SelfSubjectAccessReview": {
        **OBJECT,
        "spec": h("SelfSubjectAccessReviewSpec!", "What is asked."),
        "status": _MAY,
    },
    "SelfSubjectAccessReviewSpec": _ACCESS,
    "SubjectAccessReview": {**OBJECT, "spec": h("SubjectAccessReviewSpec!", "What is asked."), "status": _MAY},
    "SubjectAccessReviewSpec": {**_ACCESS, **_WHO},
    "LocalSubjectAccessReview": {**OBJECT, "spec": h("SubjectAccessReviewSpec!", "What is asked."), "status": _MAY},
    "ResourceAttributes": {
        "namespace": h("string", "Namespace; empty means all."),
        "verb": h("string", "Such as get; * means all."),
        "group": h("string", "Group."),
        "version": h("string", "Version."),
        "resource": h("string", "Such as pods."),
        "subresource": h("string", "Such as log."),
        "name": h("string", "Name; empty means all."),
        "fieldSelector": h("any", "Narrower still."),
        "labelSelector": h("any", "Narrower still."),
    },
    "NonResourceAttributes": {"path": h("string", "Path."), "verb": h("string", "Such as get.")},
    "SubjectAccessReviewStatus": {
        "allowed": h("bool", "Whether it is allowed."),
        "denied": h("bool", "Whether it is denied."),
        "reason": h("string", "Why."),
        "evaluationError": h("string", "What could not be looked at."),
    },
    "SelfSubjectRulesReview": {
        **OBJECT,
        "spec": h("SelfSubjectRulesReviewSpec!", "What is asked."),
        "status": h("SubjectRulesReviewStatus", "The answer."),
    },
    "SelfSubjectRulesReviewSpec": {"namespace": h("string", "Namespace.")},
    "SubjectRulesReviewStatus": {
        "resourceRules": h("[]ResourceRule", "What may be done to objects."),
        "nonResourceRules": h("[]NonResourceRule", "What may be done to paths."),
        "incomplete": h("bool", "Whether there may be more."),
        "evaluationError": h("string", "What could not be looked at."),
    },
    "ResourceRule": {
        "verbs": _RULE_VERBS,
        "apiGroups": h("[]string", "Groups."),
        "resources": h("[]string", "Resources."),
        "resourceNames": h("[]string", "Names; none means all."),
    },
    "NonResourceRule": {"verbs": _RULE_VERBS, "nonResourceURLs": h("[]string", "Paths.")},
    "NodeMetrics": {**OBJECT, **_TIMES, "usage": _USAGE},
    "PodMetrics": {**OBJECT, **_TIMES, "containers": h("[]ContainerMetrics", "One for each container.")},
    "ContainerMetrics": {"name": h("string", "Container."), "usage": _USAGE},
}
