"""The fields of nodes, as of Kubernetes 1.37.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go, NodeSpec, NodeStatus.
"""

from __future__ import annotations

from nodeguard.model.fieldtype import ONE_HOST, Table
from nodeguard.model.fieldtype import honoured as h
from nodeguard.model.fieldtype import warned as w
from nodeguard.model.statustable import CONDITION

_NOT_USED = "Not set by nodeguard."

NODE: Table = {
    "NodeSpec": {
        "podCIDR": w("string", "Addresses for pods.", ONE_HOST),
        "podCIDRs": w("[]string", "Addresses for pods.", ONE_HOST),
        "providerID": w("string", "Id of the machine at its provider.", ONE_HOST),
        "unschedulable": h("bool", "True (cordoned): no new pods are taken in."),
        "taints": h("[]Taint", "What keeps pods off the node, unless they tolerate it."),
        "podPreemptionPolicy": w("any", "Which pods are pushed out first.", ONE_HOST),
        "configSource": w("any", "Removed from Kubernetes.", ONE_HOST),
        "externalID": w("string", "Removed from Kubernetes.", ONE_HOST),
    },
    "Taint": {
        "key": h("string!", "Name of the taint.", syntax="qualified_name"),
        "value": h("string", "Value.", syntax="label_value"),
        "effect": h("string!", "What happens to pods.", words=("NoSchedule", "PreferNoSchedule", "NoExecute")),
        "timeAdded": h("time", "When it was added."),
    },
    "NodeStatus": {
        "capacity": h("map[string]quantity", "What the node has; the arena's size with --capacity."),
        "allocatable": h("map[string]quantity", "What it gives to pods."),
        "phase": h("string", _NOT_USED),
        "conditions": h("[]NodeCondition", "Ready, MemoryPressure, DiskPressure, PIDPressure."),
        "addresses": h("[]NodeAddress", "Addresses of the host."),
        "daemonEndpoints": h("NodeDaemonEndpoints", "Ports of the agent."),
        "nodeInfo": h("NodeSystemInfo", "What the host runs."),
        "images": h("[]ContainerImage", "Images on the host."),
        "volumesInUse": h("[]string", _NOT_USED),
        "volumesAttached": h("[]any", _NOT_USED),
        "config": h("any", _NOT_USED),
        "runtimeHandlers": h("[]NodeRuntimeHandler", "What the container runtime can do."),
        "features": h("NodeFeatures", "What the node can do."),
        "declaredFeatures": h("[]string", "Further features."),
    },
    "NodeCondition": {
        **{key: field for key, field in CONDITION.items() if key != "observedGeneration"},
        "lastHeartbeatTime": h("time", "When it was looked at last."),
    },
    "NodeAddress": {
        "type": h("string!", "InternalIP, Hostname and others."),
        "address": h("string!", "Address."),
    },
    "NodeDaemonEndpoints": {"kubeletEndpoint": h("DaemonEndpoint", "The agent's.")},
    "DaemonEndpoint": {"Port": h("int32", "Port.")},
    "NodeSystemInfo": {
        "machineID": h("string", "Id of the machine, from /etc/machine-id."),
        "systemUUID": h("string", "Id of the machine, from its firmware."),
        "bootID": h("string", "Id of this boot."),
        "kernelVersion": h("string", "Kernel."),
        "osImage": h("string", "Operating system."),
        "containerRuntimeVersion": h("string", "Container runtime, such as runc://1.1.5."),
        "kubeletVersion": h("string", "Version of nodeguard."),
        "kubeProxyVersion": h("string", "Removed from Kubernetes."),
        "operatingSystem": h("string", "linux."),
        "architecture": h("string", "Such as amd64."),
        "runningInUserNamespace": h("bool", "Whether the agent itself is in a user namespace."),
        "swap": h("NodeSwapStatus", "Swap of the node."),
    },
    "NodeSwapStatus": {"capacity": h("int64", "Swap in bytes.")},
    "ContainerImage": {
        "names": h("[]string", "Names of the image."),
        "sizeBytes": h("int64", "Size in bytes."),
    },
    "NodeRuntimeHandler": {
        "name": h("string", "Name; empty for the one that is used when a pod names none."),
        "features": h("NodeRuntimeHandlerFeatures", "What it can do."),
    },
    "NodeRuntimeHandlerFeatures": {
        "recursiveReadOnlyMounts": h("bool", "Whether mounts below a volume can be made read-only."),
        "userNamespaces": h("bool", "Whether there are user namespaces for pods."),
    },
    "NodeFeatures": {"supplementalGroupsPolicy": h("bool", "Whether groups of the image can be left out.")},
}
