"""The fields of a pod's status, as of Kubernetes 1.37.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go, PodStatus.
"""

from __future__ import annotations

from nodeguard.model.fieldtype import Field, Table
from nodeguard.model.fieldtype import honoured as h

_REASON = h("string", "Why, in one word.")
_MESSAGE = h("string", "Why, in words.")
_NOT_USED = "Not set by nodeguard."
_SINCE = h("time", "When status changed last.")

CONDITION: dict[str, Field] = {
    "type": h("string!", "What the condition is about."),
    "status": h("string!", "Whether it holds.", words=("True", "False", "Unknown")),
    "observedGeneration": h("int64", "Generation of the object that was looked at."),
    "lastTransitionTime": _SINCE,
    "reason": _REASON,
    "message": _MESSAGE,
}

STATUS: Table = {
    "PodStatus": {
        "observedGeneration": h("int64", "Generation of the pod that was looked at."),
        "phase": h("string", "Pending, Running, Succeeded, Failed or Unknown."),
        "conditions": h("[]PodCondition", "What holds for the pod: PodScheduled, Initialized, Ready and others."),
        "message": _MESSAGE,
        "reason": h("string", "Why, in one word, such as Evicted."),
        "nominatedNodeName": h("string", "Node on which others make room for the pod."),
        "hostIP": h("string", "Address of the node."),
        "hostIPs": h("[]HostIP", "Addresses of the node."),
        "podIP": h("string", "Address of the pod."),
        "podIPs": h("[]PodIP", "Addresses of the pod."),
        "startTime": h("time", "When the pod was taken in."),
        "initContainerStatuses": h("[]ContainerStatus", "One for each init container."),
        "containerStatuses": h("[]ContainerStatus", "One for each container."),
        "qosClass": h("string", "Guaranteed, Burstable or BestEffort; decides the cgroup tier."),
        "ephemeralContainerStatuses": h("[]ContainerStatus", "One for each ephemeral container."),
        "resize": h("string", _NOT_USED),
        "resourceClaimStatuses": h("[]PodResourceClaimStatus", _NOT_USED),
        "extendedResourceClaimStatus": h("any", _NOT_USED),
        "nodeAllocatableResourceClaimStatuses": h("[]any", _NOT_USED),
        "allocatedResources": h("map[string]quantity", _NOT_USED),
        "resources": h("ResourceRequirements", _NOT_USED),
        "volumeHealth": h("[]any", _NOT_USED),
    },
    "PodCondition": {**CONDITION, "lastProbeTime": h("time", "When it was looked at last.")},
    "HostIP": {"ip": h("string!", "Address.")},
    "PodIP": {"ip": h("string!", "Address.")},
    "PodResourceClaimStatus": {
        "name": h("string!", "Entry of spec.resourceClaims."),
        "resourceClaimName": h("string", "ResourceClaim that was made."),
    },
    "ContainerStatus": {
        "name": h("string!", "Container."),
        "state": h("ContainerState", "What it does now."),
        "lastState": h("ContainerState", "How its previous instance ended."),
        "ready": h("bool", "Whether it is ready."),
        "restartCount": h("int32", "How often it was restarted."),
        "image": h("string", "Image it runs."),
        "imageID": h("string", "Digest of the image."),
        "containerID": h("string", "Id of the instance, with the runtime's name before it."),
        "started": h("bool", "Whether it has started."),
        "allocatedResources": h("map[string]quantity", _NOT_USED),
        "resources": h("ResourceRequirements", "Requests and limits that are in force."),
        "volumeMounts": h("[]VolumeMountStatus", "What is mounted."),
        "user": h("ContainerUser", "Ids its first process has."),
        "allocatedResourcesStatus": h("[]any", _NOT_USED),
        "stopSignal": h("string", "Signal that ends it."),
    },
    "ContainerState": {
        "waiting": h("ContainerStateWaiting", "It does not run yet, or not now."),
        "running": h("ContainerStateRunning", "It runs."),
        "terminated": h("ContainerStateTerminated", "It has ended."),
    },
    "ContainerStateWaiting": {"reason": _REASON, "message": _MESSAGE},
    "ContainerStateRunning": {"startedAt": h("time", "When it was started.")},
    "ContainerStateTerminated": {
        "exitCode": h("int32", "Exit code; 128 and the signal's number after a signal."),
        "signal": h("int32", "Signal that ended it."),
        "reason": h("string", "Completed, Error, OOMKilled and others; OOMKilled only when the kernel counted it."),
        "message": h("string", "Last words of the container."),
        "startedAt": h("time", "When it was started."),
        "finishedAt": h("time", "When it ended."),
        "containerID": h("string", "Id of the instance."),
    },
    "VolumeMountStatus": {
        "name": h("string!", "Volume."),
        "mountPath": h("string!", "Path in the container."),
        "readOnly": h("bool", "Whether it is read-only."),
        "recursiveReadOnly": h("string", "Whether mounts below are read-only too."),
        "volumeStatus": h("any", _NOT_USED),
    },
    "ContainerUser": {"linux": h("LinuxContainerUser", "Ids on Linux.")},
    "LinuxContainerUser": {
        "uid": h("int64", "User id."),
        "gid": h("int64", "Group id."),
        "supplementalGroups": h("[]int64", "Further group ids."),
    },
}
