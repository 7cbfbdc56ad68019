"""The typed pod from its JSON object: well formed, defaults applied, quantities as ``Quantity``.

What nodeguard cannot run (volumes of other kinds) is left out; a finding told of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nodeguard.model.buildplace import build_affinity, build_tolerations
from nodeguard.model.check.container import plain_capability
from nodeguard.model.default import is_sidecar
from nodeguard.model.instant import parse_rfc3339
from nodeguard.model.meta import ObjectMeta
from nodeguard.model.objectref import CONFIG_MAP, SECRET, ObjectRef
from nodeguard.model.pod import (
    NO_STATUS,
    Container,
    ContainerKind,
    ContainerPort,
    DownwardAPI,
    DownwardFile,
    EmptyDir,
    EnvFrom,
    EnvVar,
    FieldRef,
    GivenStatus,
    HostAlias,
    HostPath,
    KeyFile,
    KeyRef,
    ObjectFiles,
    Pod,
    Projected,
    QOSClass,
    ResourceFieldRef,
    ResourceRequirements,
    RestartPolicy,
    RestartRule,
    SecurityContext,
    Volume,
    VolumeMount,
)
from nodeguard.model.quantity import Quantity


def build_pod(value: dict[str, Any], qos_class: QOSClass | None, given: GivenStatus = NO_STATUS) -> Pod:
    """The pod; ``raw`` is ``value`` with its quantities as canonical text."""
    spec: dict[str, Any] = value["spec"]
    security = spec.get("securityContext", {})
    resources = spec.get("resources")
    return Pod(
        meta=build_meta(value.get("metadata", {})),
        containers=tuple(_container(item, ContainerKind.APP, security) for item in spec["containers"]),
        init_containers=tuple(
            _container(item, ContainerKind.SIDECAR if is_sidecar(item) else ContainerKind.INIT, security)
            for item in spec.get("initContainers", ())
        ),
        resources=_resources(resources) if resources is not None else None,
        overhead=spec.get("overhead", {}),
        restart_policy=RestartPolicy(spec["restartPolicy"]),
        termination_grace_period_seconds=spec["terminationGracePeriodSeconds"],
        active_deadline_seconds=spec.get("activeDeadlineSeconds"),
        priority=spec.get("priority"),
        priority_class_name=spec.get("priorityClassName", ""),
        preemption_policy=spec.get("preemptionPolicy", ""),
        hostname=spec.get("hostnameOverride") or spec.get("hostname", ""),
        subdomain=spec.get("subdomain", ""),
        host_network=spec.get("hostNetwork", False),
        host_pid=spec.get("hostPID", False),
        host_ipc=spec.get("hostIPC", False),
        share_process_namespace=spec.get("shareProcessNamespace", False),
        supplemental_groups=tuple(security.get("supplementalGroups", ())),
        fs_group=security.get("fsGroup"),
        sysctls=tuple((item["name"].replace("/", "."), item.get("value", "")) for item in security.get("sysctls", ())),
        host_aliases=tuple(
            HostAlias(ip=item["ip"], hostnames=tuple(item.get("hostnames", ()))) for item in spec.get("hostAliases", ())
        ),
        service_account_name=spec.get("serviceAccountName") or spec.get("serviceAccount", ""),
        node_name=spec.get("nodeName", ""),
        node_selector=spec.get("nodeSelector", {}),
        affinity=build_affinity(spec),
        tolerations=build_tolerations(spec),
        os=spec.get("os", {}).get("name", ""),
        supplemental_groups_policy=security.get("supplementalGroupsPolicy", ""),
        volumes=tuple(volume for item in spec.get("volumes", ()) if (volume := _volume(item)) is not None),
        local_volumes=tuple(item["name"] for item in spec.get("volumes", ()) if _is_local(item)),
        qos_class=qos_class,
        given=given,
        raw=to_json(value),
    )


def build_meta(meta: Mapping[str, Any]) -> ObjectMeta:
    """``metadata`` of any object."""
    return ObjectMeta(
        name=meta.get("name", ""),
        generate_name=meta.get("generateName", ""),
        namespace=meta.get("namespace") or "default",
        uid=meta.get("uid", ""),
        labels=meta.get("labels", {}),
        annotations=meta.get("annotations", {}),
        controller_kind=next((o.get("kind", "") for o in meta.get("ownerReferences", ()) if o.get("controller")), ""),
        deletion_timestamp=parse_rfc3339(meta.get("deletionTimestamp", "")),
        deletion_grace_period_seconds=meta.get("deletionGracePeriodSeconds"),
    )


def to_json(value: Any) -> Any:
    """A copy without ``Quantity``, ready for a JSON or YAML printer."""
    if isinstance(value, Quantity):
        return str(value)
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    return value


def _container(item: dict[str, Any], kind: ContainerKind, pod_security: dict[str, Any]) -> Container:
    policy = item.get("restartPolicy")
    return Container(
        name=item["name"],
        kind=kind,
        image=item.get("image") or None,
        command=tuple(item.get("command", ())),
        args=tuple(item.get("args", ())),
        working_dir=item.get("workingDir", ""),
        env=tuple(_variable(variable) for variable in item.get("env", ())),
        env_from=tuple(env for source in item.get("envFrom", ()) if (env := _env_from(source)) is not None),
        ports=tuple(
            ContainerPort(
                container_port=port["containerPort"],
                name=port.get("name", ""),
                protocol=port["protocol"],
                host_port=port.get("hostPort", 0),
                host_ip=port.get("hostIP", ""),
            )
            for port in item.get("ports", ())
        ),
        resources=_resources(item.get("resources", {})),
        volume_mounts=tuple(_mount(mount) for mount in item.get("volumeMounts", ())),
        security_context=_security(item.get("securityContext", {}), pod_security),
        restart_policy=RestartPolicy(policy) if policy else None,
        restart_rules=tuple(
            RestartRule(
                action=rule["action"],
                operator=rule["exitCodes"]["operator"],
                exit_codes=tuple(rule["exitCodes"].get("values", ())),
            )
            for rule in item.get("restartPolicyRules", ())
        ),
        termination_message_path=item["terminationMessagePath"],
        termination_message_policy=item["terminationMessagePolicy"],
        stdin=item.get("stdin", False),
        stdin_once=item.get("stdinOnce", False),
        tty=item.get("tty", False),
    )


def _resources(item: dict[str, Any]) -> ResourceRequirements:
    return ResourceRequirements(requests=dict(item.get("requests", {})), limits=dict(item.get("limits", {})))


def _variable(item: dict[str, Any]) -> EnvVar:
    source = item.get("valueFrom", {})
    return EnvVar(
        name=item["name"],
        value=None if source else item.get("value", ""),
        field_ref=_field_ref(source),
        resource_field_ref=_resource_ref(source),
        key_ref=_key_ref(source),
    )


def _key_ref(source: dict[str, Any]) -> KeyRef | None:
    for name, kind in (("configMapKeyRef", CONFIG_MAP), ("secretKeyRef", SECRET)):
        if name in source:
            ref = ObjectRef(kind=kind, name=source[name].get("name", ""))
            return KeyRef(ref=ref, key=source[name]["key"], optional=source[name].get("optional", False))
    return None


def _env_from(source: dict[str, Any]) -> EnvFrom | None:
    for name, kind in (("configMapRef", CONFIG_MAP), ("secretRef", SECRET)):
        if name in source:
            ref = ObjectRef(kind=kind, name=source[name].get("name", ""))
            return EnvFrom(ref=ref, prefix=source.get("prefix", ""), optional=source[name].get("optional", False))
    return None


def _field_ref(source: dict[str, Any]) -> FieldRef | None:
    return FieldRef(field_path=source["fieldRef"]["fieldPath"]) if "fieldRef" in source else None


def _resource_ref(source: dict[str, Any]) -> ResourceFieldRef | None:
    if "resourceFieldRef" not in source:
        return None
    reference = source["resourceFieldRef"]
    return ResourceFieldRef(
        resource=reference["resource"],
        container_name=reference.get("containerName", ""),
        divisor=reference.get("divisor") or None,
    )


def _mount(item: dict[str, Any]) -> VolumeMount:
    return VolumeMount(
        name=item["name"],
        mount_path=item["mountPath"],
        read_only=item.get("readOnly", False),
        sub_path=item.get("subPath", ""),
        sub_path_expr=item.get("subPathExpr", ""),
        mount_propagation=item.get("mountPropagation") or "None",
    )


def _security(own: dict[str, Any], pod: dict[str, Any]) -> SecurityContext:
    """The container's settings over the pod's."""
    capabilities = own.get("capabilities", {})
    seccomp = own.get("seccompProfile") or pod.get("seccompProfile") or {}
    return SecurityContext(
        run_as_user=own.get("runAsUser", pod.get("runAsUser")),
        run_as_group=own.get("runAsGroup", pod.get("runAsGroup")),
        run_as_non_root=own.get("runAsNonRoot", pod.get("runAsNonRoot")),
        capabilities_add=tuple(map(plain_capability, capabilities.get("add", ()))),
        capabilities_drop=tuple(map(plain_capability, capabilities.get("drop", ()))),
        privileged=own.get("privileged", False),
        read_only_root_filesystem=own.get("readOnlyRootFilesystem", False),
        allow_privilege_escalation=own.get("allowPrivilegeEscalation"),
        seccomp_profile=seccomp.get("type"),
        seccomp_localhost_profile=seccomp.get("localhostProfile"),
    )


def _is_local(item: dict[str, Any]) -> bool:
    """Source: kubernetes, pkg/kubelet/eviction/helpers.go, localVolumeNames; pkg/volume/util/util.go."""
    if "emptyDir" in item:
        return not item["emptyDir"].get("medium")
    return any(kind in item for kind in ("hostPath", "gitRepo", "configMap"))


def _volume(item: dict[str, Any]) -> Volume | None:
    source: EmptyDir | HostPath | DownwardAPI | Projected
    if "emptyDir" in item:
        source = EmptyDir(medium=item["emptyDir"].get("medium", ""), size_limit=item["emptyDir"].get("sizeLimit"))
    elif "hostPath" in item:
        source = HostPath(path=item["hostPath"]["path"], type=item["hostPath"]["type"])
    elif "downwardAPI" in item:
        source = _downward(item["downwardAPI"], item["downwardAPI"]["defaultMode"])
    elif "configMap" in item:
        given = item["configMap"]
        files = _object_files(CONFIG_MAP, given.get("name", ""), given)
        source = Projected(sources=(files,), default_mode=given["defaultMode"], in_memory=False)
    elif "secret" in item:
        given = item["secret"]
        files = _object_files(SECRET, given.get("secretName", ""), given)
        source = Projected(sources=(files,), default_mode=given["defaultMode"])
    elif "projected" in item:
        given = item["projected"]
        sources = tuple(_projections(given.get("sources", ()), given["defaultMode"]))
        source = Projected(sources=sources, default_mode=given["defaultMode"])
    else:
        return None
    return Volume(name=item["name"], source=source)


def _projections(items: Iterable[dict[str, Any]], default_mode: int) -> Iterator[ObjectFiles | DownwardAPI]:
    for item in items:
        if "downwardAPI" in item:
            yield _downward(item["downwardAPI"], default_mode)
        for name, kind in (("configMap", CONFIG_MAP), ("secret", SECRET)):
            if name in item:
                yield _object_files(kind, item[name].get("name", ""), item[name])


def _object_files(kind: str, name: str, given: dict[str, Any]) -> ObjectFiles:
    return ObjectFiles(
        ref=ObjectRef(kind=kind, name=name),
        items=tuple(KeyFile(key=one["key"], path=one["path"], mode=one.get("mode")) for one in given.get("items", ())),
        optional=given.get("optional", False),
    )


def _downward(given: dict[str, Any], default_mode: int) -> DownwardAPI:
    return DownwardAPI(
        items=tuple(
            DownwardFile(
                path=file["path"],
                field_ref=_field_ref(file),
                resource_field_ref=_resource_ref(file),
                mode=file.get("mode"),
            )
            for file in given.get("items", ())
        ),
        default_mode=default_mode,
    )
