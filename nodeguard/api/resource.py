"""Every resource of the API: routes, discovery, OpenAPI, tables and authorization read this one list.

Source: kubernetes, api/discovery/api__v1.json and its neighbours (verbs, names, subresources); of what upstream has,
only what is served here is listed.
"""

from __future__ import annotations

from dataclasses import dataclass

_READ = ("get", "list")
_ALL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_CHANGE = ("get", "patch", "update")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subresource:
    """A path below an object, such as ``pods/NAME/log``; ``group`` and ``version`` are those of its ``kind``."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource. ``storage`` False: nothing of it is in the store, answers are made up on request.

    ``object`` is its kind's name in the field table, where one kind has two versions.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    verbs: tuple[str, ...] = _ALL
    subresources: tuple[Subresource, ...] = ()
    storage: bool = True
    object: str = ""

    @property
    def group_version(self) -> str:
        """``v1`` or ``GROUP/VERSION``, as ``apiVersion`` has it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def api_path(self) -> str:
        """``/api/v1`` or ``/apis/GROUP/VERSION``."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def list_kind(self) -> str:
        """``PodList``."""
        return f"{self.kind}List"

    @property
    def table_name(self) -> str:
        """The name of its kind in the field table."""
        return self.object or self.kind

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of that name; None when it has none."""
        return next((one for one in self.subresources if one.name == name), None)


def _status(kind: str) -> Subresource:
    return Subresource(name="status", kind=kind, verbs=_CHANGE)


def _stream(name: str, kind: str) -> Subresource:
    return Subresource(name=name, kind=kind, verbs=("create", "get"))


def _core(
    kind: str,
    plural: str,
    *short_names: str,
    namespaced: bool = True,
    verbs: tuple[str, ...] = _ALL,
    categories: tuple[str, ...] = (),
    subresources: tuple[Subresource, ...] = (),
    storage: bool = True,
) -> Resource:
    return Resource(
        group="",
        version="v1",
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        short_names=short_names,
        categories=categories,
        namespaced=namespaced,
        verbs=verbs,
        subresources=subresources,
        storage=storage,
    )


def _review(group: str, kind: str, *, namespaced: bool = False) -> Resource:
    """A question that is put by creating an object, and answered in it."""
    return Resource(
        group=group,
        version="v1",
        kind=kind,
        plural=f"{kind.lower()}s",
        singular=kind.lower(),
        namespaced=namespaced,
        verbs=("create",),
        storage=False,
    )


def _metrics(kind: str, plural: str, *, namespaced: bool) -> Resource:
    return Resource(
        group="metrics.k8s.io",
        version="v1beta1",
        kind=kind,
        plural=plural,
        singular="",
        namespaced=namespaced,
        verbs=_READ,
        storage=False,
    )


RESOURCES: tuple[Resource, ...] = (
    _core("Binding", "bindings", verbs=("create",), storage=False),
    _core("ConfigMap", "configmaps", "cm"),
    _core("Event", "events", "ev"),
    _core(
        "Namespace",
        "namespaces",
        "ns",
        namespaced=False,
        verbs=tuple(verb for verb in _ALL if verb != "deletecollection"),
        subresources=(Subresource(name="finalize", kind="Namespace", verbs=("update",)), _status("Namespace")),
    ),
    _core(
        "Node",
        "nodes",
        "no",
        namespaced=False,
        subresources=(Subresource(name="proxy", kind="NodeProxyOptions", verbs=("get",)), _status("Node")),
    ),
    _core(
        "Pod",
        "pods",
        "po",
        categories=("all",),
        subresources=(
            _stream("attach", "PodAttachOptions"),
            Subresource(name="binding", kind="Binding", verbs=("create",)),
            Subresource(name="eviction", kind="Eviction", verbs=("create",), group="policy", version="v1"),
            _stream("exec", "PodExecOptions"),
            Subresource(name="log", kind="Pod", verbs=("get",)),
            _stream("portforward", "PodPortForwardOptions"),
            _status("Pod"),
        ),
    ),
    _core("Secret", "secrets"),
    _core("ServiceAccount", "serviceaccounts", "sa"),
    _review("authentication.k8s.io", "SelfSubjectReview"),
    _review("authorization.k8s.io", "LocalSubjectAccessReview", namespaced=True),
    _review("authorization.k8s.io", "SelfSubjectAccessReview"),
    _review("authorization.k8s.io", "SelfSubjectRulesReview"),
    _review("authorization.k8s.io", "SubjectAccessReview"),
    Resource(group="coordination.k8s.io", version="v1", kind="Lease", plural="leases", singular="lease"),
    Resource(
        group="events.k8s.io",
        version="v1",
        kind="Event",
        plural="events",
        singular="event",
        short_names=("ev",),
        object="events.k8s.io.Event",
    ),
    _metrics("NodeMetrics", "nodes", namespaced=False),
    _metrics("PodMetrics", "pods", namespaced=True),
    Resource(
        group="scheduling.k8s.io",
        version="v1",
        kind="PriorityClass",
        plural="priorityclasses",
        singular="priorityclass",
        short_names=("pc",),
        namespaced=False,
    ),
)
"""Groups in alphabetical order, the core group first; resources by their plural."""

_BY_PATH = {(one.group, one.version, one.plural): one for one in RESOURCES}
_BY_KIND = {(one.group_version, one.kind): one for one in RESOURCES}


def find_resource(group: str, version: str, plural: str) -> Resource | None:
    """The resource that a path names; None when it is not served."""
    return _BY_PATH.get((group, version, plural))


def find_kind(api_version: str, kind: str) -> Resource | None:
    """The resource of objects with this ``apiVersion`` and ``kind``; None when it is not served."""
    return _BY_KIND.get((api_version, kind))


def group_versions() -> tuple[str, ...]:
    """Every ``apiVersion`` that is served, each once, in the order of ``RESOURCES``."""
    return tuple(dict.fromkeys(one.group_version for one in RESOURCES))
