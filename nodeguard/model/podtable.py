"""The fields of metadata, kinds and pods, as of Kubernetes 1.37.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go, staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.fieldtype import ONE_HOST, Table, not_yet
from nodeguard.model.fieldtype import honoured as h
from nodeguard.model.fieldtype import refused as u
from nodeguard.model.fieldtype import warned as w

MAX_ID = 2**31 - 1
RESTART_POLICIES = ("Always", "OnFailure", "Never")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
ID: dict[str, Any] = {"low": 0, "high": MAX_ID}
_RUNS_ANYWAY = not_yet("the pod runs on this host whatever it says")
_SERVER = "Set by the system; a value in a manifest is ignored."

META: Table = {
    "ObjectMeta": {
        "name": h("string", "Name, unique in its namespace.", syntax="dns_subdomain"),
        "generateName": h("string", "Prefix of a name to be made up when name is missing.", syntax="name_prefix"),
        "namespace": h("string", "Namespace.", syntax="dns_label", default="default"),
        "labels": h("map[string]string", "Labels to select by."),
        "annotations": h("map[string]string", "Notes of any kind."),
        "uid": h("string", "Unique id; made up when missing.", syntax="uid"),
        "ownerReferences": w("[]OwnerReference", "Objects this one belongs to.", not_yet("owners are not looked for")),
        "finalizers": w("[]string", "What must be done before deletion.", not_yet("deletion does not wait for them")),
        "resourceVersion": h("string", _SERVER),
        "generation": h("int64", _SERVER),
        "creationTimestamp": h("time", _SERVER),
        "deletionTimestamp": h("time", _SERVER, syntax="timestamp"),
        "deletionGracePeriodSeconds": h("int64", _SERVER),
        "selfLink": h("string", _SERVER),
        "managedFields": h("[]any", _SERVER),
    },
    "OwnerReference": {
        "apiVersion": h("string!", "API version of the owner."),
        "kind": h("string!", "Kind of the owner."),
        "name": h("string!", "Name of the owner."),
        "uid": h("string!", "Uid of the owner."),
        "controller": h("bool", "Whether the owner manages this object."),
        "blockOwnerDeletion": h("bool", "Whether the owner waits for this object when it is deleted."),
    },
    "LabelSelector": {
        "matchLabels": h("map[string]string", "Labels that must have these values."),
        "matchExpressions": h("[]LabelSelectorRequirement", "Rules on labels, all of which must hold."),
    },
    "LabelSelectorRequirement": {
        "key": h("string!", "Label.", syntax="qualified_name"),
        "operator": h("string!", "How values count.", words=("In", "NotIn", "Exists", "DoesNotExist")),
        "values": h("[]string", "Values for In and NotIn."),
    },
    "LocalObjectReference": {"name": h("string", "Name of an object of the same namespace.")},
}

_KIND = {
    "apiVersion": h("string!", "Version of the kind's schema."),
    "kind": h("string!", "What the object is."),
}

OBJECT = {**_KIND, "metadata": h("ObjectMeta", "Name, labels and annotations.")}
"""What every object has."""

KINDS: Table = {
    "Pod": {
        **OBJECT,
        "spec": h("PodSpec!", "What is to run."),
        "status": h("any", "What was observed; ignored but for qosClass, which stays once set, and for admission."),
    },
    "PriorityClass": {
        **OBJECT,
        "value": h("int32!", "Priority of pods of this class."),
        "globalDefault": h("bool", "Whether it applies to pods that name no class."),
        "description": h("string", "When to use the class."),
        "preemptionPolicy": h(
            "string", "Whether its pods push others out.", words=PREEMPTION_POLICIES, default="PreemptLowerPriority"
        ),
    },
    "List": {
        **_KIND,
        "metadata": h("any", "Metadata of the list."),
        "items": h("[]any", "The objects."),
    },
}

POD: Table = {
    "PodSpec": {
        "volumes": h("[]Volume", "Directories and files that containers can mount."),
        "initContainers": h("[]Container", "Run one after the other before the containers; sidecars keep running."),
        "containers": h("[]Container!", "Run side by side."),
        "ephemeralContainers": h("[]EphemeralContainer", "Added to a running pod; not allowed in a manifest."),
        "restartPolicy": h("string", "When ended containers run again.", words=RESTART_POLICIES, default="Always"),
        "terminationGracePeriodSeconds": h("int64", "Time between SIGTERM and SIGKILL.", low=0, default=30),
        "activeDeadlineSeconds": h("int64", "The pod is ended when it has run that long.", low=1, high=MAX_ID),
        "dnsPolicy": w(
            "string",
            "Where names are looked up.",
            not_yet("the pod's network is loopback only"),
            words=("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
            default="ClusterFirst",
        ),
        "nodeSelector": w("map[string]string", "Labels the node must have.", _RUNS_ANYWAY),
        "serviceAccountName": w(
            "string", "Account the pod acts as.", ONE_HOST, syntax="dns_subdomain", default="default"
        ),
        "serviceAccount": w("string", "Old name of serviceAccountName.", ONE_HOST, default="default"),
        "automountServiceAccountToken": w("bool", "Whether a token is mounted.", ONE_HOST, default=True),
        "nodeName": w("string", "Node to run on.", ONE_HOST, syntax="dns_subdomain"),
        "hostNetwork": h("bool", "Use the host's network.", default=False),
        "hostPID": h("bool", "Use the host's processes.", default=False),
        "hostIPC": h("bool", "Use the host's shared memory and semaphores.", default=False),
        "shareProcessNamespace": h("bool", "Containers see one another's processes.", default=False),
        "securityContext": h("PodSecurityContext", "Users, groups and sysctls for all containers."),
        "imagePullSecrets": w(
            "[]LocalObjectReference", "Secrets for registries.", not_yet("images are not pulled from registries")
        ),
        "hostname": h("string", "Host name of the pod; its name when missing.", syntax="dns_label"),
        "subdomain": h("string", "Domain below the namespace's for the full host name.", syntax="dns_label"),
        "affinity": w("Affinity", "Which nodes, and which pods beside it, suit the pod.", _RUNS_ANYWAY),
        "schedulerName": w("string", "Scheduler that places the pod.", ONE_HOST, default="default-scheduler"),
        "tolerations": w("[]Toleration", "Taints the pod bears.", not_yet("this host has no taints")),
        "hostAliases": h("[]HostAlias", "Entries for /etc/hosts."),
        "priorityClassName": h("string", "PriorityClass of the pod.", syntax="dns_subdomain"),
        "priority": h("int32", "Priority; follows from the class."),
        "dnsConfig": w("PodDNSConfig", "Lines for resolv.conf.", not_yet("the pod's network is loopback only")),
        "readinessGates": w(
            "[]PodReadinessGate", "Conditions the pod needs to be Ready.", not_yet("the pod is Ready without them")
        ),
        "runtimeClassName": w(
            "string", "Runtime to use.", not_yet("the runtime found on this host is used"), syntax="dns_subdomain"
        ),
        "enableServiceLinks": w("bool", "Variables that tell of services.", ONE_HOST, default=True),
        "preemptionPolicy": h("string", "Whether the pod pushes others out.", words=PREEMPTION_POLICIES),
        "overhead": h("map[string]quantity", "What the pod costs beside its containers."),
        "topologySpreadConstraints": w("[]TopologySpreadConstraint", "How like pods spread over nodes.", ONE_HOST),
        "setHostnameAsFQDN": w("bool", "Use the full name as host name.", not_yet("the short host name is used")),
        "os": h("PodOS", "Operating system the containers need."),
        "hostUsers": h("bool", "False asks for a user namespace.", default=True),
        "schedulingGates": w("[]PodSchedulingGate", "Hold the pod back.", not_yet("the pod starts at once")),
        "resourceClaims": u("[]PodResourceClaim", "Devices to claim.", "device claims are not supported"),
        "resources": h("ResourceRequirements", "Requests and limits of the pod as a whole."),
        "hostnameOverride": h("string", "Exact host name of the pod.", syntax="dns_subdomain"),
        "schedulingGroup": w("PodSchedulingGroup", "Pods to be placed together.", ONE_HOST),
        "evictionResponders": w("[]EvictionResponder", "Who answers requests to evict the pod.", ONE_HOST),
    },
    "PodSecurityContext": {
        "runAsUser": h("int64", "User id.", **ID),
        "runAsGroup": h("int64", "Group id.", **ID),
        "runAsNonRoot": h("bool", "Refuse to run as root."),
        "supplementalGroups": h("[]int64", "Further group ids.", **ID),
        "supplementalGroupsPolicy": w(
            "string",
            "Whether groups of the image count.",
            not_yet("groups the image names are merged in"),
            words=("Merge", "Strict"),
            default="Merge",
        ),
        "fsGroup": h("int64", "Group that owns the volumes.", **ID),
        "fsGroupChangePolicy": w(
            "string",
            "When owners are changed.",
            not_yet("owners are set whenever a volume is made"),
            words=("OnRootMismatch", "Always"),
            default="Always",
        ),
        "sysctls": h("[]Sysctl", "Kernel settings of the pod's namespaces."),
        "seccompProfile": h("SeccompProfile", "Which system calls are allowed."),
        "appArmorProfile": w("AppArmorProfile", "AppArmor profile.", not_yet("no AppArmor profile is set")),
        "seLinuxOptions": w("SELinuxOptions", "SELinux label.", not_yet("no SELinux label is set")),
        "seLinuxChangePolicy": w(
            "string",
            "How volumes are labelled.",
            not_yet("no SELinux label is set"),
            words=("Recursive", "MountOption"),
        ),
        "windowsOptions": w("WindowsSecurityContextOptions", "For Windows.", "accepted, has no effect on Linux"),
    },
    "Sysctl": {
        "name": h("string!", "Name, such as net.ipv4.ip_unprivileged_port_start.", syntax="sysctl_name"),
        "value": h("string", "Value."),
    },
    "HostAlias": {
        "ip": h("string!", "Address.", syntax="ip_address"),
        "hostnames": h("[]string", "Names for it.", syntax="dns_subdomain"),
    },
    "PodDNSConfig": {
        "nameservers": h("[]string", "Addresses of name servers.", syntax="ip_address"),
        "searches": h("[]string", "Domains to search."),
        "options": h("[]PodDNSConfigOption", "Options of the resolver."),
    },
    "PodDNSConfigOption": {"name": h("string!", "Name."), "value": h("string", "Value.")},
    "PodReadinessGate": {"conditionType": h("string!", "Condition that must be True.", syntax="qualified_name")},
    "PodOS": {"name": h("string!", "linux or windows.", words=("linux", "windows"))},
    "PodSchedulingGate": {"name": h("string!", "Name of the gate.", syntax="qualified_name")},
    "PodSchedulingGroup": {"podGroupName": h("string", "PodGroup.", syntax="dns_subdomain")},
    "EvictionResponder": {
        "name": h("string!", "Responder, such as acme.io/foo.", syntax="qualified_name"),
        "priority": h("int32!", "Higher is asked first.", low=0, high=100000),
    },
    "PodResourceClaim": {
        "name": h("string!", "Name in the pod.", syntax="dns_label"),
        "resourceClaimName": h("string", "ResourceClaim to use.", syntax="dns_subdomain"),
        "resourceClaimTemplateName": h("string", "ResourceClaimTemplate to use.", syntax="dns_subdomain"),
    },
}
