"""The pod as nodeguard reads it: ``v1 Pod``, decoded, with Kubernetes' defaults already applied.

``raw`` keeps the JSON object the values came from (defaults included), so that nothing a user wrote is lost
when the pod is printed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nodeguard.model.meta import Condition, ObjectMeta
from nodeguard.model.objectref import ObjectRef
from nodeguard.model.placement import Affinity, Toleration
from nodeguard.model.quantity import Quantity

ResourceList = Mapping[str, Quantity]
"""Resource name (``cpu``, ``memory``, ``hugepages-2Mi``, …) to amount; a missing key is not zero."""


class QOSClass(StrEnum):
    """``status.qosClass``."""

    GUARANTEED = "Guaranteed"
    BURSTABLE = "Burstable"
    BEST_EFFORT = "BestEffort"

    @property
    def tier(self) -> str:
        """The name of the tier's cgroup."""
        return self.value.lower()


class ContainerKind(StrEnum):
    """Which list a container stands in, and whether an init container is a sidecar."""

    APP = "app"
    INIT = "init"
    SIDECAR = "sidecar"
    EPHEMERAL = "ephemeral"


class RestartPolicy(StrEnum):
    """``spec.restartPolicy`` of a pod or container."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequirements:
    """``resources``: requests and limits."""

    requests: ResourceList = field(default_factory=dict)
    limits: ResourceList = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRef:
    """``valueFrom.fieldRef``: a field of the pod, such as ``metadata.labels['app']``."""

    field_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceFieldRef:
    """``valueFrom.resourceFieldRef``: a request or limit of a container, divided by ``divisor``, rounded up."""

    resource: str
    container_name: str = ""
    divisor: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRef:
    """``configMapKeyRef`` or ``secretKeyRef``: one key of an object of the pod's namespace."""

    ref: ObjectRef
    key: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvFrom:
    """One entry of ``envFrom``: every key of an object as a variable."""

    ref: ObjectRef
    prefix: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvVar:
    """One entry of ``env``; at most one of the four sources is set."""

    name: str
    value: str | None = None
    field_ref: FieldRef | None = None
    resource_field_ref: ResourceFieldRef | None = None
    key_ref: KeyRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMount:
    """One entry of ``volumeMounts``."""

    name: str
    mount_path: str
    read_only: bool = False
    sub_path: str = ""
    sub_path_expr: str = ""
    mount_propagation: str = "None"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityContext:
    """``securityContext`` of a container, with the pod's values already merged in.

    ``None`` means not set anywhere. ``seccomp_profile`` is the type word; not set means RuntimeDefault here.
    """

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    capabilities_add: tuple[str, ...] = ()
    capabilities_drop: tuple[str, ...] = ()
    privileged: bool = False
    read_only_root_filesystem: bool = False
    allow_privilege_escalation: bool | None = None
    seccomp_profile: str | None = None
    seccomp_localhost_profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPort:
    """One entry of ``ports``; ``host_port`` 0 means: none on the host."""

    container_port: int
    name: str = ""
    protocol: str = "TCP"
    host_port: int = 0
    host_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRule:
    """One entry of a container's ``restartPolicyRules``."""

    action: str
    operator: str
    exit_codes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container of any kind.

    ``image`` None (or ``host``) means: the host's own root file system below a private overlay.
    ``restart_policy`` is the container's own, None when it follows the pod's.
    """

    name: str
    kind: ContainerKind = ContainerKind.APP
    image: str | None = None
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    resources: ResourceRequirements = ResourceRequirements()
    volume_mounts: tuple[VolumeMount, ...] = ()
    security_context: SecurityContext = SecurityContext()
    restart_policy: RestartPolicy | None = None
    restart_rules: tuple[RestartRule, ...] = ()
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyDir:
    """``emptyDir``; ``medium`` is ``""`` (disk), ``Memory`` or ``HugePages…``."""

    medium: str = ""
    size_limit: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPath:
    """``hostPath`` with its ``type`` word (``""`` checks nothing)."""

    path: str
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownwardFile:
    """One file of a ``downwardAPI`` volume."""

    path: str
    field_ref: FieldRef | None = None
    resource_field_ref: ResourceFieldRef | None = None
    mode: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DownwardAPI:
    """A ``downwardAPI`` volume."""

    items: tuple[DownwardFile, ...] = ()
    default_mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """One key of a ConfigMap or Secret as a file."""

    key: str
    path: str
    mode: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFiles:
    """The keys of a ConfigMap or Secret as files; all of them where ``items`` names none."""

    ref: ObjectRef
    items: tuple[KeyFile, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """A ``configMap``, ``secret`` or ``projected`` volume: files from all of its sources in one directory.

    Those that may hold secrets are ``in_memory``.
    """

    sources: tuple[ObjectFiles | DownwardAPI, ...] = ()
    default_mode: int = 0o644
    in_memory: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One entry of ``volumes`` that nodeguard can mount."""

    name: str
    source: EmptyDir | HostPath | DownwardAPI | Projected


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAlias:
    """One entry of ``hostAliases``."""

    ip: str
    hostnames: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenStatus:
    """What the ``status`` of a manifest says that admission heeds; ``start_time`` is UNIX seconds."""

    phase: str = ""
    start_time: float | None = None
    nominated_node_name: str = ""
    conditions: tuple[Condition, ...] = ()

    @property
    def has_ended(self) -> bool:
        """The pod takes nothing of the node any more."""
        return self.phase in ("Succeeded", "Failed")


NO_STATUS = GivenStatus()
ANYWHERE = Affinity()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """``v1 Pod``: metadata and spec; what it does now is in ``model/status.py``.

    ``resources`` is ``spec.resources`` (pod-level), None when the stanza is absent; ``qos_class`` is
    ``status.qosClass`` when the manifest carries one (it is authoritative once set).
    """

    meta: ObjectMeta
    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
    ephemeral_containers: tuple[Container, ...] = ()
    resources: ResourceRequirements | None = None
    overhead: ResourceList = field(default_factory=dict)
    restart_policy: RestartPolicy = RestartPolicy.ALWAYS
    termination_grace_period_seconds: int = 30
    active_deadline_seconds: int | None = None
    priority: int | None = None
    priority_class_name: str = ""
    preemption_policy: str = ""
    hostname: str = ""
    subdomain: str = ""
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool = False
    supplemental_groups: tuple[int, ...] = ()
    fs_group: int | None = None
    sysctls: tuple[tuple[str, str], ...] = ()
    host_aliases: tuple[HostAlias, ...] = ()
    service_account_name: str = ""
    node_name: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    affinity: Affinity = ANYWHERE
    tolerations: tuple[Toleration, ...] = ()
    os: str = ""
    supplemental_groups_policy: str = ""
    volumes: tuple[Volume, ...] = ()
    local_volumes: tuple[str, ...] = ()
    """Names of the volumes, also of kinds that cannot be mounted, that take space of the node's file system."""
    qos_class: QOSClass | None = None
    given: GivenStatus = NO_STATUS
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def all_containers(self) -> tuple[Container, ...]:
        """Init containers and sidecars in their order, then app containers; no ephemeral ones."""
        return self.init_containers + self.containers

    @property
    def is_inactive(self) -> bool:
        """It has ended and nobody removes it: to the kubelet it is not there. One that is being removed still is."""
        return self.given.has_ended and self.meta.deletion_timestamp is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityClass:
    """``scheduling.k8s.io/v1 PriorityClass``."""

    meta: ObjectMeta
    value: int
    global_default: bool = False
    preemption_policy: str = "PreemptLowerPriority"
    description: str = ""
