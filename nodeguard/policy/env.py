"""The environment of a container, and what the downward API says.

Source: kubernetes, pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables),
third_party/forked/golang/expansion/expand.go, pkg/fieldpath/fieldpath.go and pkg/api/v1/resource/helpers.go.
Variables that Kubernetes makes from Services are not made: one host has no Services.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from nodeguard.errors import RuntimeFailed
from nodeguard.model.pod import Container, DownwardAPI, FieldRef, KeyRef, Pod, ResourceFieldRef, ResourceList
from nodeguard.model.quantity import Quantity

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")
_GO_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_GO_ESCAPES |= {"\\": "\\\\", '"': '\\"'}
_ONE = Quantity.from_int(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What the downward API tells about the node and the pod's place on it."""

    node_name: str
    host_ips: tuple[str, ...] = ()
    pod_ips: tuple[str, ...] = ()
    allocatable: ResourceList = field(default_factory=dict)
    """stands in for limits that are not set"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownwardContent:
    """One file of a downwardAPI volume, ready to be written."""

    path: str
    content: str
    mode: int


def expand(text: str, values: Mapping[str, str]) -> str:
    """``text`` with every ``$(NAME)`` replaced; ``$$`` is a dollar sign, an unknown name stays as it is."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        return "$" if name is None else values.get(name, match.group(0))

    return _REFERENCE.sub(replace, text)


def expand_strictly(text: str, values: Mapping[str, str]) -> str:
    """``text`` with every ``$(NAME)`` replaced, as ``subPathExpr`` needs it.

    Raises:
        RuntimeFailed: a name has no value.
    """
    for match in _REFERENCE.finditer(text):
        if match.group(1) is not None and match.group(1) not in values:
            raise _bad_config(f'missing value for "{match.group(1)}" in {text!r}')
    return expand(text, values)


def container_env(
    pod: Pod,
    container: Container,
    facts: NodeFacts,
    *,
    from_objects: Mapping[str, str] | None = None,
    key_value: Callable[[KeyRef], str | None] | None = None,
) -> dict[str, str]:
    """The variables of ``env``, in order; a later entry may refer to earlier ones, and the last of one name counts.

    ``from_objects`` are those of ``envFrom``, which come before; ``key_value`` gives that of a ConfigMap's or Secret's
    key, None when the variable is not to be set.

    Raises:
        RuntimeFailed: a reference cannot be resolved.
    """
    values: dict[str, str] = dict(from_objects or {})
    for entry in container.env:
        if entry.key_ref is not None:
            found = None if key_value is None else key_value(entry.key_ref)
            if found is not None:
                values[entry.name] = found
            continue
        if entry.field_ref is not None:
            value = field_value(pod, entry.field_ref, facts)
        elif entry.resource_field_ref is not None:
            value = resource_value(pod, container, entry.resource_field_ref, facts)
        else:
            value = expand(entry.value or "", values)
        values[entry.name] = value
    return values


def process_env(values: Mapping[str, str], *, hostname: str, image_env: Iterable[str] = ()) -> tuple[str, ...]:
    """What the process gets: a PATH and HOSTNAME, the image's variables over them, the container's own over all.

    Source: containerd, internal/cri/server/container_create.go.
    """
    merged = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    for entry in image_env:
        name, _, value = entry.partition("=")
        merged[name] = value
    merged.update(values)
    return tuple(f"{name}={value}" for name, value in merged.items())


def expand_words(words: Iterable[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """``command`` or ``args`` with their references replaced."""
    return tuple(expand(word, values) for word in words)


def field_value(pod: Pod, ref: FieldRef, facts: NodeFacts) -> str:
    """The value of a ``fieldRef``; empty when the pod has no such label, annotation or address.

    Raises:
        RuntimeFailed: the downward API has no such field.
    """
    path = ref.field_path
    if subscript := _SUBSCRIPT.fullmatch(path):
        source = pod.meta.labels if subscript.group(1) == "labels" else pod.meta.annotations
        return source.get(subscript.group(2), "")
    match path:
        case "metadata.name":
            return pod.meta.name
        case "metadata.namespace":
            return pod.meta.namespace
        case "metadata.uid":
            return pod.meta.uid
        case "metadata.labels":
            return _format_map(pod.meta.labels)
        case "metadata.annotations":
            return _format_map(pod.meta.annotations)
        case "spec.nodeName":
            return facts.node_name
        case "spec.serviceAccountName":
            return pod.service_account_name
        case "status.hostIP":
            return facts.host_ips[0] if facts.host_ips else ""
        case "status.hostIPs":
            return ",".join(facts.host_ips)
        case "status.podIP":
            return facts.pod_ips[0] if facts.pod_ips else ""
        case "status.podIPs":
            return ",".join(facts.pod_ips)
    raise _bad_config(f"unsupported fieldPath: {path}")


def resource_value(pod: Pod, container: Container | None, ref: ResourceFieldRef, facts: NodeFacts) -> str:
    """The value of a ``resourceFieldRef`` in units of its divisor, rounded up.

    A limit that is not set is the pod's own limit, or what the node may give to pods.

    Raises:
        RuntimeFailed: no such container or resource.
    """
    if ref.container_name:
        container = next((c for c in pod.all_containers if c.name == ref.container_name), None)
    if container is None:
        raise _bad_config(f"container {ref.container_name} not found")
    kind, _, resource = ref.resource.partition(".")
    if kind == "limits":
        amount = container.resources.limits.get(resource)
        if not amount and pod.resources is not None:
            amount = pod.resources.limits.get(resource)
        if not amount:
            amount = facts.allocatable.get(resource)
    elif kind == "requests":
        amount = container.resources.requests.get(resource)
    else:
        raise _bad_config(f"unsupported container resource : {ref.resource}")
    divisor = ref.divisor or _ONE
    if amount is None:
        return "0"
    if resource == "cpu":
        return str(-(-amount.milli_value() // divisor.milli_value()))
    return str(-(-amount.value() // divisor.value()))


def downward_files(pod: Pod, source: DownwardAPI, facts: NodeFacts) -> tuple[DownwardContent, ...]:
    """The files of a downwardAPI volume.

    Raises:
        RuntimeFailed: a reference cannot be resolved.
    """
    files = []
    for item in source.items:
        if item.field_ref is not None:
            content = field_value(pod, item.field_ref, facts)
        elif item.resource_field_ref is not None:
            content = resource_value(pod, None, item.resource_field_ref, facts)
        else:
            content = ""
        mode = source.default_mode if item.mode is None else item.mode
        files.append(DownwardContent(path=item.path, content=content, mode=mode))
    return tuple(files)


def _format_map(values: Mapping[str, str]) -> str:
    """One ``key="value"`` a line, sorted by key, values quoted as Go's %q does."""
    return "\n".join(f"{key}={_go_quote(value)}" for key, value in sorted(values.items()))


def _go_quote(text: str) -> str:
    quoted = []
    for character in text:
        if character in _GO_ESCAPES:
            quoted.append(_GO_ESCAPES[character])
        elif character.isprintable():
            quoted.append(character)
        elif ord(character) < 0x80:
            quoted.append(f"\\x{ord(character):02x}")
        elif ord(character) < 0x10000:
            quoted.append(f"\\u{ord(character):04x}")
        else:
            quoted.append(f"\\U{ord(character):08x}")
    return f'"{"".join(quoted)}"'


def _bad_config(message: str) -> RuntimeFailed:
    return RuntimeFailed(message, reason="CreateContainerConfigError")
