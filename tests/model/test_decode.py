from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeguard.model.configdata import ConfigData
from nodeguard.model.decode import Manifests, decode
from nodeguard.model.document import Document, parse
from nodeguard.model.field import OBJECTS
from nodeguard.model.finding import Severity
from nodeguard.model.objectref import ObjectRef
from nodeguard.model.pod import (
    ContainerKind,
    DownwardAPI,
    EmptyDir,
    EnvFrom,
    HostPath,
    KeyFile,
    KeyRef,
    ObjectFiles,
    Projected,
    RestartPolicy,
)
from nodeguard.model.quantity import Quantity

SUPPORTED = "supported: Pod, PriorityClass, List, ConfigMap, Secret"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n"
CONTAINER = "  containers:\n  - name: a\n    command: [x]\n"


def read(text: str) -> Manifests:
    return decode(parse(text, "f"))


def found(text: str) -> list[str]:
    return [f"{finding.severity}: {finding}" for finding in read(text).findings]


def of_pod(spec: str, containers: str = CONTAINER) -> list[str]:
    """The findings for fields of the spec, from line 8 on."""
    return found(POD + containers + "".join(f"  {line}\n" for line in spec.splitlines()))


def of_container(fields: str) -> list[str]:
    """The findings for fields of the container, from line 8 on."""
    return found(POD + CONTAINER + "".join(f"    {line}\n" for line in fields.splitlines()))


FULL = """
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  uid: 0f0e
  labels: {app.kubernetes.io/name: web, tier: ""}
  annotations: {Example.com/Note: any text}
spec:
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 0
  activeDeadlineSeconds: 60
  priorityClassName: high
  hostname: web
  subdomain: shop
  shareProcessNamespace: true
  hostAliases: [{ip: 10.0.0.1, hostnames: [db, db.local]}]
  overhead: {cpu: 10m, memory: 1Mi}
  securityContext:
    supplementalGroups: [1, 2]
    fsGroup: 3
    sysctls: [{name: net/ipv4/ip_unprivileged_port_start, value: "0"}]
  volumes:
  - {name: disk, emptyDir: {sizeLimit: 1Gi}}
  - {name: ram, emptyDir: {medium: Memory}}
  - {name: host, hostPath: {path: /srv, type: DirectoryOrCreate}}
  - name: info
    downwardAPI:
      defaultMode: 0400
      items:
      - {path: labels, fieldRef: {fieldPath: metadata.labels}, mode: 0600}
      - {path: cpu/limit, resourceFieldRef: {containerName: main, resource: limits.cpu, divisor: 1m}}
  initContainers:
  - {name: setup, command: [/bin/setup]}
  - {name: log, command: [/bin/log], restartPolicy: Always, livenessProbe: {exec: {command: [x]}}}
  containers:
  - name: main
    image: host
    command: [/bin/sh]
    args: [-c, "echo $(A)"]
    workingDir: /srv
    env:
    - {name: A, value: "1"}
    - {name: EMPTY}
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app.kubernetes.io/name']"}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: requests.cpu}}}
    resources: {requests: {cpu: 0.5}, limits: {cpu: "1", memory: 1.5Gi}}
    restartPolicy: Never
    restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]
    volumeMounts:
    - {name: disk, mountPath: /data, subPath: a/b, readOnly: true}
    - {name: host, mountPath: /host, mountPropagation: HostToContainer}
    securityContext: {privileged: false, readOnlyRootFilesystem: true}
"""


def test_a_full_pod() -> None:
    manifests = read(FULL)
    assert [str(finding) for finding in manifests.findings] == [
        "f:36: spec.initContainers[1].livenessProbe: accepted, not acted on yet: a container that hangs is "
        "not restarted"
    ]
    (pod,) = manifests.pods
    assert (pod.meta.key, pod.meta.uid, pod.meta.labels["tier"]) == ("shop/web", "0f0e", "")
    assert (pod.restart_policy, pod.termination_grace_period_seconds) == (RestartPolicy.ON_FAILURE, 0)
    assert (pod.active_deadline_seconds, pod.priority_class_name, pod.fs_group) == (60, "high", 3)
    assert pod.sysctls == (("net.ipv4.ip_unprivileged_port_start", "0"),)
    assert [container.kind for container in pod.all_containers] == [
        ContainerKind.INIT,
        ContainerKind.SIDECAR,
        ContainerKind.APP,
    ]
    main = pod.containers[0]
    assert (main.image, main.command, main.args) == ("host", ("/bin/sh",), ("-c", "echo $(A)"))
    assert [(variable.name, variable.value) for variable in main.env] == [
        *(("A", "1"), ("EMPTY", ""), ("NAME", None), ("CPU", None)),
    ]
    assert main.resources.requests == {"cpu": Quantity.parse("500m"), "memory": Quantity.parse("1536Mi")}
    assert main.restart_policy is RestartPolicy.NEVER
    assert main.restart_rules[0].exit_codes == (42,)
    assert (main.volume_mounts[0].sub_path, main.volume_mounts[0].read_only) == ("a/b", True)
    disk, ram, host, info = (volume.source for volume in pod.volumes)
    assert disk == EmptyDir(size_limit=Quantity.parse("1Gi"))
    assert ram == EmptyDir(medium="Memory")
    assert host == HostPath(path="/srv", type="DirectoryOrCreate")
    assert isinstance(info, DownwardAPI)
    assert (info.default_mode, info.items[0].mode, info.items[1].path) == (0o400, 0o600, "cpu/limit")
    assert pod.raw["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "1536Mi"}


def test_a_printed_pod_reads_back_as_the_same_pod() -> None:
    (pod,) = read(FULL).pods
    again = read(json.dumps(pod.raw))
    assert again.pods == (pod,)
    assert again.pods[0].raw == pod.raw
    assert {finding.severity for finding in again.findings} == {Severity.WARNING}


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("- a", ["error: f:1: expected an object with apiVersion and kind, found a list"]),
        ("5", ["error: f:1: expected an object with apiVersion and kind, found the number 5"]),
        ("a: 1", ["error: f:1: apiVersion: required, but missing", "error: f:1: kind: required, but missing"]),
        (
            "apiVersion: apps/v1\nkind: Deployment\nspec: {anything: 1}",
            [f"unsupported: f:1: kind Deployment (apps/v1): not supported yet; {SUPPORTED}"],
        ),
        (
            "apiVersion: example.com/v1\nkind: Zebra",
            [f"unsupported: f:1: kind Zebra (example.com/v1): not supported yet; {SUPPORTED}"],
        ),
        (
            "apiVersion: batch/v1\nkind: Jobs",
            [f"error: f:2: kind: unknown kind 'Jobs', did you mean Job (not supported yet)? {SUPPORTED}"],
        ),
        (
            "apiVersion: v1\nkind: pod",
            [f"error: f:2: kind: unknown kind 'pod', did you mean Pod? {SUPPORTED}"],
        ),
        (
            "apiVersion: scheduling.k8s.io/v1beta1\nkind: PriorityClass\nmetadata: {name: a}\nvalue: 1",
            [
                "error: f:1: apiVersion: found 'scheduling.k8s.io/v1beta1'; allowed for PriorityClass is "
                "scheduling.k8s.io/v1"
            ],
        ),
        (
            "apiVersion: 1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, command: [x]}]}",
            [
                "error: f:1: apiVersion: expected a string, found the number 1; write it in quotes",
            ],
        ),
    ],
)
def test_kinds(text: str, messages: list[str]) -> None:
    assert list(dict.fromkeys(found(text))) == messages


def test_lists_are_flattened_and_paths_kept() -> None:
    pod = "{apiVersion: v1, kind: Pod, metadata: {name: NAME}, spec: {containers: [{name: a, command: [x]}]}}"
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        f"- {pod.replace('NAME', 'one')}\n"
        "- kind: PodList\n  apiVersion: v1\n  items:\n"
        "  - {metadata: {name: two}, spec: {containers: [{name: a, command: [x]}], oops: 1}}\n"
        "  - {metadata: {name: three}, spec: {containers: [{name: a, command: [x]}]}}\n"
    )
    manifests = read(text)
    assert [pod.meta.name for pod in manifests.pods] == ["one", "three"]
    assert [str(finding) for finding in manifests.findings] == ["f:8: items[1].items[0].spec.oops: unknown field"]


def test_two_of_one_name() -> None:
    pod = POD + CONTAINER
    same = pod.replace("name: p", "name: p, namespace: default")
    other = pod.replace("name: p", "name: p, namespace: other")
    manifests = read(f"{pod}---\n{same}---\n{other}")
    assert [pod.meta.key for pod in manifests.pods] == ["default/p", "other/p"]
    assert [str(finding) for finding in manifests.findings] == [
        "f:11: metadata.name: a second pod 'default/p', the first is at f:3"
    ]


def test_two_of_one_name_on_one_line() -> None:
    spec = '{"containers": [{"name": "a", "command": ["x"]}]}'
    pod = f'{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "p"}}, "spec": {spec}}}'
    text = f'{{"apiVersion": "v1", "kind": "List", "items": [{pod}, {pod}]}}'
    assert len(read(text).pods) == 1
    assert len(read(text).errors) == 1


def test_a_name_may_be_left_to_be_made_up() -> None:
    manifests = read(POD.replace("name: p", "generateName: web-") + CONTAINER)
    assert manifests.findings == ()
    assert (manifests.pods[0].meta.name, manifests.pods[0].meta.generate_name) == ("", "web-")


def test_a_document_with_duplicate_keys_yields_no_pod_but_all_findings() -> None:
    manifests = read(POD + CONTAINER + "    volumeDevices: [{name: v, devicePath: /dev/v}]\n    name: b\n    oops: 1\n")
    assert manifests.pods == ()
    assert [finding.line for finding in manifests.findings] == [8, 9, 10]


def test_priority_classes() -> None:
    text = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: NAME}\nvalue: VALUE\n"

    def priority_class(name: str, value: str, more: str = "") -> str:
        return text.replace("NAME", name).replace("VALUE", value) + more + "---\n"

    manifests = read(
        priority_class("low", "-5", "preemptionPolicy: Never\ndescription: d\n")
        + priority_class("high", "1000000000", "globalDefault: true\n")
        + priority_class("system-node-critical", "2000001000")
    )
    assert manifests.findings == ()
    assert [(item.meta.name, item.value, item.global_default) for item in manifests.priority_classes] == [
        *(("low", -5, False), ("high", 1000000000, True), ("system-node-critical", 2000001000, False)),
    ]
    assert manifests.priority_classes[0].preemption_policy == "Never"
    assert found(
        priority_class("a", "1000000001")
        + priority_class("system-x", "1")
        + priority_class("system-node-critical", "5", "globalDefault: true\n")
        + priority_class("a", "1", "globalDefault: true\npreemptionPolicy: Sometimes\n")
    ) == [
        "error: f:4: value: found 1000000001; allowed is at most 1000000000",
        "error: f:8: metadata.name: found 'system-x'; names with system- are reserved: system-cluster-critical, "
        "system-node-critical",
        "error: f:14: value: found 5; allowed for system-node-critical is 2000001000",
        "error: f:15: globalDefault: must not be true for a class of the system",
        "error: f:19: metadata.name: a second PriorityClass 'a', the first is at f:3",
        "error: f:21: globalDefault: a second global default 'PriorityClass', the first is at f:15",
        "error: f:22: preemptionPolicy: found 'Sometimes'; allowed are PreemptLowerPriority, Never",
    ]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("nodeName: one", "warning: f:8: spec.nodeName: accepted, has no effect on one host"),
        ("schedulerName: mine", "warning: f:8: spec.schedulerName: accepted, has no effect on one host"),
        (
            "tolerations: [{operator: Exists}]",
            "warning: f:8: spec.tolerations: accepted, not acted on yet: this host has no taints",
        ),
        (
            "affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]}}",
            "warning: f:8: spec.affinity: accepted, not acted on yet: the pod runs on this host whatever it says",
        ),
        (
            "hostUsers: false",
            "unsupported: f:8: spec.hostUsers: valid Kubernetes, but not possible here: there are no user namespaces",
        ),
        (
            "os: {name: windows}",
            "unsupported: f:8: spec.os.name: valid Kubernetes, but not possible here: this host runs Linux",
        ),
        (
            "volumes: [{name: v, nfs: {server: s, path: /p}}]",
            "unsupported: f:8: spec.volumes[0].nfs: valid Kubernetes, but not possible here: this kind of volume is "
            "not supported yet; supported are emptyDir, hostPath, downwardAPI, configMap, secret, projected",
        ),
    ],
)
def test_support_of_spec_fields(field: str, message: str) -> None:
    assert of_pod(field) == [message]


@pytest.mark.parametrize(
    "field",
    [
        *("schedulerName: default-scheduler", "dnsPolicy: ClusterFirst", "enableServiceLinks: true", "tolerations: []"),
        *("nodeSelector: {}", "affinity: {}", "automountServiceAccountToken: false", "nodeName: ''", "hostUsers: true"),
        *("os: {name: linux}", "imagePullSecrets: null", "resources: {}", "securityContext: {}", "volumes:"),
    ],
)
def test_defaults_and_empty_values_need_no_word(field: str) -> None:
    assert of_pod(field) == []


def test_one_warning_per_field_however_often_it_occurs() -> None:
    probes = "    readinessProbe: {tcpSocket: {port: 80}}\n    lifecycle: {preStop: {sleep: {seconds: 1}}}\n"
    text = POD + CONTAINER + probes + CONTAINER.replace("  containers:\n", "").replace("name: a", "name: b") + probes
    assert found(text) == [
        "warning: f:8: spec.containers[0].readinessProbe: accepted, not acted on yet: a container that runs "
        "counts as ready",
        "warning: f:9: spec.containers[0].lifecycle.preStop: accepted, not acted on yet: the hook does not run",
    ]


def test_what_is_unsupported_is_left_out_of_the_pod() -> None:
    manifests = read(
        POD + CONTAINER + "    env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: p, key: k}}}]\n"
        "    volumeDevices: [{name: v, devicePath: /dev/v}]\n"
        "  volumes: [{name: v, nfs: {server: s, path: /p}}]\n"
    )
    assert {finding.severity for finding in manifests.findings} == {Severity.UNSUPPORTED}
    assert len(manifests.findings) == len(manifests.refusals) == 3
    assert manifests.errors == ()
    assert manifests.pods[0].volumes == ()


def test_without_image_a_command_is_needed() -> None:
    message = "f:6: spec.containers[0]: no image: command is required, there is no image to take one from"
    for image in ("", ", image: host", ", image: ''"):
        assert found(f"{POD}  containers:\n  - {{name: a{image}}}\n") == [f"unsupported: {message}"]
    assert found(f"{POD}  containers:\n  - {{name: a, image: ./img.tar}}\n") == []


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (f"{POD}  containers: []\n", ["error: f:5: spec.containers: must have at least one entry"]),
        (f"{POD}  containers:\n", ["error: f:5: spec.containers: required, but missing: Run side by side."]),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n",
            ["error: f:1: spec: required, but missing: What is to run."],
        ),
        (f"{POD}  containers: {{name: a}}\n", ["error: f:5: spec.containers: expected a list, found an object"]),
        (
            f"{POD}  containers: [a, {{name: b, command: [x]}}]\n",
            [
                "unsupported: f:5: spec.containers[0]: no image: command is required, there is no image to take one "
                "from",
                "error: f:5: spec.containers[0]: expected an object, found 'a'",
            ],
        ),
        (POD.replace("name: p", "labels: {}") + CONTAINER, ["error: f:3: metadata.name: required, but missing"]),
        (
            POD.replace("name: p", "name: p, restartPolicy: Never") + CONTAINER,
            ["error: f:3: metadata.restartPolicy: unknown field; restartPolicy belongs in spec"],
        ),
        (
            POD.replace("name: p", "name: p, uid: ../../x") + CONTAINER,
            ["error: f:3: metadata.uid: found '../../x'; allowed are letters, digits and '-', at most 63 of them"],
        ),
    ],
)
def test_structure(text: str, messages: list[str]) -> None:
    assert sorted(found(text)) == sorted(messages)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", name) for name in ("a/b", "..", "a..b", "A", "-a", "a_b", "a" * 254, "a b")),
        *(("namespace", name) for name in ("a.b", "a" * 64, "../x")),
        *(("generateName", name) for name in ("A-", "../")),
        *(("labels", labels) for labels in ("{-a: b}", "{a/b/c: d}", "{a: b c}", "{/a: b}", "{a: -}", "{a: 1}", "[a]")),
        *(("annotations", labels) for labels in ("{a b: c}", "{a: [b]}")),
    ],
)
def test_metadata(field: str, value: str) -> None:
    text = POD.replace("name: p", f"name: p, {field}: {value}" if field != "name" else f"name: {value}")
    findings = read(text + CONTAINER).findings
    assert [(finding.severity, finding.line) for finding in findings] == [(Severity.ERROR, 3)]
    assert findings[0].path.startswith(f"metadata.{field}")


BAD_SPEC = [
    (
        "restartPolicy: always",
        "restartPolicy: found 'always'; allowed are Always, OnFailure, Never; did you mean Always?",
    ),
    ("hostnetwork: true", "hostnetwork: unknown field, did you mean hostNetwork?"),
    ("terminationGracePeriod: 1", "terminationGracePeriod: unknown field, did you mean terminationGracePeriodSeconds?"),
    ("image: x", "image: unknown field; image belongs in spec.containers[]"),
    ("terminationGracePeriodSeconds: -1", "terminationGracePeriodSeconds: found -1; allowed is at least 0"),
    (
        "terminationGracePeriodSeconds: 1.5",
        "terminationGracePeriodSeconds: expected a whole number, found the number 1.5",
    ),
    ("terminationGracePeriodSeconds: '1'", "terminationGracePeriodSeconds: expected a whole number, found '1'"),
    ("activeDeadlineSeconds: 0", "activeDeadlineSeconds: found 0; allowed is 1 to 2147483647"),
    ("hostNetwork: 1", "hostNetwork: expected true or false, found the number 1"),
    (
        "hostname: a.b",
        "hostname: found 'a.b'; allowed are lower-case letters, digits and '-', a letter or digit first and "
        "last, at most 63 characters",
    ),
    ("{hostPID: true, shareProcessNamespace: true}", "shareProcessNamespace: not allowed beside hostPID"),
    (
        "ephemeralContainers: [{name: e}]",
        "ephemeralContainers: not allowed in a manifest: they are added to a running pod",
    ),
    (
        "hostAliases: [{ip: 1.2.3, hostnames: [a]}]",
        "hostAliases[0].ip: found '1.2.3'; allowed is an IPv4 or IPv6 address",
    ),
    ("securityContext: {runAsUser: -1}", "securityContext.runAsUser: found -1; allowed is 0 to 2147483647"),
    ("securityContext: {fsGroup: 2147483648}", "securityContext.fsGroup: found 2147483648; allowed is 0 to 2147483647"),
    (
        "securityContext: {sysctls: [{name: net..x}]}",
        "securityContext.sysctls[0].name: found 'net..x'; allowed are "
        "lower-case letters, digits, '-' and '_' in parts divided by '.' or '/', at most 253 characters",
    ),
    (
        "{hostNetwork: true, securityContext: {sysctls: [{name: net.a, value: b}]}}",
        "securityContext.sysctls[0].name: 'net.a' is not allowed with hostNetwork",
    ),
    (
        "securityContext: {seccompProfile: {type: Localhost}}",
        "securityContext.seccompProfile.localhostProfile: required with type Localhost",
    ),
    (
        "securityContext: {seccompProfile: {type: Localhost, localhostProfile: ../a}}",
        "securityContext.seccompProfile.localhostProfile: found '../a'; must not contain '..'",
    ),
    (
        "securityContext: {privileged: true}",
        "securityContext.privileged: unknown field; privileged belongs in spec.containers[].securityContext",
    ),
    ("overhead: {cpu: -1}", "overhead.cpu: found -1; must not be negative"),
    ("volumes: [{name: a}, {name: a}]", "volumes[1].name: duplicate volume 'a', first on line 8"),
    (
        "volumes: [{name: A}]",
        "volumes[0].name: found 'A'; allowed are lower-case letters, digits and '-', a letter or digit "
        "first and last, at most 63 characters",
    ),
    (
        "volumes: [{name: a, emptyDir: {}, hostPath: {path: /a}}]",
        "volumes[0].hostPath: only one of emptyDir, hostPath is allowed",
    ),
    (
        "volumes: [{name: a, hostPath: {path: /a/../b}}]",
        "volumes[0].hostPath.path: found '/a/../b'; must not contain '..'",
    ),
    (
        "volumes: [{name: a, hostPath: {path: /a, type: Dir}}]",
        "volumes[0].hostPath.type: found 'Dir'; allowed are "
        "DirectoryOrCreate, Directory, FileOrCreate, File, Socket, CharDevice, BlockDevice",
    ),
    (
        "volumes: [{name: a, emptyDir: {sizeLimit: -1}}]",
        "volumes[0].emptyDir.sizeLimit: found -1; must not be negative",
    ),
    (
        "volumes: [{name: a, emptyDir: {medium: memory}}]",
        "volumes[0].emptyDir.medium: found 'memory'; allowed are Memory, HugePages, HugePages-<size> or nothing",
    ),
    (
        "volumes: [{name: a, downwardAPI: {items: [{path: /x, fieldRef: {fieldPath: metadata.name}}]}}]",
        "volumes[0].downwardAPI.items[0].path: found '/x'; must be a relative path, without '/' at its beginning",
    ),
    (
        "volumes: [{name: a, downwardAPI: {items: [{path: x, fieldRef: {fieldPath: spec.nodeName}}]}}]",
        "volumes[0].downwardAPI.items[0].fieldRef.fieldPath: found 'spec.nodeName'; allowed are metadata.name, "
        "metadata.namespace, metadata.uid, metadata.labels, metadata.annotations, metadata.labels['<key>'], "
        "metadata.annotations['<key>']",
    ),
    (
        "volumes: [{name: a, downwardAPI: {items: [{path: x}]}}]",
        "volumes[0].downwardAPI.items[0]: one of fieldRef, resourceFieldRef is required",
    ),
    (
        "volumes: [{name: a, downwardAPI: {defaultMode: 01000}}]",
        "volumes[0].downwardAPI.defaultMode: found 512; allowed is 0 to 511",
    ),
    (
        "volumes: [{name: a, downwardAPI: {items: [{path: x, resourceFieldRef: {resource: limits.cpu}}]}}]",
        "volumes[0].downwardAPI.items[0].resourceFieldRef.containerName: required in a volume",
    ),
    ("initContainers: [{name: a, command: [x]}]", "containers[0].name: duplicate container name 'a', first on line 8"),
    (
        "initContainers: [{name: i, command: [x], livenessProbe: {exec: {command: [x]}}}]",
        "initContainers[0].livenessProbe: not allowed in an init container, unless it has restartPolicy: Always",
    ),
    (
        "initContainers: [{name: i, command: [x], lifecycle: {preStop: {sleep: {seconds: 1}}}}]",
        "initContainers[0].lifecycle: not allowed in an init container, unless it has restartPolicy: Always",
    ),
    (
        "tolerations: [{effect: NoSchedule, operator: Exists, tolerationSeconds: 1}]",
        "tolerations[0].tolerationSeconds: allowed only with effect NoExecute",
    ),
    (
        "tolerations: [{value: a}]",
        "tolerations[0].operator: found Equal; without a key allowed is Exists, which means all taints",
    ),
    ("tolerations: [{key: a, operator: Exists, value: b}]", "tolerations[0].value: not allowed with operator Exists"),
    (
        "nodeSelector: {a: b c}",
        "nodeSelector.a: found 'b c'; allowed are letters, digits, '-', '_' and '.', a letter or "
        "digit first and last, at most 63 characters",
    ),
    ("{dnsPolicy: None, dnsConfig: {}}", "dnsPolicy: None needs at least one entry in dnsConfig.nameservers"),
    (
        "dnsConfig: {nameservers: [1.1.1.1, 2.2.2.2, 3.3.3.3, 4.4.4.4]}",
        "dnsConfig.nameservers: found 4 entries; allowed are at most 3",
    ),
    (
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
        "[{matchExpressions: "
        "[{key: a, operator: In}]}]}}}",
        "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
        "nodeSelectorTerms[0].matchExpressions[0].values: required with operator In",
    ),
    (
        "affinity: {podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 0, podAffinityTerm: "
        "{topologyKey: a}}]}}",
        "affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: found 0; allowed is 1 to 100",
    ),
    (
        "topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway, minDomains: 1}]",
        "topologySpreadConstraints[0].minDomains: allowed only with whenUnsatisfiable: DoNotSchedule",
    ),
    ("{nodeName: one, schedulingGates: [{name: g}]}", "nodeName: not allowed beside schedulingGates"),
    ("{hostNetwork: true, hostnameOverride: a}", "hostnameOverride: not allowed beside hostNetwork"),
    (
        "resources: {limits: {example.com/a: 1}}",
        "resources.limits[example.com/a]: unknown resource; allowed are cpu, memory, hugepages-<size>",
    ),
]


def errors_only(lines: list[str]) -> list[str]:
    return [line.removeprefix("error: ").partition(": ")[2] for line in lines if line.startswith("error: ")]


@pytest.mark.parametrize(("field", "message"), BAD_SPEC, ids=[row[0][:60] for row in BAD_SPEC])
def test_spec_faults(field: str, message: str) -> None:
    lines = field[1:-1].replace(": true, ", ": true\n").replace("{}", "{ }") if field.startswith("{") else field
    lines = lines.replace("None, dns", "None\ndns").replace(": one, sch", ": one\nsch")
    assert errors_only(of_pod(lines)) == [f"spec.{message}"]


BAD_CONTAINER = [
    ("comand: [x]", "comand: unknown field, did you mean command?"),
    ("hostNetwork: true", "hostNetwork: unknown field; hostNetwork belongs in spec"),
    ("limits: {cpu: 1}", "limits: unknown field; limits belongs in spec.containers[].resources"),
    ("args: x", "args: expected a list, found 'x'"),
    ("args: [1]", "args[0]: expected a string, found the number 1; write it in quotes"),
    ("args: [yes]", "args[0]: expected a string, found true; write it in quotes"),
    ("args: [~]", "args[0]: expected a string, found nothing"),
    ("image: ' a'", "image: found ' a'; must not begin or end with white space"),
    ("env: [{name: A, value: 1}]", "env[0].value: expected a string, found the number 1; write it in quotes"),
    ("env: [{name: A=B, value: x}]", "env[0].name: found 'A=B'; allowed are printable ASCII characters other than '='"),
    ("env: [{value: x}]", "env[0].name: required, but missing: Name."),
    (
        "env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
        "env[0].valueFrom: not allowed beside a value",
    ),
    (
        "env: [{name: A, valueFrom: {}}]",
        "env[0].valueFrom: one of fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef is required",
    ),
    (
        "env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.labels}}}]",
        "env[0].valueFrom.fieldRef.fieldPath: found 'metadata.labels'; allowed are metadata.name, metadata.namespace, "
        "metadata.uid, spec.nodeName, spec.serviceAccountName, status.hostIP, status.hostIPs, status.podIP, "
        "status.podIPs, "
        "metadata.labels['<key>'], metadata.annotations['<key>']; did you mean metadata.labels['<key>']?",
    ),
    (
        "env: [{name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['a b']\"}}}]",
        "env[0].valueFrom.fieldRef.fieldPath: key 'a b': allowed are letters, digits, '-', '_' and '.', a "
        "letter or digit "
        "first and last, at most 63 characters, and a DNS name with '/' before it",
    ),
    (
        "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.gpu}}}]",
        "env[0].valueFrom.resourceFieldRef.resource: found 'limits.gpu'; allowed are limits.cpu, limits.memory, "
        "limits.ephemeral-storage, requests.cpu, requests.memory, requests.ephemeral-storage, and "
        "hugepages-<size> alike",
    ),
    (
        "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1Mi}}}]",
        "env[0].valueFrom.resourceFieldRef.divisor: found 1Mi; allowed are 1, 1m",
    ),
    (
        "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, containerName: b}}}]",
        "env[0].valueFrom.resourceFieldRef.containerName: there is no container 'b' in this pod",
    ),
    ("volumeMounts: [{name: v, mountPath: /a}]", "volumeMounts[0].name: there is no volume 'v' in this pod"),
    ("ports: [{containerPort: 0}]", "ports[0].containerPort: found 0; allowed is 1 to 65535"),
    (
        "ports: [{containerPort: 80, protocol: tcp}]",
        "ports[0].protocol: found 'tcp'; allowed are TCP, UDP, SCTP; did you mean TCP?",
    ),
    (
        "ports: [{containerPort: 80, name: '80'}]",
        "ports[0].name: found '80'; allowed are lower-case letters, digits and '-' "
        "with at least one letter, no '-' first, last or doubled, at most 15 characters",
    ),
    ("ports: [{containerPort: 80, name: a}, {containerPort: 81, name: a}]", "ports[1].name: duplicate port name 'a'"),
    (
        "ports: [{containerPort: 80, hostPort: 80}, {containerPort: 81, hostPort: 80}]",
        "ports[1].hostPort: 80 is used twice, first on line 8",
    ),
    ("livenessProbe: {periodSeconds: 1}", "livenessProbe: one of exec, httpGet, tcpSocket, grpc is required"),
    ("livenessProbe: {exec: {command: []}}", "livenessProbe.exec.command: must have at least one entry"),
    (
        "livenessProbe: {tcpSocket: {port: 80}, successThreshold: 2}",
        "livenessProbe.successThreshold: found 2; allowed is 1 for a livenessProbe",
    ),
    ("startupProbe: {tcpSocket: {port: 99999}}", "startupProbe.tcpSocket.port: found 99999; allowed is 1 to 65535"),
    (
        "readinessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 1}",
        "readinessProbe.terminationGracePeriodSeconds: not allowed: a readiness probe never ends the container",
    ),
    (
        "livenessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 0}",
        "livenessProbe.terminationGracePeriodSeconds: found 0; allowed is at least 1",
    ),
    (
        "livenessProbe: {tcpSocket: {port: 80}, exec: {command: [x]}}",
        "livenessProbe.tcpSocket: only one of exec, tcpSocket is allowed",
    ),
    (
        "livenessProbe: {httpGet: {port: 80, scheme: https}}",
        "livenessProbe.httpGet.scheme: found 'https'; allowed are HTTP, HTTPS; did you mean HTTPS?",
    ),
    (
        "lifecycle: {preStop: {sleep: {seconds: 31}}}",
        "lifecycle.preStop.sleep.seconds: found 31; allowed is at most terminationGracePeriodSeconds, 30",
    ),
    ("lifecycle: {postStart: {}}", "lifecycle.postStart: one of exec, httpGet, tcpSocket, sleep is required"),
    (
        "restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]",
        "restartPolicyRules: need a restartPolicy of the container itself",
    ),
    (
        "securityContext: {privileged: true, allowPrivilegeEscalation: false}",
        "securityContext.allowPrivilegeEscalation: must not be false in a privileged container",
    ),
    (
        "securityContext: {capabilities: {add: [SYS_ADMIN]}, allowPrivilegeEscalation: false}",
        "securityContext.allowPrivilegeEscalation: must not be false with the capability SYS_ADMIN",
    ),
    (
        "terminationMessagePolicy: Files",
        "terminationMessagePolicy: found 'Files'; allowed are File, FallbackToLogsOnError; did you mean File?",
    ),
    ("resources: {limits: {cpu: -1}}", "resources.limits.cpu: found -1; must not be negative"),
    (
        "resources: {limits: {cpu: 1}, requests: {cpu: 1001m}}",
        "resources.requests.cpu: found 1001m; allowed is at most the limit, 1",
    ),
    (
        "resources: {limits: {memory: 1K}}",
        "resources.limits.memory: '1K' is not a quantity: unknown suffix 'K'; allowed are a "
        "number with a suffix of n u m k M G T P E Ki Mi Gi Ti Pi Ei, or an exponent such as 1e3",
    ),
    (
        "resources: {limits: {memory: [1]}}",
        "resources.limits.memory: expected a quantity such as 500m or 64Mi, found a list",
    ),
    (
        "resources: {limits: {memori: 1Gi}}",
        "resources.limits.memori: unknown resource; allowed are cpu, memory, "
        "ephemeral-storage, hugepages-<size>, a name with a domain such as example.com/device; did you mean memory?",
    ),
    (
        "resources: {requests: {example.com/gpu: 1}}",
        "resources.requests[example.com/gpu]: example.com/gpu needs a limit too, equal to the request: it "
        "cannot be overcommitted",
    ),
    (
        "resources: {limits: {example.com/gpu: 2}, requests: {example.com/gpu: 1}}",
        "resources.requests[example.com/gpu]: found 1; allowed is the limit, 2: it cannot be overcommitted",
    ),
    (
        "resources: {limits: {example.com/gpu: 0.5}}",
        "resources.limits[example.com/gpu]: found 500m; allowed are whole numbers",
    ),
    (
        "resources: {limits: {hugepages-2Mi: 4Mi}}",
        "resources.limits.hugepages-2Mi: huge pages need cpu or memory beside them",
    ),
    (
        "resources: {limits: {hugepages-2Mi: 3Mi, memory: 1Gi}}",
        "resources.limits.hugepages-2Mi: found 3Mi; allowed are whole multiples of the page size, 2Mi",
    ),
    (
        "resources: {limits: {hugepages-big: 3Mi, memory: 1Gi}}",
        "resources.limits.hugepages-big: found 'hugepages-big'; allowed is hugepages- and a page size, such "
        "as hugepages-2Mi",
    ),
]


@pytest.mark.parametrize(("field", "message"), BAD_CONTAINER, ids=[row[0][:60] for row in BAD_CONTAINER])
def test_container_faults(field: str, message: str) -> None:
    assert errors_only(of_container(field)) == [f"spec.containers[0].{message}"]


def test_mount_faults() -> None:
    text = POD + CONTAINER + "    volumeMounts:\n"
    mounts = [
        *("{name: v, mountPath: a}", "{name: v, mountPath: /a, subPath: ../b}", "{name: v, mountPath: /a/}"),
        *(
            "{name: v, mountPath: /b, subPath: c, subPathExpr: d}",
            "{name: v, mountPath: '/b:c', mountPropagation: Bidirectional}",
        ),
        *("{name: v, mountPath: /d/../..}", "{name: w, mountPath: /}"),
    ]
    lines = found(text + "".join(f"    - {mount}\n" for mount in mounts) + "  volumes: [{name: v}, {name: w}]\n")
    assert lines == [
        "error: f:9: spec.containers[0].volumeMounts[0].mountPath: found 'a'; must be an absolute path, "
        "beginning with '/'",
        "error: f:10: spec.containers[0].volumeMounts[1].subPath: found '../b'; must not contain '..'",
        "error: f:11: spec.containers[0].volumeMounts[2].mountPath: '/a/' is mounted twice, first on line 10",
        "error: f:12: spec.containers[0].volumeMounts[3].subPathExpr: not allowed beside subPath",
        "error: f:13: spec.containers[0].volumeMounts[4].mountPath: found '/b:c'; must not contain ':'",
        "error: f:13: spec.containers[0].volumeMounts[4].mountPropagation: Bidirectional is allowed only in "
        "a privileged "
        "container",
        "unsupported: f:14: spec.containers[0].volumeMounts[5].mountPath: found '/d/../..'; must not contain '..'",
        "unsupported: f:15: spec.containers[0].volumeMounts[6].mountPath: a volume cannot take the place of "
        "the whole root "
        "file system",
        "error: f:15: spec.containers[0].volumeMounts[6].mountPath: '/' is mounted twice, first on line 14",
    ]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            "[{action: Stop, exitCodes: {operator: In, values: [1]}}]",
            "[0].action: found 'Stop'; allowed are Restart, RestartAllContainers",
        ),
        ("[{action: Restart}]", "[0].exitCodes: required, but missing: exit codes the rule applies to"),
        (
            f"[{{action: Restart, exitCodes: {{operator: In, values: {list(range(256))}}}}}]",
            "[0].exitCodes.values: found 256 values; allowed are at most 255",
        ),
        (
            f"[{', '.join(['{action: Restart, exitCodes: {operator: In, values: [1]}}'] * 21)}]",
            ": found 21 rules; allowed are at most 20",
        ),
    ],
)
def test_restart_rule_faults(rules: str, message: str) -> None:
    lines = of_container(f"restartPolicy: Never\nrestartPolicyRules: {rules}")
    assert errors_only(lines) == [f"spec.containers[0].restartPolicyRules{message}"]


@pytest.mark.parametrize("values", ["[]", "[256, -1]"])
def test_a_restart_rule_may_name_no_possible_exit_code_but_never_applies(values: str) -> None:
    rules = f"[{{action: Restart, exitCodes: {{operator: In, values: {values}}}}}]"
    assert of_container(f"restartPolicy: Never\nrestartPolicyRules: {rules}") == [
        "warning: f:9: spec.containers[0].restartPolicyRules[0].exitCodes.values: the rule never applies: exit codes "
        "are 0 to 255, none of them is named"
    ]


def test_a_restart_rule_may_apply_to_every_exit_code() -> None:
    rules = ("{operator: NotIn}", "{operator: In, values: [1, 1]}")
    listed = ", ".join(f"{{action: Restart, exitCodes: {codes}}}" for codes in rules)
    assert of_container(f"restartPolicy: Never\nrestartPolicyRules: [{listed}]") == []


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (
            "{limits: {requests.example.com/device: 1}}",
            "limits[requests.example.com/device]: 'requests.example.com/device' is not a resource: "
            "names with requests. are those of a ResourceQuota",
        ),
        ("{claims: [{name: gpu}]}", "claims[0].name: there is no claim 'gpu' in spec.resourceClaims"),
    ],
)
def test_resource_faults(resources: str, message: str) -> None:
    assert errors_only(of_container(f"resources: {resources}")) == [f"spec.containers[0].resources.{message}"]


def test_names_of_kubernetes_may_be_overcommitted_and_fractions() -> None:
    assert of_container("resources: {requests: {kubernetes.io/batch-cpu: 1500m, a.kubernetes.io/b: 1}}") == []


@pytest.mark.parametrize(
    ("amount", "most"),
    [
        ("memory: 1e30", "found 1e30; more than any machine has, possible is at most 9223372036854775807"),
        ("cpu: 10P", "found 10P; more than any machine has, possible is at most 9223372036854775807m"),
    ],
)
def test_more_than_any_machine_has_is_valid_but_cannot_be_run(amount: str, most: str) -> None:
    (line,) = of_container(f"resources: {{limits: {{{amount}}}}}")
    assert line == f"unsupported: f:8: spec.containers[0].resources.limits.{amount.partition(':')[0]}: {most}"


def test_overhead_of_huge_pages_needs_cpu_or_memory_too() -> None:
    assert errors_only(of_pod("overhead: {hugepages-2Mi: 2Mi}")) == [
        "spec.overhead.hugepages-2Mi: huge pages need cpu or memory beside them"
    ]
    assert of_pod("overhead: {hugepages-2Mi: 2Mi, cpu: 10m}") == []


@pytest.mark.parametrize(
    ("container", "pod", "message"),
    [
        (
            "requests: {cpu: 2}",
            "requests: {cpu: 1}",
            "resources.requests.cpu: found 1, but the containers together request 2; allowed is at least 2",
        ),
        (
            "limits: {cpu: 2}, requests: {cpu: 1}",
            "limits: {cpu: 1}",
            "containers[0].resources.limits.cpu: found 2; allowed is at most the pod's own limit, 1",
        ),
        (
            "requests: {cpu: 1}",
            "limits: {cpu: 2}, requests: {cpu: 3}",
            "resources.requests.cpu: found 3; allowed is at most the limit, 2",
        ),
    ],
)
def test_pod_level_faults(container: str, pod: str, message: str) -> None:
    text = f"{POD}{CONTAINER}    resources: {{{container}}}\n  resources: {{{pod}}}\n"
    assert errors_only(found(text)) == [f"spec.{message}"]


def test_container_limits_may_add_up_to_more_than_the_pod_s() -> None:
    container = "  - {name: NAME, command: [x], resources: {limits: {cpu: 2}, requests: {cpu: 1}}}\n"
    text = f"{POD}  resources: {{limits: {{cpu: 3}}}}\n  containers:\n{container}{container.replace('NAME', 'b')}"
    assert found(text.replace("NAME", "a")) == []


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        (
            "securityContext: {capabilities: {add: [NET_ADMN]}}",
            "Linux knows no capability 'NET_ADMN', did you mean NET_ADMIN?",
        ),
        ("workingDir: srv", "found 'srv'; must be absolute, beginning with '/'"),
        (
            "volumeDevices: [{name: v, devicePath: /dev/v}]",
            "valid Kubernetes, but not possible here: block devices are not supported",
        ),
    ],
)
def test_what_only_nodeguard_refuses_in_a_container(field: str, hint: str) -> None:
    (finding,) = read(POD + CONTAINER + f"    {field}\n").findings
    assert (finding.severity, finding.message) == (Severity.UNSUPPORTED, hint)


def test_sysctls_that_would_change_the_host_are_refused() -> None:
    (line,) = of_pod("securityContext: {sysctls: [{name: vm.swappiness, value: '1'}]}")
    assert line.endswith("vm.swappiness has no namespace: it would change the whole host")


def test_a_fraction_of_a_byte_is_probably_a_slip() -> None:
    assert of_container("resources: {limits: {memory: 100m}}") == [
        "warning: f:8: spec.containers[0].resources.limits.memory: 100m is a fraction of a byte, rounded up to 1; "
        "M or Mi was probably meant"
    ]


def test_all_faults_of_all_documents_at_once_in_file_order() -> None:
    text = POD + CONTAINER + "    oops: 1\n---\na: 1\na: 2\n---\nb: [\n---\nkind: Service\napiVersion: v1\n"
    findings = read(text).findings
    assert len(findings) == 6
    assert [finding.line for finding in findings] == sorted(finding.line for finding in findings)


NAMES = sorted({name for fields in OBJECTS.values() for name in fields})
json_trees: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=6)
    | st.sampled_from(["v1", "Pod", "List", "PriorityClass", "1Gi", "Always", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=15,
)


def well_said(manifests: Manifests) -> None:
    for finding in manifests.findings:
        assert finding.message
        assert str(finding)
    assert all(pod.containers for pod in manifests.pods)
    json.dumps([pod.raw for pod in manifests.pods])


@given(json_trees)
def test_no_tree_makes_it_raise(tree: Any) -> None:
    well_said(decode([Document(value=tree, source="x")]))
    well_said(decode([Document(value={"apiVersion": "v1", "kind": "Pod", "metadata": tree, "spec": tree}, source="x")]))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key of a tree."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in inside for place in [(value, key), *places(item)]]


@settings(max_examples=300)
@given(st.data())
def test_no_change_of_a_good_pod_makes_it_raise(data: st.DataObject) -> None:
    tree = copy.deepcopy(parse(FULL, "x")[0].value)
    for _ in range(data.draw(st.integers(1, 4))):
        holder, key = data.draw(st.sampled_from(places(tree)))
        holder[key] = data.draw(json_trees | st.sampled_from([copy.deepcopy(item[key]) for item, key in places(tree)]))
    well_said(decode([Document(value=tree, source="x")]))


@given(st.text(alphabet="abP:-[]{}&*\"'# \n1", max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    well_said(decode(parse(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {text}", "x")))


def test_config_maps_and_secrets_of_a_pod() -> None:
    manifests = read(
        POD + CONTAINER + "    env:\n"
        "    - {name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}\n"
        "    - {name: B, valueFrom: {configMapKeyRef: {name: c, key: k, optional: true}}}\n"
        "    envFrom: [{configMapRef: {name: c}, prefix: P_}, {secretRef: {name: s, optional: true}}]\n"
        "  volumes:\n"
        "  - {name: v1, configMap: {name: c, items: [{key: k, path: a/b, mode: 256}]}}\n"
        "  - {name: v2, secret: {secretName: s, defaultMode: 256, optional: true}}\n"
        "  - name: v3\n"
        "    projected:\n"
        "      sources:\n"
        "      - configMap: {name: c}\n"
        "      - downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}\n"
    )
    assert manifests.findings == ()
    container, volumes = manifests.pods[0].containers[0], manifests.pods[0].volumes
    c, s = ObjectRef(kind="ConfigMap", name="c"), ObjectRef(kind="Secret", name="s")
    assert [entry.key_ref for entry in container.env] == [
        KeyRef(ref=s, key="k"),
        KeyRef(ref=c, key="k", optional=True),
    ]
    assert container.env_from == (EnvFrom(ref=c, prefix="P_"), EnvFrom(ref=s, optional=True))
    assert volumes[0].source == Projected(
        sources=(ObjectFiles(ref=c, items=(KeyFile(key="k", path="a/b", mode=0o400),)),), in_memory=False
    )
    assert volumes[1].source == Projected(sources=(ObjectFiles(ref=s, optional=True),), default_mode=0o400)
    assert isinstance(volumes[2].source, Projected)
    assert [type(source).__name__ for source in volumes[2].source.sources] == ["ObjectFiles", "DownwardAPI"]
    assert volumes[2].source.in_memory


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("    envFrom: [{configMapRef: {}}]\n", "envFrom[0].configMapRef.name: required, but missing"),
        ("    envFrom: [{secretRef: {name: S}}]\n", "envFrom[0].secretRef.name: found 'S'"),
        (
            "    env: [{name: A, valueFrom: {secretKeyRef: {key: k}}}]\n",
            "env[0].valueFrom.secretKeyRef.name: required, but missing",
        ),
        ("  volumes: [{name: v, configMap: {}}]\n", "volumes[0].configMap.name: required, but missing"),
        ("  volumes: [{name: v, secret: {}}]\n", "volumes[0].secret.secretName: required, but missing"),
        (
            "  volumes: [{name: v, secret: {secretName: s, items: [{key: a, path: x}, {key: b, path: x}]}}]\n",
            "volumes[0].secret.items[1].path: duplicate file 'x'",
        ),
        ("  volumes: [{name: v, projected: {sources: [{}]}}]\n", "volumes[0].projected.sources[0]: one of "),
        (
            "  volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}]\n",
            "nobody issues tokens",
        ),
        ("  volumes: [{name: v, configMap: {name: c, items: [{key: k, path: ../x}]}}]\n", "items[0].path"),
    ],
)
def test_faults_in_references_to_config_maps_and_secrets(text: str, message: str) -> None:
    assert any(message in line for line in found(POD + CONTAINER + text)), found(POD + CONTAINER + text)


def test_config_maps_and_secrets_beside_the_pods() -> None:
    manifests = read(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: v}\nbinaryData: {b: AAE=}\n---\n"
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: other}\ndata: {k: dg==}\nstringData: {p: w}\n"
    )
    assert manifests.findings == ()
    config_map = manifests.config_of("default")(ObjectRef(kind="ConfigMap", name="c"))
    assert config_map == ConfigData(data={"k": b"v", "b": b"\0\1"}, binary=frozenset({"b"}))
    secret = manifests.config_of("other")(ObjectRef(kind="Secret", name="s"))
    assert secret == ConfigData(data={"k": b"v", "p": b"w"})
    assert manifests.config_of("default")(ObjectRef(kind="Secret", name="s")) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: ConfigMap\nmetadata: {name: c}\ndata: {a/b: x}\n", "data[a/b]"),
        ("kind: ConfigMap\nmetadata: {name: c}\ndata: {a: 1}\n", "data.a: expected a string"),
        ("kind: Secret\nmetadata: {name: s}\ndata: {a: '!'}\n", "data.a"),
        ("kind: Secret\nmetadata: {}\n", "metadata.name: required"),
        ("kind: Secret\nmetadata: {name: s}\ndate: {}\n", "date: unknown field"),
    ],
)
def test_faults_of_config_maps_and_secrets(text: str, message: str) -> None:
    assert any(message in line for line in found(f"apiVersion: v1\n{text}")), found(f"apiVersion: v1\n{text}")
