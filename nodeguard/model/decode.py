"""Documents to pods, PriorityClasses, ConfigMaps and Secrets: every fault of the whole input at once, nothing raised.

A pod with an error is not among the pods; one with an unsupported field is, without that field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nodeguard.model.build import build_meta, build_pod
from nodeguard.model.check.pod import check_pod
from nodeguard.model.check.priorityclass import check_priority_class
from nodeguard.model.check.report import Report, guess, shown
from nodeguard.model.check.shape import check_shape
from nodeguard.model.check.status import check_status
from nodeguard.model.configdata import ConfigData, config_data
from nodeguard.model.default import apply_defaults
from nodeguard.model.document import Document, Path
from nodeguard.model.finding import Finding, Severity, in_file_order
from nodeguard.model.objectref import CONFIG_MAP, SECRET, ObjectRef
from nodeguard.model.pod import Pod, PriorityClass, QOSClass
from nodeguard.model.podtable import KINDS
from nodeguard.model.syntax import config_key

_VERSIONS = {
    "Pod": "v1",
    "PriorityClass": "scheduling.k8s.io/v1",
    "ConfigMap": "v1",
    "Secret": "v1",
    "List": "v1",
    "PodList": "v1",
    "PriorityClassList": "scheduling.k8s.io/v1",
}
_ITEM_KINDS = {"PodList": "Pod", "PriorityClassList": "PriorityClass"}
_OTHER_KINDS = frozenset(
    """
    ControllerRevision CronJob CustomResourceDefinition DaemonSet Deployment Endpoints EndpointSlice Event
    HorizontalPodAutoscaler Ingress IngressClass Job Lease LimitRange Namespace NetworkPolicy Node PersistentVolume
    PersistentVolumeClaim PodDisruptionBudget PodTemplate ReplicaSet ReplicationController ResourceClaim
    ResourceClaimTemplate ResourceQuota Role RoleBinding ClusterRole ClusterRoleBinding RuntimeClass Service
    ServiceAccount StatefulSet StorageClass
    """.split()  # noqa: SIM905 - forty words read better without quotes
)


ConfigKey = tuple[str, ObjectRef]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """What an input holds; ``findings`` are in file order."""

    pods: tuple[Pod, ...] = ()
    priority_classes: tuple[PriorityClass, ...] = ()
    config_objects: Mapping[ConfigKey, ConfigData] = field(default_factory=dict)
    """What ConfigMaps and Secrets hold, by namespace and name."""
    findings: tuple[Finding, ...] = ()

    def config_of(self, namespace: str) -> Callable[[ObjectRef], ConfigData | None]:
        """What finds a ConfigMap or Secret of this namespace."""
        return lambda ref: self.config_objects.get((namespace, ref))

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What makes the input invalid."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """What keeps the input from being run: errors, and what is not supported."""
        return tuple(finding for finding in self.findings if finding.severity is not Severity.WARNING)


def decode(documents: Sequence[Document]) -> Manifests:
    """Everything the documents hold, with defaults applied; a pod without a name keeps its ``generate_name``."""
    decoder = _Decoder()
    for document in documents:
        decoder.read(document)
    return Manifests(
        pods=tuple(decoder.pods),
        priority_classes=tuple(decoder.priority_classes),
        config_objects=decoder.config_objects,
        findings=in_file_order(decoder.findings),
    )


def decode_items(document: Document, path: Path, items: Sequence[Any], kind: str) -> Manifests:
    """Objects of one kind that stand in a list at ``path`` of a document of another kind."""
    decoder = _Decoder()
    for position, item in enumerate(items):
        decoder.read_item(document, item, (*path, position), kind)
    return Manifests(
        pods=tuple(decoder.pods), priority_classes=tuple(decoder.priority_classes), findings=tuple(decoder.findings)
    )


class _Decoder:
    def __init__(self) -> None:
        self.pods: list[Pod] = []
        self.priority_classes: list[PriorityClass] = []
        self.config_objects: dict[ConfigKey, ConfigData] = {}
        self.findings: list[Finding] = []
        self._first: dict[tuple[str, ...], str] = {}
        self._is_broken = False

    def read(self, document: Document) -> None:
        self.findings += document.findings
        self._is_broken = bool(document.findings)
        if document.value is not None:
            self._object(document, document.value, (), "")

    def read_item(self, document: Document, value: Any, path: Path, kind: str) -> None:
        """Read one object, which must be of this kind."""
        other = value.get("kind", kind) if isinstance(value, dict) else kind
        if other == kind:
            self._object(document, value, path, kind)
        else:
            report = Report(document)
            report.error((*path, "kind"), f"found {shown(other)}; allowed is {kind}")
            self.findings += report.findings

    def _object(self, document: Document, value: Any, path: Path, kind_of_list: str) -> None:
        report = Report(document)
        kind = self._kind(report, value, path, kind_of_list)
        if kind == "Pod":
            self._pod(report, value, path)
        elif kind == "PriorityClass":
            self._priority_class(report, value, path)
        elif kind in (CONFIG_MAP, SECRET):
            self._config_object(report, value, path, kind)
        elif kind:
            self._list(report, document, value, path, kind)
        self.findings += report.findings

    def _kind(self, report: Report, value: Any, path: Path, kind_of_list: str) -> str:
        """The supported kind of an object, or ``""`` when it was reported."""
        if not isinstance(value, dict):
            report.error(path, f"expected an object with apiVersion and kind, found {shown(value)}")
            return ""
        kind, version = value.get("kind") or kind_of_list, value.get("apiVersion") or _VERSIONS.get(kind_of_list)
        for key, given in (("apiVersion", version), ("kind", kind)):
            if not given:
                report.error((*path, key), "required, but missing")
        if kind and not isinstance(kind, str):
            report.error((*path, "kind"), f"expected a string, found {shown(kind)}")
        if not isinstance(kind, str) or not kind:
            return ""
        if kind not in _VERSIONS:
            self._other_kind(report, kind, version, path)
            return ""
        if isinstance(version, str) and version and version != _VERSIONS[kind]:
            report.error((*path, "apiVersion"), f"found {shown(version)}; allowed for {kind} is {_VERSIONS[kind]}")
        return kind

    def _other_kind(self, report: Report, kind: str, version: Any, path: Path) -> None:
        supported = f"supported: {', '.join((*KINDS, CONFIG_MAP, SECRET))}"
        meant = "" if kind in _OTHER_KINDS else guess(kind, (*_VERSIONS, *_OTHER_KINDS))
        if meant:
            later = "" if meant in _VERSIONS else " (not supported yet)"
            report.error((*path, "kind"), f"unknown kind {shown(kind)}, did you mean {meant}{later}? {supported}")
        else:
            named = f"kind {kind} ({version})" if isinstance(version, str) and version else f"kind {kind}"
            report.unsupported(path, f"{named}: not supported yet; {supported}")

    def _list(self, report: Report, document: Document, value: dict[str, Any], path: Path, kind: str) -> None:
        checked = check_shape(report, "List", {"apiVersion": "v1", "kind": kind, **value}, path)
        for position, item in enumerate(checked.get("items", ())):
            self._object(document, item, (*path, "items", position), _ITEM_KINDS.get(kind, ""))

    def _pod(self, report: Report, value: dict[str, Any], path: Path) -> None:
        pod = check_shape(report, "Pod", {"apiVersion": "v1", "kind": "Pod", **value}, path)
        _check_name(report, value, path, may_generate=True)
        status = pod.pop("status", None)
        qos_class = _qos_class(report, status, (*path, "status", "qosClass"))
        given = check_status(report, status, (*path, "status"))
        apply_defaults(pod)
        check_pod(report, pod, path)
        meta = build_meta(pod["metadata"])
        if meta.name:
            self._unique(report, (*path, "metadata", "name"), "pod", meta.key)
        if meta.uid:
            self._unique(report, (*path, "metadata", "uid"), "uid", meta.uid)
        if not report.has_errors and not self._is_broken:
            self.pods.append(build_pod(pod, qos_class, given))

    def _priority_class(self, report: Report, value: dict[str, Any], path: Path) -> None:
        given = {"apiVersion": _VERSIONS["PriorityClass"], "kind": "PriorityClass", **value}
        checked = check_shape(report, "PriorityClass", given, path)
        _check_name(report, value, path, may_generate=False)
        check_priority_class(report, checked, path)
        meta = build_meta(checked.get("metadata", {}))
        if meta.name:
            self._unique(report, (*path, "metadata", "name"), "PriorityClass", meta.name)
        if checked.get("globalDefault"):
            self._unique(report, (*path, "globalDefault"), "global default", "PriorityClass")
        if not report.has_errors and not self._is_broken:
            self.priority_classes.append(
                PriorityClass(
                    meta=meta,
                    value=checked["value"],
                    global_default=checked.get("globalDefault", False),
                    preemption_policy=checked.get("preemptionPolicy") or "PreemptLowerPriority",
                    description=checked.get("description", ""),
                )
            )

    def _config_object(self, report: Report, value: dict[str, Any], path: Path, kind: str) -> None:
        from nodeguard.model.apitable import API_OBJECTS  # every object of the API: most inputs hold pods alone

        checked = check_shape(report, kind, {"apiVersion": "v1", "kind": kind, **value}, path, API_OBJECTS)
        _check_name(report, value, path, may_generate=False)
        for name in ("data", "binaryData", "stringData"):
            for key in checked.get(name, {}):
                wrong = config_key(key)
                if wrong is not None:
                    report.error((*path, name, key), wrong)
        meta = build_meta(checked.get("metadata", {}))
        if meta.name:
            self._unique(report, (*path, "metadata", "name"), kind, meta.key)
        if not report.has_errors and not self._is_broken:
            self.config_objects[meta.namespace, ObjectRef(kind=kind, name=meta.name)] = config_data(kind, checked)

    def _unique(self, report: Report, path: Path, what: str, name: str) -> None:
        """Report an object whose name an earlier one has."""
        first = self._first.get((what, name))
        if first is not None:
            report.error(path, f"a second {what} {shown(name)}, the first is at {first}")
        else:
            self._first[what, name] = report.place(path)


def _check_name(report: Report, value: dict[str, Any], path: Path, *, may_generate: bool) -> None:
    meta = value.get("metadata")
    if meta is not None and not isinstance(meta, dict):
        return
    meta = meta or {}
    if not meta.get("name") and not (may_generate and meta.get("generateName")):
        report.error((*path, "metadata", "name"), "required, but missing")


def _qos_class(report: Report, status: Any, path: Path) -> QOSClass | None:
    word = status.get("qosClass") if isinstance(status, dict) else None
    if not word:
        return None
    if word in tuple(QOSClass):
        return QOSClass(word)
    report.error(path, f"found {shown(word)}; allowed are {', '.join(QOSClass)}")
    return None
