"""Static manifests read: a directory whose files are pods of this node.

Names that begin with a dot, symbolic links and what is no file are passed over.

Source: kubelet, pkg/kubelet/config/file.go and common.go (applyDefaults).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nodeguard.agent.admit import with_priority
from nodeguard.errors import Rejected
from nodeguard.model.decode import decode
from nodeguard.model.document import Document, parse
from nodeguard.model.finding import Severity
from nodeguard.model.instant import rfc3339
from nodeguard.model.pod import Pod
from nodeguard.policy.priority import CONFIG_HASH, CONFIG_MIRROR, CONFIG_SEEN, CONFIG_SOURCE

MAX_BYTES = 1 << 20
MAX_FILES = 500
_LISTS = ("List", "PodList")
_TOLERATION = {"operator": "Exists", "effect": "NoExecute"}

Mark = tuple[int, int, int, int]
"""Of a file: device, inode, size and time of change. As long as it stays, nobody wrote to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """One file: its pods, or why there are none (``file:line: …``)."""

    mark: Mark
    pods: tuple[Pod, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The whole directory; ``passed_over`` tells of what is there and is not read."""

    files: Mapping[str, StaticFile] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()


def read_manifests(path: Path, node_name: str, now: float, before: Mapping[str, StaticFile]) -> Reading:
    """What stands at ``path``, a directory or one file; files that are as ``before`` are not read again.

    A path that is not there holds nothing.
    """
    files: dict[str, StaticFile] = {}
    passed_over: list[str] = []
    for name, found in _list(path, passed_over):
        mark = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        known = before.get(name)
        if known is not None and known.mark == mark:
            files[name] = known
        elif len(files) >= MAX_FILES:
            passed_over.append(f"{name}: more than {MAX_FILES} manifests")
        else:
            files[name] = _read(Path(name), mark, node_name, now)
    return Reading(files=_without_twins(files), passed_over=tuple(passed_over))


def _list(path: Path, passed_over: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    names: list[Path] = []
    with suppress(FileNotFoundError):
        names = sorted(path / name for name in os.listdir(path)) if path.is_dir() else [path]
    for each in names:
        if each.name.startswith("."):
            continue
        try:
            found = each.lstat()
        except OSError:
            continue  # gone meanwhile
        if stat.S_ISLNK(found.st_mode):
            passed_over.append(f"{each}: a symbolic link is not followed")
        elif stat.S_ISDIR(found.st_mode):
            passed_over.append(f"{each}: a directory inside is not read")
        elif not stat.S_ISREG(found.st_mode):
            passed_over.append(f"{each}: no regular file")
        elif found.st_size > MAX_BYTES:
            passed_over.append(f"{each}: {found.st_size} bytes are too much for a manifest; at most {MAX_BYTES}")
        else:
            yield str(each), found


def _read(path: Path, mark: Mark, node_name: str, now: float) -> StaticFile:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as e:
        return StaticFile(mark=mark, faults=(f"{path}: {e.strerror}",))
    return parse_manifest(text, str(path), mark=mark, node_name=node_name, now=now)


def parse_manifest(text: bytes, source: str, *, mark: Mark, node_name: str, now: float) -> StaticFile:
    """The pods of a manifest's text, as this node runs them. Pure."""
    documents = [_of_node(document, node_name, now) for document in parse(text, source)]
    found = decode(documents)
    faults = [str(finding) for finding in found.findings if finding.severity is not Severity.WARNING]
    faults += [f"{source}: a static manifest holds pods, not PriorityClasses" for _ in found.priority_classes[:1]]
    if not faults and not found.pods:
        faults.append(f"{source}: no Pod in this file")
    if faults:
        return StaticFile(mark=mark, faults=tuple(faults))
    try:
        return StaticFile(mark=mark, pods=tuple(with_priority(found.pods, ())))
    except Rejected as e:
        return StaticFile(mark=mark, faults=tuple(f"{source}: {line}" for line in str(e).splitlines()))


def _of_node(document: Document, node_name: str, now: float) -> Document:
    """The document with its pods named after the node, and known by what stands in it.

    Source: kubelet, pkg/kubelet/config/common.go, applyDefaults, generatePodName.
    """
    value = document.value
    if not isinstance(value, dict):
        return document
    if value.get("kind") in _LISTS and isinstance(value.get("items"), list):
        items = [_object_of_node(item, document.source, node_name, now) for item in value["items"]]
        return replace(document, value={**value, "items": items})
    return replace(document, value=_object_of_node(value, document.source, node_name, now))


def _object_of_node(value: Any, source: str, node_name: str, now: float) -> Any:
    """What has no shape stays as it is: it will be told with its line."""
    if not isinstance(value, dict) or value.get("kind", "Pod") != "Pod":
        return value
    metadata, spec = value.get("metadata"), value.get("spec")
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        return value
    annotations, tolerations = metadata.get("annotations") or {}, spec.get("tolerations") or []
    if not isinstance(annotations, dict) or not isinstance(tolerations, list):
        return value
    uid = metadata.get("uid") or _uid(value, source, node_name)
    name = metadata.get("name")
    metadata = {
        **metadata,
        **({"name": f"{name}-{node_name.lower()}"} if isinstance(name, str) and name else {}),
        "uid": uid,
        "annotations": {
            **annotations,
            CONFIG_HASH: uid,
            CONFIG_MIRROR: uid,
            CONFIG_SEEN: rfc3339(now),
            CONFIG_SOURCE: "file",
        },
    }
    tolerations = [*tolerations, *([] if _TOLERATION in tolerations else [_TOLERATION])]
    return {**value, "metadata": metadata, "spec": {**spec, "tolerations": tolerations, "nodeName": node_name.lower()}}


def _uid(value: dict[str, Any], source: str, node_name: str) -> str:
    """MD5 of the object, the node and the file: another content is another pod."""
    told = json.dumps(value, sort_keys=True, default=str)
    return hashlib.md5(f"{told}host:{node_name}file:{source}".encode(), usedforsecurity=False).hexdigest()


def _without_twins(files: Mapping[str, StaticFile]) -> dict[str, StaticFile]:
    """Of two pods with one name, or one uid, the one in the file that comes first counts."""
    first: dict[str, str] = {}
    found = {}
    for name, file in files.items():
        faults = []
        for pod in file.pods:
            for key in (pod.meta.key, pod.meta.uid):
                if first.setdefault(key, name) != name:
                    faults.append(f"{name}: pod {pod.meta.key} is in {first[key]}, too")
        found[name] = replace(file, pods=(), faults=tuple(dict.fromkeys(faults))) if faults else file
    return found
