"""What ConfigMaps and Secrets become in a pod: variables, and the files of its volumes.

Source: kubernetes, pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables), pkg/volume/configmap/configmap.go
(MakePayload), pkg/volume/secret/secret.go, pkg/volume/projected/projected.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nodeguard.errors import RuntimeFailed
from nodeguard.model.configdata import ConfigData
from nodeguard.model.objectref import CONFIG_MAP, ObjectRef
from nodeguard.model.pod import Container, DownwardAPI, EnvFrom, KeyRef, ObjectFiles, Pod, Projected
from nodeguard.policy import env
from nodeguard.policy.env import NodeFacts

BAD_CONFIG = "CreateContainerConfigError"

Lookup = Callable[[ObjectRef], ConfigData | None]
"""The object of the pod's namespace, None when there is none; KeyError while nobody has told."""


class Untold(RuntimeFailed):
    """The API server has not told yet whether there is such an object; it will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectedFile:
    """One file of a volume; ``path`` is relative and has no ``..``."""

    path: str
    content: bytes
    mode: int


def container_env(pod: Pod, container: Container, facts: NodeFacts, lookup: Lookup) -> dict[str, str]:
    """All variables of a container: those of ``envFrom``, and over them those of ``env``.

    Raises:
        RuntimeFailed: an object or a key has to be there and is not, or a reference cannot be resolved.
    """
    return env.container_env(
        pod,
        container,
        facts,
        from_objects=env_from(container, lookup),
        key_value=lambda source: key_value(pod, source, lookup),
    )


def config_faults(pod: Pod, lookup: Lookup) -> list[str]:
    """What the pod needs of ConfigMaps and Secrets and does not find."""
    facts, faults = NodeFacts(node_name=""), []
    for container in pod.all_containers:
        try:
            container_env(pod, container, facts, lookup)
        except RuntimeFailed as e:
            faults.append(f"pod {pod.meta.key}, container {container.name}: {e}")
    for volume in pod.volumes:
        if isinstance(volume.source, Projected):
            try:
                volume_files(pod, volume.source, facts, lookup)
            except RuntimeFailed as e:
                faults.append(f"pod {pod.meta.key}, volume {volume.name}: {e}")
    return faults


def env_from(container: Container, lookup: Lookup) -> dict[str, str]:
    """The variables of ``envFrom``; of two with one name the later one counts.

    Raises:
        RuntimeFailed: an object that has to be there is not.
    """
    values: dict[str, str] = {}
    for source in container.env_from:
        found = _find(source, lookup)
        if found is not None:
            for key, value in sorted(found.data.items()):
                if key not in found.binary:
                    values[f"{source.prefix}{key}"] = _text(value, source.ref, key)
    return values


def key_value(pod: Pod, source: KeyRef, lookup: Lookup) -> str | None:
    """The value of one key; None when it is optional and not there: the variable is not set then.

    Raises:
        RuntimeFailed: the object, or the key in it, has to be there and is not.
    """
    found = _find(source, lookup)
    if found is not None and source.key in found.data and source.key not in found.binary:
        return _text(found.data[source.key], source.ref, source.key)
    if source.optional:
        return None
    where = f"{source.ref.kind} {pod.meta.namespace}/{source.ref.name}"
    raise _bad_config(f"couldn't find key {source.key} in {where}")


def volume_files(pod: Pod, source: DownwardAPI | Projected, facts: NodeFacts, lookup: Lookup) -> list[ProjectedFile]:
    """The files of a volume; of two with one path the later one counts.

    Raises:
        RuntimeFailed: an object or a key has to be there and is not, or a reference cannot be resolved.
    """
    found: dict[str, ProjectedFile] = {}
    for one in (source,) if isinstance(source, DownwardAPI) else source.sources:
        if isinstance(one, DownwardAPI):
            files = [
                ProjectedFile(path=file.path, content=file.content.encode(), mode=file.mode)
                for file in env.downward_files(pod, one, facts)
            ]
        else:
            files = list(_object_files(one, source.default_mode, lookup))
        found.update({file.path: file for file in files})
    return list(found.values())


def _object_files(source: ObjectFiles, default_mode: int, lookup: Lookup) -> Iterator[ProjectedFile]:
    found = _find(source, lookup)
    data: Mapping[str, bytes] = {} if found is None else found.data
    if not source.items:
        for key, content in data.items():
            if "/" not in key and key not in ("", ".") and not key.startswith(".."):
                yield ProjectedFile(path=key, content=content, mode=default_mode)
    for item in source.items:
        if item.key in data:
            mode = default_mode if item.mode is None else item.mode
            yield ProjectedFile(path=item.path, content=data[item.key], mode=mode)
        elif not source.optional:
            raise _bad_config(f"references non-existent {_word(source.ref)} key: {item.key}")


def _find(source: EnvFrom | KeyRef | ObjectFiles, lookup: Lookup) -> ConfigData | None:
    ref = source.ref
    try:
        found = lookup(ref)
    except KeyError:
        raise Untold(f'{_word(ref)} "{ref.name}" is not known yet', reason=BAD_CONFIG) from None
    if found is None and not source.optional:
        raise _bad_config(f'{_word(ref)} "{ref.name}" not found')
    return found


def _word(ref: ObjectRef) -> str:
    return "configmap" if ref.kind == CONFIG_MAP else "secret"


def _text(value: bytes, ref: ObjectRef, key: str) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise _bad_config(f'{_word(ref)} "{ref.name}", key {key}: not UTF-8, which a variable has to be') from None
    if "\0" in text:
        raise _bad_config(f'{_word(ref)} "{ref.name}", key {key}: a NUL byte, which no variable can hold')
    return text


def _bad_config(message: str) -> RuntimeFailed:
    return RuntimeFailed(message, reason=BAD_CONFIG)
