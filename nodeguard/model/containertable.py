"""The fields of containers and probes, as of Kubernetes 1.37.

Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go.
"""

from __future__ import annotations

from typing import Any

from nodeguard.model.fieldtype import Field, Table, not_yet
from nodeguard.model.fieldtype import honoured as h
from nodeguard.model.fieldtype import refused as u
from nodeguard.model.fieldtype import warned as w
from nodeguard.model.podtable import ID, RESTART_POLICIES

_NO_PROBE = {
    "liveness": "a container that hangs is not restarted",
    "readiness": "a container that runs counts as ready",
    "startup": "a container that runs counts as started",
}

_CONTAINER: dict[str, Field] = {
    "name": h("string!", "Name, unique in the pod.", syntax="dns_label"),
    "image": h(
        "string", "Image, or a path to one; missing or host: the host's own root file system.", syntax="trimmed"
    ),
    "command": h("[]string", "Program and first arguments; $(VAR) is expanded."),
    "args": h("[]string", "Arguments; $(VAR) is expanded."),
    "workingDir": h("string", "Directory to start in."),
    "ports": w("[]ContainerPort", "Ports the container listens on.", not_yet("ports are not published")),
    "envFrom": h("[]EnvFromSource", "Variables from a ConfigMap or Secret."),
    "env": h("[]EnvVar", "Variables."),
    "resources": h("ResourceRequirements", "Requests and limits."),
    "resizePolicy": w(
        "[]ContainerResizePolicy", "What a resize needs.", not_yet("resources of a running pod do not change")
    ),
    "restartPolicy": h(
        "string", "Own restart policy; Always makes an init container a sidecar.", words=RESTART_POLICIES
    ),
    "restartPolicyRules": h("[]ContainerRestartRule", "Exit codes that lead to a restart."),
    "volumeMounts": h("[]VolumeMount", "Where volumes appear."),
    "volumeDevices": u("[]VolumeDevice", "Block devices.", "block devices are not supported"),
    "livenessProbe": w("Probe", "Restart when it fails.", not_yet(_NO_PROBE["liveness"])),
    "readinessProbe": w("Probe", "Ready when it succeeds.", not_yet(_NO_PROBE["readiness"])),
    "startupProbe": w("Probe", "Started when it succeeds.", not_yet(_NO_PROBE["startup"])),
    "lifecycle": h("Lifecycle", "Hooks at start and stop."),
    "terminationMessagePath": h("string", "File with the last words.", default="/dev/termination-log"),
    "terminationMessagePolicy": h(
        "string", "Where last words come from.", words=("File", "FallbackToLogsOnError"), default="File"
    ),
    "imagePullPolicy": w(
        "string",
        "When the image is pulled.",
        not_yet("images are not pulled; what is on this host is used"),
        words=("Always", "Never", "IfNotPresent"),
        quiet=("Never", "IfNotPresent"),
    ),
    "securityContext": h("SecurityContext", "User, capabilities and the like."),
    "stdin": h("bool", "Keep stdin open, for attach.", default=False),
    "stdinOnce": h("bool", "Close stdin after the first client.", default=False),
    "tty": h("bool", "Give the container a terminal.", default=False),
}

_OPTIONAL = {
    "name": h("string", "Name."),
    "optional": h("bool", "Whether it may be missing."),
}
_KEY = {
    "name": h("string", "Name."),
    "key": h("string!", "Key."),
    "optional": h("bool", "Whether it may be missing."),
}

CONTAINER: Table = {
    "Container": _CONTAINER,
    "EphemeralContainer": {**_CONTAINER, "targetContainerName": h("string", "Container whose processes are shared.")},
    "ContainerPort": {
        "name": h("string", "Name of the port.", syntax="port_name"),
        "containerPort": h("int32!", "Port.", low=1, high=65535),
        "hostPort": h("int32", "Port on the host.", low=0, high=65535),
        "protocol": h("string", "Protocol.", words=("TCP", "UDP", "SCTP"), default="TCP"),
        "hostIP": h("string", "Address on the host.", syntax="ip_address"),
    },
    "EnvFromSource": {
        "prefix": h("string", "Put before every name.", syntax="env_name"),
        "configMapRef": h("ConfigMapEnvSource", "ConfigMap."),
        "secretRef": h("SecretEnvSource", "Secret."),
    },
    "ConfigMapEnvSource": _OPTIONAL,
    "SecretEnvSource": _OPTIONAL,
    "EnvVar": {
        "name": h("string!", "Name.", syntax="env_name"),
        "value": h("string", "Value; $(VAR) is expanded."),
        "valueFrom": h("EnvVarSource", "Where the value comes from."),
    },
    "EnvVarSource": {
        "fieldRef": h("ObjectFieldSelector", "Field of the pod."),
        "resourceFieldRef": h("ResourceFieldSelector", "Request or limit of a container."),
        "configMapKeyRef": h("ConfigMapKeySelector", "Key of a ConfigMap."),
        "secretKeyRef": h("SecretKeySelector", "Key of a Secret."),
        "fileKeyRef": u("FileKeySelector", "Key of a file in a volume.", "variables from files are not supported yet"),
    },
    "ObjectFieldSelector": {
        "apiVersion": h("string", "Version of the path's schema.", words=("v1",), default="v1"),
        "fieldPath": h("string!", "Path, such as metadata.labels['app']."),
    },
    "ResourceFieldSelector": {
        "containerName": h("string", "Container; the one itself when missing."),
        "resource": h("string!", "Such as limits.cpu."),
        "divisor": h("quantity", "Unit of the value.", default="1"),
    },
    "ConfigMapKeySelector": _KEY,
    "SecretKeySelector": _KEY,
    "FileKeySelector": {
        "volumeName": h("string!", "Volume."),
        "path": h("string!", "File in it.", syntax="relative_path"),
        "key": h("string!", "Key."),
        "optional": h("bool", "Whether it may be missing."),
    },
    "ResourceRequirements": {
        "limits": h("map[string]quantity", "Most the container may use."),
        "requests": h("map[string]quantity", "What it is sure to get; a limit when missing."),
        "claims": u("[]ResourceClaim", "Devices to use.", "device claims are not supported"),
    },
    "ResourceClaim": {"name": h("string!", "Entry of spec.resourceClaims."), "request": h("string", "Request in it.")},
    "ContainerResizePolicy": {
        "resourceName": h("string!", "Resource.", words=("cpu", "memory")),
        "restartPolicy": h("string!", "Whether to restart.", words=("NotRequired", "RestartContainer")),
    },
    "ContainerRestartRule": {
        "action": h("string!", "What is done.", words=("Restart", "RestartAllContainers")),
        "exitCodes": h("ContainerRestartRuleOnExitCodes", "Exit codes it applies to."),
    },
    "ContainerRestartRuleOnExitCodes": {
        "operator": h("string!", "How values count.", words=("In", "NotIn")),
        "values": h("[]int32", "Exit codes."),
    },
    "VolumeMount": {
        "name": h("string!", "Volume."),
        "mountPath": h("string!", "Path in the container.", syntax="absolute_path"),
        "readOnly": h("bool", "Mount it read-only.", default=False),
        "recursiveReadOnly": u(
            "string",
            "Whether mounts below are read-only too.",
            "mounts below the volume cannot be made read-only",
            words=("Disabled", "IfPossible", "Enabled"),
            quiet=("Disabled", "IfPossible"),
        ),
        "subPath": h("string", "Path in the volume.", syntax="relative_path"),
        "subPathExpr": h("string", "Path in the volume; $(VAR) is expanded.", syntax="relative_path"),
        "mountPropagation": h(
            "string",
            "Whether later mounts pass.",
            words=("None", "HostToContainer", "Bidirectional"),
            default="None",
        ),
        "bindMountOptions": u(
            "[]string",
            "Further mount options.",
            "mount options of volumes are not supported",
            words=("noexec", "nodev", "nosuid"),
        ),
    },
    "VolumeDevice": {
        "name": h("string!", "PersistentVolumeClaim of the pod."),
        "devicePath": h("string!", "Path in the container."),
    },
    "SecurityContext": {
        "capabilities": h("Capabilities", "Capabilities to add and drop."),
        "privileged": h("bool", "Give all rights of the host's root.", default=False),
        "runAsUser": h("int64", "User id.", **ID),
        "runAsGroup": h("int64", "Group id.", **ID),
        "runAsNonRoot": h("bool", "Refuse to run as root."),
        "readOnlyRootFilesystem": h("bool", "Make the root file system read-only.", default=False),
        "allowPrivilegeEscalation": h("bool", "False sets no_new_privs."),
        "seccompProfile": h("SeccompProfile", "Which system calls are allowed."),
        "procMount": u(
            "string",
            "How /proc is masked.",
            "/proc is always masked",
            words=("Default", "Unmasked"),
            default="Default",
        ),
        "appArmorProfile": w("AppArmorProfile", "AppArmor profile.", not_yet("no AppArmor profile is set")),
        "seLinuxOptions": w("SELinuxOptions", "SELinux label.", not_yet("no SELinux label is set")),
        "windowsOptions": w("WindowsSecurityContextOptions", "For Windows.", "accepted, has no effect on Linux"),
    },
    "Capabilities": {
        "add": h("[]string", "Such as NET_ADMIN."),
        "drop": h("[]string", "Such as ALL."),
    },
    "SeccompProfile": {
        "type": h("string!", "Which kind of profile.", words=("RuntimeDefault", "Unconfined", "Localhost")),
        "localhostProfile": h("string", "File below the seccomp directory.", syntax="relative_path"),
    },
    "AppArmorProfile": {
        "type": h("string!", "Which kind of profile.", words=("RuntimeDefault", "Unconfined", "Localhost")),
        "localhostProfile": h("string", "Profile loaded on the host."),
    },
    "SELinuxOptions": {
        "user": h("string", "User part."),
        "role": h("string", "Role part."),
        "type": h("string", "Type part."),
        "level": h("string", "Level part."),
    },
    "WindowsSecurityContextOptions": {
        "gmsaCredentialSpecName": h("string", "Name of a credential spec."),
        "gmsaCredentialSpec": h("string", "Credential spec."),
        "runAsUserName": h("string", "User."),
        "hostProcess": h("bool", "Run as a process of the host."),
    },
}

_DELAY: dict[str, Any] = {"low": 0}

PROBE: Table = {
    "Probe": {
        "exec": h("ExecAction", "Command to run."),
        "httpGet": h("HTTPGetAction", "HTTP request to send."),
        "tcpSocket": h("TCPSocketAction", "Port to connect to."),
        "grpc": h("GRPCAction", "gRPC health service to ask."),
        "initialDelaySeconds": h("int32", "Wait after the start.", **_DELAY, default=0),
        "timeoutSeconds": h("int32", "Time for an answer.", **_DELAY, default=1),
        "periodSeconds": h("int32", "Time between two probes.", **_DELAY, default=10),
        "successThreshold": h("int32", "Successes in a row that count.", **_DELAY, default=1),
        "failureThreshold": h("int32", "Failures in a row that count.", **_DELAY, default=3),
        "terminationGracePeriodSeconds": h("int64", "Time to end after a failure.", low=1),
    },
    "ExecAction": {"command": h("[]string!", "Program and arguments.")},
    "HTTPGetAction": {
        "path": h("string", "Path.", default="/"),
        "port": h("intOrString!", "Port or its name."),
        "host": h("string", "Host; the pod's address when missing."),
        "scheme": h("string", "HTTP or HTTPS.", words=("HTTP", "HTTPS"), default="HTTP"),
        "httpHeaders": h("[]HTTPHeader", "Headers to send."),
        "protocol": h("string", "HTTP version.", words=("HTTP1", "HTTP2")),
    },
    "HTTPHeader": {"name": h("string!", "Name."), "value": h("string", "Value.")},
    "TCPSocketAction": {
        "port": h("intOrString!", "Port or its name."),
        "host": h("string", "Host; the pod's address when missing."),
    },
    "GRPCAction": {
        "port": h("int32!", "Port.", low=1, high=65535),
        "service": h("string", "Service to ask for."),
        "mode": h("string", "Kind of connection.", words=("Plaintext", "TLS")),
    },
    "SleepAction": {"seconds": h("int64!", "How long.", low=0)},
    "Lifecycle": {
        "postStart": w("LifecycleHandler", "Done after the start.", not_yet("the hook does not run")),
        "preStop": w("LifecycleHandler", "Done before SIGTERM.", not_yet("the hook does not run")),
        "stopSignal": w("string", "Signal instead of SIGTERM.", not_yet("SIGTERM is sent"), quiet=("SIGTERM",)),
    },
    "LifecycleHandler": {
        "exec": h("ExecAction", "Command to run."),
        "httpGet": h("HTTPGetAction", "HTTP request to send."),
        "tcpSocket": h("TCPSocketAction", "Never worked; kept for old manifests."),
        "sleep": h("SleepAction", "Pause."),
    },
}
